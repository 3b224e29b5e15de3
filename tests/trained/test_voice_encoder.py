"""The voice encoder on Resemblyzer's trained weights, which have its shapes: reference, candidate, upstream's class.

A trained recurrent matrix reaches 5.25 where default initialisation ends at 0.06.
"""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest
import torch

from fixtures import trained_checkpoint
from mlx_impl.weights.conditioning import load_voice_encoder as load_candidate
from parity.base.metrics import rms, rmse
from reference.weights.conditioning import load_voice_encoder as load_reference
from spec.audio import VOICE_RATE
from spec.config import VoiceEncoderConfig
from spec.watermark.rates import resampled
from tests.trained.conftest import KINDS, VOICES, speech

CONFIG = VoiceEncoderConfig()
DTYPES = {"float32": torch.float32, "float64": torch.float64}


@pytest.fixture(scope="module")
def voices() -> list[np.ndarray]:
    """At 16 kHz, of twenty speakers, each with another sentence."""
    return [resampled(speech(number), 22050, VOICE_RATE) for number, _ in enumerate(VOICES)]


@pytest.fixture(scope="module")
def embeddings(checkpoint, voices) -> dict[str, np.ndarray]:
    """By side: `(20, 256)`."""
    found = {}
    for name, dtype in DTYPES.items():
        model = load_reference(checkpoint, CONFIG, dtype)
        with torch.inference_mode():
            found[name] = np.concatenate([model(torch.from_numpy(wave)[None].to(dtype)).numpy() for wave in voices])
    model = load_candidate(checkpoint, CONFIG)
    found["candidate"] = np.concatenate([np.array(model(mx.array(wave)[None])) for wave in voices])
    return found


def ranking(embeddings: np.ndarray) -> np.ndarray:
    """The other voices by their cosine with each, `(20, 20)`: the nearest first."""
    return np.argsort(-(embeddings @ embeddings.T), axis=1, kind="stable")


def test_weights_are_trained():
    assert np.abs(trained_checkpoint.voice_encoder()["lstm.weight_hh_l0"]).max() > 5


def test_every_voice_is_as_exact_as_the_reference(embeddings):
    exact, theirs, mine = (embeddings[name] for name in ("float64", "float32", "candidate"))
    ratios = [rmse(ours, truth) / rmse(other, truth) for ours, other, truth in zip(mine, theirs, exact, strict=True)]
    whole = rmse(mine, exact) / rmse(theirs, exact)
    print(f"{len(ratios)} voices: ratio64 {whole:.2f} together, {min(ratios):.2f} to {max(ratios):.2f} each")
    assert len(ratios) == 20
    assert whole <= 1.5 and max(ratios) <= 1.5


def test_voices_are_ranked_alike(embeddings):
    cosines = embeddings["float64"] @ embeddings["float64"].T
    off = cosines[~np.eye(len(cosines), dtype=bool)]
    print(f"cosines of two voices: {off.min():.2f} to {off.max():.2f}")
    assert off.max() - off.min() > 0.1, "voices that sound alike have no ranking"
    assert np.array_equal(ranking(embeddings["candidate"]), ranking(embeddings["float64"]))
    assert np.array_equal(ranking(embeddings["float32"]), ranking(embeddings["float64"]))
    other = embeddings["candidate"].copy()
    other[3], other[4] = embeddings["candidate"][4], embeddings["candidate"][3]
    assert not np.array_equal(ranking(other), ranking(embeddings["float64"]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_upstream_s_class_gives_the_same(voices, embeddings, dtype):
    from tests.upstream.upstream_loader import build_voice_encoder, double_precision

    weights = trained_checkpoint.voice_encoder()

    def run() -> np.ndarray:
        model = build_voice_encoder()
        model.load_state_dict({key: torch.from_numpy(array) for key, array in weights.items()}, strict=True)
        model.to(DTYPES[dtype])
        with torch.inference_mode():
            given = [wave.astype(dtype) for wave in voices]
            return model.embeds_from_wavs(given, sample_rate=VOICE_RATE, trim_top_db=None)

    if dtype == "float64":
        with double_precision():
            theirs = run()
    else:
        theirs = run()
    error = rmse(embeddings[dtype], theirs) / rms(theirs)
    print(f"{len(KINDS)} voices, {dtype}: relative RMSE {error:.1e}")
    assert error <= {"float32": 1e-6, "float64": 1e-12}[dtype]
