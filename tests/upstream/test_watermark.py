"""The reference's watermark against resemble-perth's own network, on synthetic weights and on those that it ships."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from fixtures.cases import load, synthetic_checkpoint
from fixtures.voice import spoken_voice, synthetic_voice
from fixtures.wheels import PERTH_WEIGHTS
from parity.base.metrics import rms, rmse
from parity.capture.torch import instrument, to_numpy
from reference.weights.watermark import load_watermark, watermark_parameter_name
from spec.config import CHATTERBOX_SIZES
from spec.files.torch_file import read_torch_file
from spec.watermark.find import find_watermark
from spec.watermark.rates import marked_at, resampled_to_hear
from spec.watermark.weights import FILE, TABLES
from tests.upstream.upstream_loader import build_perth, double_precision

CONFIG = CHATTERBOX_SIZES["full"].watermark
BOUND = {"float32": 1e-6, "float64": 1e-12}
WEIGHTS = ["synthetic", "trained"]


@cache
def file(weights: str) -> Path:
    if weights == "synthetic":
        return synthetic_checkpoint(load("full-watermark")) / FILE
    _, found = find_watermark()
    assert found is not None, (
        "resemble-perth is not installed: pip install --no-deps -r tests/upstream/requirements.txt"
    )
    assert hashlib.sha256(found.read_bytes()).hexdigest() == PERTH_WEIGHTS
    return found


@cache
def wave() -> np.ndarray:
    """At 32 kHz: a voice, a pause of nothing, and the voice again."""
    voice = synthetic_voice("upstream watermark", 1.0, CONFIG.sample_rate)
    return np.concatenate([voice, np.zeros(6000, np.float32), voice[::-1]])


def run_upstream(weights: str, dtype: str) -> dict[str, np.ndarray]:
    """Module outputs by the reference's path, the marked wave, and how strong its mark is."""
    seen: dict[str, np.ndarray] = {}

    def observe(path: str, value: torch.Tensor) -> torch.Tensor:
        first = value[0] if isinstance(value, tuple) else value
        seen[watermark_parameter_name(path + ".").rstrip(".")] = to_numpy(first)
        return value

    def run() -> None:
        net = build_perth()
        model = read_torch_file(file(weights))["model"]
        for name in ("encoder", "decoder"):  # windows are its own: a file's are of float32
            part = {
                key.removeprefix(f"{name}."): torch.from_numpy(value) for key, value in model.items() if name in key
            }
            getattr(net, name).load_state_dict(part, strict=True)
        net.to(getattr(torch, dtype)).requires_grad_(False)
        paths = [path for path, _ in net.named_modules() if path and "ap" not in path.split(".")]
        given = torch.from_numpy(wave()).to(getattr(torch, dtype))
        with torch.inference_mode(), instrument(net, paths, observe):
            levels, phase = net.ap.signal_to_magphase(given)
            marked, _ = net.encoder(levels[None])
            signal = net.ap.magphase_to_signal(marked[0], phase)
            heard, _ = net.ap.signal_to_magphase(signal)
            strength = net.decoder(heard[None])
        seen.update(levels=to_numpy(levels[None]), wave=to_numpy(signal[None]), strength=to_numpy(strength))
        seen["encoder"] = to_numpy(marked)

    if dtype == "float64":
        with double_precision():
            run()
    else:
        run()
    return seen


def run_reference(weights: str, dtype: str) -> dict[str, np.ndarray]:
    seen: dict[str, np.ndarray] = {}

    def observe(path: str, value: torch.Tensor) -> torch.Tensor:
        seen.setdefault(path, to_numpy(value))  # levels come twice: before the mark, and of what is marked
        return value

    model = load_watermark(file(weights), CONFIG, getattr(torch, dtype))
    given = torch.from_numpy(wave()).to(getattr(torch, dtype))[None]
    with torch.inference_mode(), instrument(model, [path for path, _ in model.named_modules() if path], observe):
        seen["wave"] = to_numpy(model.mark(given))
        seen["strength"] = to_numpy(model.decoder(model.levels(model.stft(torch.from_numpy(seen["wave"])))))
    return seen


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("weights", WEIGHTS)
def test_the_network_equals_perths(weights, dtype):
    theirs, mine = run_upstream(weights, dtype), run_reference(weights, dtype)
    errors = {path: rmse(mine[path], theirs[path]) / rms(theirs[path]) for path in mine.keys() & theirs.keys()}
    worst = max(errors, key=errors.__getitem__)
    print(f"{len(errors)} shared taps, {weights}, {dtype}: worst {worst} {errors[worst]:.1e}")
    assert len(errors) > 55
    # Windows of the two differ by an ulp, and the trained weights take away what bins have in common.
    assert errors[worst] <= BOUND[dtype] * (10 if (weights, dtype) == ("trained", "float32") else 1)
    assert errors["wave"] <= BOUND[dtype]


def test_the_comparison_sees_another_band_and_another_slope():
    theirs = run_upstream("trained", "float32")["wave"]
    model = load_watermark(file("trained"), CONFIG)
    for layer in model.encoder.layers:
        layer.slope *= 1.001
    with torch.inference_mode():
        wrong = to_numpy(model.mark(torch.from_numpy(wave())[None]))
    assert rmse(wrong, theirs) / rms(theirs) > 1e-6


def test_the_file_has_what_the_package_loads():
    model = read_torch_file(file("trained"))["model"]
    assert len(model) == 59 and set(TABLES) < set(model)
    assert sum(value.size for value in model.values()) == 9_351_815


@pytest.mark.parametrize("rate", [24000, 32000, 44100])
def test_audio_of_any_rate_is_marked_and_heard_as_perth_does_it(rate):
    perth, model = build_perth(whole=True), load_watermark(file("trained"), CONFIG)
    speech = spoken_voice("The other one, then.")

    def mark(own: np.ndarray) -> np.ndarray:
        return to_numpy(model.mark(torch.from_numpy(own)[None])[0])

    with torch.inference_mode():
        theirs = perth.apply_watermark(speech, sample_rate=rate)
        mine = marked_at(rate, CONFIG.sample_rate, speech, mark)
        assert mine.shape == theirs.shape
        assert rmse(mine, theirs) / rms(theirs) <= 1e-6
        for audio, marked in ((theirs, 1), (speech, 0)):
            heard = resampled_to_hear(audio, rate, CONFIG.sample_rate)
            assert perth.get_watermark(audio, sample_rate=rate) == model.bits(torch.from_numpy(heard)[None]) == marked
