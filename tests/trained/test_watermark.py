"""Perth's watermark on its trained weights: both sides mark alike and hear alike, also what was done to the audio."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import mlx.core as mx
import numpy as np
import pytest
import torch

from mlx_impl.weights.watermark import load_watermark as load_candidate
from parity.base.metrics import rmse
from reference.weights.watermark import load_watermark as load_reference
from spec.config import CHATTERBOX_SIZES
from spec.watermark.rates import resampled, resampled_to_hear
from tests.trained.conftest import speech

CONFIG = CHATTERBOX_SIZES["full"].watermark
RATE = CONFIG.sample_rate
CLIPS, SECONDS = 50, 1.2
ATTACKED = range(0, CLIPS, 10)


@cache
def clip(number: int) -> np.ndarray:
    """At 32 kHz."""
    return resampled(speech(number, SECONDS), 22050, RATE)


class Sides:
    """The network three times: the reference in both precisions, and the candidate. Waves are `(N,)`."""

    def __init__(self, file):
        self.torch = {dtype: load_reference(file, CONFIG, dtype) for dtype in (torch.float32, torch.float64)}
        self.mlx = load_candidate(file, CONFIG)

    def reference(self, wave: np.ndarray, dtype: torch.dtype = torch.float32) -> np.ndarray:
        with torch.inference_mode():
            return self.torch[dtype].mark(torch.from_numpy(wave)[None].to(dtype))[0].numpy()

    def candidate(self, wave: np.ndarray) -> np.ndarray:
        return np.array(self.mlx.mark(mx.array(wave)[None])[0])

    def heard(self, wave: np.ndarray) -> tuple[float, float]:
        """How strong the mark is that the reference hears, and the candidate."""
        model = self.torch[torch.float32]
        with torch.inference_mode():
            theirs = model.decoder(model.levels(model.stft(torch.from_numpy(wave)[None]))).item()
        return theirs, self.mlx.decoder(self.mlx.levels(self.mlx.stft(mx.array(wave)[None]))).item()


@pytest.fixture(scope="module")
def sides(perth_file) -> Sides:
    return Sides(perth_file)


@pytest.fixture(scope="module")
def marked(sides) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Each clip as the reference marks it, and as the candidate does."""
    return {number: (sides.reference(clip(number)), sides.candidate(clip(number))) for number in range(CLIPS)}


def test_both_sides_embed_the_same(sides, marked):
    ratios = []
    for number, (theirs, mine) in marked.items():
        exact = sides.reference(clip(number), torch.float64)
        ratios.append(rmse(mine, exact) / rmse(theirs, exact))
    print(f"{len(ratios)} clips: ratio64 {min(ratios):.2f} to {max(ratios):.2f}")
    assert len(ratios) == CLIPS
    assert max(ratios) <= 1.5


def test_both_sides_detect_the_same_bits(sides, marked):
    nearest = 1.0
    for number, waves in marked.items():
        for wave, bit in ((clip(number), 0), *((each, 1) for each in waves)):
            strengths = sides.heard(wave)
            assert [round(min(max(strength, 0.0), 1.0)) for strength in strengths] == [bit, bit], number
            nearest = min(nearest, *(abs(strength - 0.5) for strength in strengths))
    print(f"{len(marked)} clips, plain and marked by each side: no strength nearer to 0.5 than {nearest:.2f}")
    assert len(marked) == CLIPS


def noise(wave: np.ndarray, decibels: float) -> np.ndarray:
    drawn = np.random.Generator(np.random.Philox(7)).standard_normal(wave.shape, np.float32)
    return wave + drawn * np.float32(np.sqrt(np.mean(wave**2)) * 10 ** (-decibels / 20))


ATTACKS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "a tenth as loud": lambda wave: wave * np.float32(0.1),
    "16 bits": lambda wave: (np.round(wave * 2**15) / 2**15).astype(np.float32),
    "8 bits": lambda wave: (np.round(wave * 2**7) / 2**7).astype(np.float32),
    "noise at 30 dB": lambda wave: noise(wave, 30),
    "noise at 10 dB": lambda wave: noise(wave, 10),
    "to 16 kHz and back": lambda wave: resampled(resampled(wave, RATE, 16000), 16000, RATE),
    "to 24 kHz, by phases back": lambda wave: resampled_to_hear(resampled(wave, RATE, 24000), 24000, RATE),
    "the second half": lambda wave: wave[len(wave) // 2 :],
    "5 % faster": lambda wave: resampled(wave, RATE, round(RATE / 1.05)),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_survives_of_the_reference_s_mark_survives_of_the_candidate_s(sides, marked, attack):
    survived = {"reference's": 0, "candidate's": 0}
    for number in ATTACKED:
        for (whose, _), wave in zip(survived.items(), marked[number], strict=True):
            theirs, mine = (strength > 0.5 for strength in sides.heard(ATTACKS[attack](wave)))
            assert theirs == mine, (number, whose)
            survived[whose] += theirs
    print(f"{attack}: {survived} of {len(ATTACKED)}")
    assert survived["reference's"] == survived["candidate's"]


def test_noise_alone_destroys_the_mark(sides, marked):
    assert max(sides.heard(noise(np.zeros_like(marked[0][0]) + 1e-3, 0))) < 0.5
