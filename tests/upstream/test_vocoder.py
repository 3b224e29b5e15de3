"""The reference's vocoder against upstream's own, on the same checkpoint, mel and draws, at every shared module."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fixtures.cases import load, synthetic_checkpoint
from parity.base.draws import normal, uniform
from parity.base.metrics import rms, rmse
from parity.capture.torch import instrument, to_numpy
from reference.vocoder.source import _running_sum
from reference.vocoder.vocoder import fade_in
from reference.weights.vocoder import load_vocoder, vocoder_parameter_name
from spec.config import CHATTERBOX_SIZES
from spec.files.checkpoint import S3GEN
from tests.upstream.upstream_loader import _Overlay, build_s3gen, double_precision

CONFIG = CHATTERBOX_SIZES["full"].vocoder
FRAMES = 24
SAMPLES = 480 * FRAMES
BOUND = {"float32": 1e-6, "float64": 1e-12}
CACHE = 1000  # samples

# Only the reference has these as a module's output: upstream makes them inline.
NOT_SHARED = re.compile(
    r"source\.sine_gen|generator(\.(stft|activation|istft|istft\.polar|levels\.\d+(\.activation|\.join)?|.*\.units\.\d+))?"
)


@cache
def checkpoint() -> Path:
    return synthetic_checkpoint(load("full-flow-short"))


def inputs(batch: int) -> dict[str, np.ndarray]:
    phase = (2 * uniform("upstream vocoder", "phase", (batch, CONFIG.harmonics)) - 1) * np.float32(np.pi)
    return {
        "mel": 2 * normal("upstream vocoder", "mel", (batch, CONFIG.mel_bins, FRAMES)) - 5,
        "phase": phase.astype(np.float32),
        "noise": normal("upstream vocoder", "noise", (batch, CONFIG.harmonics, SAMPLES)),
        "cache": 0.1 * normal("upstream vocoder", "cache", (batch, 1, CACHE)),
    }


@contextmanager
def inject_draws(phase: np.ndarray, noise: np.ndarray) -> Iterator[None]:
    """Upstream's source takes these draws in place of its own; the third, which it never reads, is 0."""
    from chatterbox.models.s3gen import hifigan

    waiting = [torch.from_numpy(noise), torch.zeros(())]

    class Uniform:
        def __init__(self, low: float, high: float):
            assert (low, high) == (-np.pi, np.pi)

        def sample(self, sample_shape: tuple[int, ...]) -> torch.Tensor:
            assert tuple(sample_shape) == (*phase.shape, 1)
            return torch.tensor(phase[:, :, None], dtype=torch.get_default_dtype())

    def randn_like(like: torch.Tensor) -> torch.Tensor:
        draw = waiting.pop(0)
        assert draw.ndim == 0 or draw.shape == like.shape
        return draw.to(like).expand(like.shape)

    overlay = _Overlay(hifigan.torch, {"randn_like": randn_like})
    with mock.patch.object(hifigan, "torch", overlay), mock.patch.object(hifigan, "Uniform", Uniform):
        yield
    assert not waiting, "the draws had no effect"


