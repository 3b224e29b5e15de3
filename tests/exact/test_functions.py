"""Plain functions as the two sides: NumPy's as the reference, PyTorch's against MLX's."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import numpy as np
import pytest
import torch

import parity
from parity.exact.functions import doubled

FRAME, HOP = 64, 16
WINDOW = np.hanning(FRAME + 1)[:-1]


def spectrum(audio: np.ndarray, dtype: Any = np.float32) -> dict[str, np.ndarray]:
    """(N) -> power (T, 33), and its logarithm below the largest value by at most 8."""
    frames = np.lib.stride_tricks.sliding_window_view(audio.astype(np.float64), FRAME)[::HOP]
    made = np.empty((len(frames), FRAME // 2 + 1), dtype=np.complex64)
    made[:] = np.fft.rfft(frames * WINDOW)
    power = np.asarray(np.abs(made) ** 2, dtype)
    log = np.log10(np.maximum(power, 1e-10))
    return {"power": power, "log": np.maximum(log, log.max() - 8)}


def spectrum_in_mlx(audio: mx.array, floor: float = 1e-10) -> dict[str, mx.array]:
    count = 1 + (audio.shape[0] - FRAME) // HOP
    frames = mx.as_strided(audio, (count, FRAME), (HOP, 1))
    window = 0.5 - 0.5 * mx.cos(2 * np.pi / FRAME * mx.arange(FRAME))
    power = mx.abs(mx.fft.rfft(frames * window)) ** 2
    log = mx.log10(mx.maximum(power, floor))
    return {"log": mx.maximum(log, mx.max(log) - 8), "power": power}


def audio(*lengths: int) -> list[dict[str, np.ndarray]]:
    return [{"audio": np.random.default_rng(n).standard_normal(n).astype(np.float32)} for n in lengths]


def test_a_function_of_numpy_is_a_reference():
    found = parity.compare(spectrum, spectrum_in_mlx, audio(400, 640))
    assert found.passed, str(found)
    assert len(found.verdicts) == 4 and max(output.error for output in found.proof.outputs) < 1e-12
    assert any("spectrum takes and gives NumPy's arrays: it is one operation" in note for note in found.proof.notes)


def test_a_port_of_it_that_is_wrong():
    found = parity.compare(spectrum, lambda audio: spectrum_in_mlx(audio, floor=0.2), audio(400, 640))
    assert not found.passed and [output.equal for output in found.proof.outputs] == [False, True]
    assert "spectrum(x" in found.departures[0] or "log" in found.departures[0]


def test_a_method_of_an_object_that_is_no_module():
    class Extractor:
        def extract(self, audio):
            return [spectrum(audio)["power"]]

    found = parity.compare(Extractor, lambda audio: spectrum_in_mlx(audio)["power"], audio(400), call=("extract", None))
    assert found.passed


def test_a_function_that_takes_arrays_of_numpy_to_pytorch_and_back():
    def reference(x):
        return (torch.from_numpy(x).to(torch.float32) / 3).numpy()

    given = {"x": np.random.default_rng(0).standard_normal((4, 50)).astype(np.float32)}
    assert parity.compare(reference, lambda x: x / 3, given).passed
    assert not parity.compare(reference, lambda x: x / 3.0001, given).passed


def test_what_rounds_by_itself_is_said():
    given = {"x": np.random.default_rng(0).standard_normal((4, 50)).astype(np.float32)}
    found = parity.compare(lambda x: np.sin(x).astype("float32"), lambda x: mx.sin(x), given)
    assert not found.proof.proven
    assert any("the reference in single precision" in note for note in found.proof.notes)


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        (lambda x: np.sin(x) + np.random.default_rng().random(), "gives something else when it is called again"),
        (lambda x: (np.sin(x), 3), "a result holds 3"),
        (lambda x: x.unknown(), "cannot be run on these inputs .AttributeError"),
        (lambda x: np.sin(x).tobytes(), "cannot be run|no arrays|gives 0 arrays|a result holds"),
    ],
)
def test_functions_that_are_none(reference, said):
    with pytest.raises(parity.InputError, match=said):
        parity.compare(reference, lambda x: mx.sin(x), {"x": np.ones((2, 3), np.float32)})


def test_single_precision_is_double_for_a_while():
    single, array = np.float32, np.array
    with doubled():
        made = [np.ones(3, np.float32), np.array([1], dtype="float32"), np.zeros(3, single), np.arange(3, dtype="f4")]
        assert {one.dtype.name for one in made} == {"float64"}
        assert np.asarray([1], np.float16).dtype == np.float16 and np.asarray([1, 2]).dtype == np.int64
        assert np.empty(2, "complex64").dtype == np.complex128 and np.ones(2, bool).dtype == bool
    assert np.float32 is single and np.array is array and np.ones(3, np.float32).dtype == single
