"""mlx_impl.ops.launched: calls of our own kernels are counted on a GPU, and there are none on a CPU."""

from __future__ import annotations

from collections import Counter

import mlx.core as mx
import numpy as np
import pytest

from mlx_impl.ops import functional
from mlx_impl.ops.cuda import kernel, rms_norm
from mlx_impl.ops.device import on_gpu
from mlx_impl.ops.launched import CALLS
from tests.kernels import judged, told

FUNCTIONS = ("exp", "silu", "sigmoid", "gelu", "gelu_new", "mish")


@pytest.fixture
def calls() -> Counter[str]:
    CALLS.clear()
    return CALLS


def run() -> list[np.ndarray]:
    x = mx.array(np.linspace(-3, 3, 12, dtype=np.float32).reshape(3, 4))
    given = [(name, (x,)) for name in FUNCTIONS] + [("snake", (x, mx.ones(4)))]
    return [np.array(getattr(functional, name)(*arguments)) for name, arguments in given]


def test_a_run_asks_for_as_many_as_its_device_has(calls):
    run()
    assert calls == (dict.fromkeys((*FUNCTIONS, "snake"), 1) if on_gpu() else {})


def test_the_way_of_a_gpu_is_counted_and_gives_the_same(calls, monkeypatch):
    """The way itself runs on a CPU too: MLX compiles it for either."""
    expected = run()
    calls.clear()
    monkeypatch.setattr(functional, "on_gpu", lambda: True)
    found = run()
    assert calls == dict.fromkeys((*FUNCTIONS, "snake"), 1)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


def test_a_kernel_in_cuda_is_counted_by_its_file_and_name(calls, monkeypatch):
    monkeypatch.setattr(kernel.Kernel, "_compiled", lambda self, **_: ["what it gave"])
    assert rms_norm.NORMALIZE([], [], mx.float32, {}, 1, 1) == ["what it gave"]
    assert calls == {f"rms_norm.{rms_norm.NORMALIZE.name}": 1}


@pytest.mark.parametrize(("gpu", "count", "code"), [(True, 3, 0), (True, 0, 1), (False, 0, 0), (False, 1, 1)])
def test_a_run_that_took_another_way_than_its_device_has_is_seen(gpu, count, code):
    calls = Counter({"snake": count} if count else {})
    assert judged(gpu, calls) == code
    assert told(calls)[-1] == f"{count:6} calls of {len(calls)} kernels of ours"