def run_upstream(given: dict[str, np.ndarray], dtype: str, cached: bool) -> dict[str, np.ndarray]:
    """Every module output of upstream's vocoder by the reference's path, the source, and the faded wave."""
    seen: dict[str, np.ndarray] = {}
    width = getattr(torch, dtype)

    def observe(path: str, value: object) -> object:
        first = value[0] if isinstance(value, tuple) else value
        if isinstance(first, torch.Tensor):
            seen[vocoder_parameter_name(path + ".").rstrip(".")] = to_numpy(first)
        return value

    def run() -> None:
        model = build_s3gen()
        model.load_state_dict(load_file(checkpoint() / S3GEN), strict=True)
        # Frozen: with more than one item, PyTorch multiplies otherwise by a weight that may need a gradient.
        vocoder = model.mel2wav.to(width).requires_grad_(False)
        paths = [path for path, _ in vocoder.named_modules() if path and "parametrizations" not in path]
        past = torch.from_numpy(given["cache"][:, :, : CACHE if cached else 0]).to(width)
        with inject_draws(given["phase"], given["noise"]), instrument(vocoder, paths, observe):
            wave, source = vocoder.inference(torch.from_numpy(given["mel"]).to(width), past)
        seen["wave"], seen["whole source"] = to_numpy(wave), to_numpy(source)
        with torch.inference_mode():
            wave[:, : len(model.trim_fade)] *= model.trim_fade  # as S3Token2Wav.inference does
        seen["faded"] = to_numpy(wave)

    if dtype == "float64":
        from chatterbox.models.s3gen import hifigan

        # PyTorch adds float32 in double: in double, the sum of phases must be rounded once as well.
        summed = {"cumsum": lambda x, dim: _running_sum(x.movedim(dim, -1)).movedim(-1, dim)}
        with double_precision(), mock.patch.object(hifigan, "torch", _Overlay(hifigan.torch, summed)):
            run()
    else:
        run()
    # The reference has no module for the merge of the harmonics; its own tap is before the linear layer.
    seen["vocoder.harmonics"] = seen.pop("m_source.l_sin_gen")
    seen["source"] = seen.pop("m_source").swapaxes(1, 2)
    return seen


def run_reference(given: dict[str, np.ndarray], dtype: str, cached: bool) -> dict[str, np.ndarray]:
    seen: dict[str, np.ndarray] = {}
    width = getattr(torch, dtype)

    def observe(path: str, value: object) -> object:
        if isinstance(value, torch.Tensor):
            seen[path] = to_numpy(value)
        return value

    vocoder = load_vocoder(checkpoint(), CONFIG, width)
    mel, phase, noise, past = (torch.from_numpy(given[name]).to(width) for name in ("mel", "phase", "noise", "cache"))
    with torch.inference_mode(), instrument(vocoder, [path for path, _ in vocoder.named_modules() if path], observe):
        wave, source = vocoder(mel, phase, noise, past if cached else None, observe)
        seen["wave"], seen["whole source"] = to_numpy(wave), to_numpy(source)
        seen["faded"] = to_numpy(fade_in(wave, CONFIG.sample_rate))
    return seen


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize(("batch", "cached"), [(1, False), (2, True)], ids=["one", "batch, cached source"])
def test_vocoder_equals_upstream(batch, cached, dtype):
    given = inputs(batch)
    theirs, mine = run_upstream(given, dtype, cached), run_reference(given, dtype, cached)
    errors = {}
    for path, value in mine.items():
        if path.startswith("vocoder.") and path != "vocoder.harmonics":
            continue
        if NOT_SHARED.fullmatch(path):
            continue
        assert path in theirs, f"upstream has no module for {path}"
        assert value.shape == theirs[path].shape, path
        errors[path] = rmse(value, theirs[path]) / rms(theirs[path])
    worst = max(errors, key=errors.__getitem__)
    unequal = sorted(path for path, error in errors.items() if error)
    print(f"{len(errors)} shared taps, {dtype}: worst {worst} {errors[worst]:.1e}, not bit-equal {unequal[:5]}")
    assert len(errors) > 150
    assert errors[worst] <= BOUND[dtype], worst


@pytest.mark.parametrize("wrong", ["slope", "phase"])
def test_comparison_sees_a_wrong_slope_and_another_draw(wrong):
    given = inputs(1)
    theirs = run_upstream(given, "float32", cached=False)
    vocoder = load_vocoder(checkpoint(), CONFIG)
    mel, phase, noise = (torch.from_numpy(given[name]) for name in ("mel", "phase", "noise"))
    if wrong == "slope":
        vocoder.generator.activation.slope = CONFIG.slope
    else:
        phase = phase + 0.01
    with torch.inference_mode():
        wave, _ = vocoder(mel, phase, noise)
    assert rmse(to_numpy(wave), theirs["wave"]) / rms(theirs["wave"]) > 1e-3
