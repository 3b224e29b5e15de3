"""Every path of the port that a CPU takes, against the plain one: in double, blocked sums are equal to 1e-13.

Kernels that are made of bits have no double; `test_kernels.py` compares those in float32. A function that chooses
between paths and is in no list here fails.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from parity.base.metrics import rms
from parity.exact.standin import installed
from tests.exact.paths import PATHS, Pair, devices, draw
from tests.exact.sums import SUMS

BOUND = 1e-13
PORT = Path(__file__).resolve().parents[2] / "mlx_impl"
ASKING = {"on_gpu", "its_own", "sums_in_order", "in_double", "applies", "available"}
NAMED = {
    "ops/convolution.py: as_one_product",
    "ops/linear.py: by_codes",
    "ops/linear.py: joined",
    "ops/lstm.py: begins_here",
    "ops/lstm.py: native",
    "ops/normalization.py: fused",
    "ops/parallel.py: undivided",
    "ops/taps.py: block_in",
}
"""Conditions of one path, each of which has a name."""
ASKING |= {name.rpartition(" ")[2] for name in NAMED}
"""Whoever calls one of these chooses between paths."""

KERNELS = {
    "ops/functional.py: _apply": "exp, silu, sigmoid, gelu and mish in test_kernels.py",
    "ops/functional.py: snake": "Snake in test_kernels.py",
    "ops/cpu/exponential.py: exp_below_0": "attention, e^x in test_kernels.py",
    "ops/cpu/exponential.py: exp2_below_0": "attention, 2^x in test_kernels.py",
    "ops/cpu/exponential.py: expm1": "LSTM, of gates in test_kernels.py",
    "ops/cpu/exponential.py: expm1_of_twice": "LSTM, tanh of the cell in test_kernels.py",
}
ELSEWHERE = dict.fromkeys(NAMED, "it answers a question") | {
    "ops/convolution.py: its_own": "it answers a question",
    "ops/linear.py: its_own": "it answers a question",
    "ops/order.py: sums_in_order": "it answers a question",
    "ops/cuda/kernel.py: available": "it answers a question",
    "ops/cuda/conv1d.py: applies": "it answers a question; the kernel is compared on a GPU, in tests/stages",
    "ops/cuda/rms_norm.py: applies": "it answers a question; the kernel is compared on a GPU, in tests/stages",
    "ops/cuda/decode.py: applies": "it answers a question; the kernels are compared on a GPU, in tests/stages",
    "t3/generation.py: each_token": "the loop, on CUDA with kernels; compared on a GPU, in tests/stages",
}


def choosing(root: Path) -> set[str]:
    """The functions of a package that choose between paths: `folder/file.py: Class.method`."""
    found = set()

    def walk(node: ast.AST, file: str, names: tuple[str, ...]) -> None:
        for child in ast.iter_child_nodes(node):
            inner = (*names, child.name) if isinstance(child, ast.FunctionDef | ast.ClassDef) else names
            if isinstance(child, ast.Call):
                called = child.func.id if isinstance(child.func, ast.Name) else getattr(child.func, "attr", "")
                if called in ASKING:
                    found.add(f"{file}: {'.'.join(names)}")
            walk(child, file, inner)

    for path in sorted(root.rglob("*.py")):
        walk(ast.parse(path.read_text(), str(path)), path.relative_to(root).as_posix(), ())
    return found


def test_every_function_that_chooses_a_path_is_compared():
    assert choosing(PORT) == {*PATHS, *KERNELS, *ELSEWHERE}


def test_a_new_choice_is_found(tmp_path):
    (tmp_path / "new.py").write_text("class A:\n    def f(self, x):\n        return x if device.on_gpu() else -x\n")
    assert choosing(tmp_path) == {"new.py: A.f"}


@pytest.fixture(scope="module")
def double() -> Iterator[ModuleType]:
    """`mlx.core` in double; the port's modules are those on top of it."""
    with installed() as mx:
        yield mx


def errors(pairs: Iterator[Pair]) -> list[float]:
    """The largest difference of each pair, in RMS of the plain one."""
    found = []
    for ours, plain in pairs:
        assert ours.shape == plain.shape
        assert ours.dtype == plain.dtype == np.float64
        found.append(float(np.abs(ours - plain).max()) / rms(plain))
    return found


@pytest.mark.parametrize("compare", dict.fromkeys(PATHS.values()), ids=lambda compare: compare.__name__)
def test_a_path_is_the_plain_one(double, compare):
    found = errors(compare(double))
    assert found
    assert max(found) <= BOUND


@pytest.mark.parametrize("name", SUMS)
def test_a_sum_is_the_plain_one(double, name):
    found = errors(SUMS[name](double))
    assert found
    assert max(found) <= BOUND


def test_a_path_that_is_off_by_a_rounding_of_float32_is_found(double):
    from mlx_impl.ops.device import on_gpu

    x = draw(double, 50)
    (found,) = errors(iter([devices(double, lambda: x if on_gpu() else double.array(np.asarray(x, np.float32)))]))
    assert BOUND < found < 1e-6
