"""Real speech, of espeak-ng, as the voice: both sides make the same conditions of it and the same audio with it."""

import importlib

import numpy as np
import pytest

from fixtures import quality
from fixtures.pitch import fundamental
from fixtures.voice import SPOKEN_RATE, spoken_voice
from parity.base.metrics import rms, rmse
from parity.contract.implementation import Case
from spec import synthetic
from spec.audio import voice_of
from spec.config import CHATTERBOX_SIZES, SamplingConfig
from spec.draws import Draws

SIDES = ["reference", "mlx_impl"]
TINY = CHATTERBOX_SIZES["tiny"]
SAID = "The other one, then. A voice that a machine has made."
# Relative RMSE. A float32 rounding is 3e-8 and the deepest of these networks adds some hundreds: measured are 6e-7 in
# the mel, 2e-7 in T3's speaker embedding and 8e-7 in the x-vector. Ten times the worst, for other machines.
CLOSE = 8e-6


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    synthetic.write(folder, TINY)
    return folder


@pytest.fixture(scope="module")
def sides(checkpoint):
    return {side: importlib.import_module(f"{side}.speech").Chatterbox(checkpoint, TINY) for side in SIDES}


@pytest.fixture(scope="module")
def conditions(sides):
    voice = voice_of(spoken_voice(SAID, 3.0), SPOKEN_RATE)
    return {name: side.conditions(voice) for name, side in sides.items()}


def test_a_text_is_spoken_the_same_each_time():
    first = spoken_voice(SAID)
    spoken_voice.cache_clear()
    again = spoken_voice(SAID)
    assert again is not first
    assert np.array_equal(again, first)
    assert not np.array_equal(spoken_voice("Another text, as long as the one before, I think.")[:20000], first[:20000])


def test_it_is_speech():
    wave = spoken_voice(SAID)
    assert wave.dtype == np.float32
    assert 2.5 < len(wave) / SPOKEN_RATE < 4
    assert 0.3 < np.abs(wave).max() <= 1
    f0 = fundamental(wave, SPOKEN_RATE)
    assert 0.3 < np.mean(~np.isnan(f0)) < 0.9  # voiced and unvoiced
    assert 70 < np.nanmedian(f0) < 200  # a man's
    assert np.nanstd(f0) > 5  # with intonation
    assert np.array_equal(spoken_voice(SAID, 1.0), wave[:SPOKEN_RATE])


@pytest.mark.parametrize(("given", "message"), [(("", None), "says nothing"), (("Hi.", 9.0), "expected at least 9")])
def test_what_cannot_be_spoken_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        spoken_voice(*given)


@pytest.mark.parametrize("name", ["cond_prompt_speech_tokens", "prompt_tokens"])
def test_tokens_of_the_voice_are_equal(conditions, name):
    theirs, ours = conditions["reference"][name], conditions["mlx_impl"][name]
    assert theirs.dtype == ours.dtype
    assert np.array_equal(ours, theirs)
    assert len(np.unique(theirs)) > 10  # speech, not one code


@pytest.mark.parametrize("name", ["prompt_mel", "speaker_emb", "embedding"])
def test_mel_and_embeddings_of_the_voice_are_equal_to_rounding(conditions, name):
    theirs, ours = conditions["reference"][name], conditions["mlx_impl"][name]
    assert ours.shape == theirs.shape
    assert rmse(ours, theirs) <= CLOSE * rms(theirs)
    assert rmse(1.00001 * theirs, theirs) > CLOSE * rms(theirs)


def test_both_sides_speak_with_the_voice_as_well(checkpoint, sides, conditions):
    sampling = SamplingConfig(max_tokens=25)
    waves, tokens = {}, {}
    for name, side in sides.items():
        draws = Draws(3)
        tokens[name] = side.tokens("the other one, then", conditions[name], sampling, draws)
        mel = side.mel(tokens[name], conditions[name], draws)
        waves[name] = {"wave": side.wave(mel, draws)[None]}
    assert tokens["mlx_impl"] == tokens["reference"]
    case = Case("spoken", {}, {}, {"config": TINY})
    checks = quality.judge(case, checkpoint, waves["reference"], waves["mlx_impl"])
    assert len(checks) == 11
    assert [check for check in checks if not check.passed] == []
    late = {"wave": np.roll(waves["mlx_impl"]["wave"], 1)}
    assert {"SNR, dB", "lag, samples"} <= {
        check.name for check in quality.judge(case, checkpoint, waves["reference"], late) if not check.passed
    }
