"""Text and a voice to audio on both sides: the same audio, stages crossed, and in other dtypes."""

import importlib

import numpy as np
import pytest
import soundfile
from mlx.utils import tree_flatten

from fixtures.voice import synthetic_voice
from mlx_impl.speech import Chatterbox
from mlx_impl.synthesis import DTYPES
from parity.base.metrics import rmse
from spec.audio import load_voice
from spec.config import CHATTERBOX_SIZES, SamplingConfig
from spec.draws import Draws
from spec.files.conditionals import load_conditionals, save_conditionals
from spec.synthetic.cache import cached
from spec.text import NOTHING_TO_SAY

SIDES = ["reference", "mlx_impl"]
TEXT = "the other one, then"
SAMPLING = SamplingConfig(max_tokens=12)


@pytest.fixture(scope="module")
def checkpoint():
    return cached("tiny")


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    file = tmp_path_factory.mktemp("voice") / "voice.wav"
    soundfile.write(file, synthetic_voice("speak", 1.5, 22050), 22050)
    return file


@pytest.fixture(scope="module")
def sides(checkpoint):
    return {
        side: importlib.import_module(f"{side}.speech").Chatterbox(checkpoint, CHATTERBOX_SIZES["tiny"])
        for side in SIDES
    }


@pytest.fixture(scope="module")
def conditions(sides, recording):
    return {side: sides[side].conditions(load_voice(recording)) for side in SIDES}


@pytest.fixture(scope="module")
def spoken(sides, conditions):
    """Tokens, mel and wave of each side, from the same draws."""
    result = {}
    for name, side in sides.items():
        draws = Draws(3)
        tokens = side.tokens(TEXT, conditions[name], SAMPLING, draws)
        mel = side.mel(tokens, conditions[name], draws)
        result[name] = tokens, mel, side.wave(mel, draws)
    return result


def signal_to_noise(wave, reference) -> float:
    """dB; infinite for equal waves."""
    if np.array_equal(wave, reference):
        return np.inf
    return 20 * np.log10(np.sqrt(np.mean(reference.astype(np.float64) ** 2)) / rmse(wave, reference))


def test_conditions_of_a_voice_are_the_same(conditions):
    theirs, ours = conditions["reference"], conditions["mlx_impl"]
    assert theirs.keys() == ours.keys()
    for name, value in theirs.items():
        assert value.shape == ours[name].shape, name
        assert value.dtype == ours[name].dtype, name
        if value.dtype.kind == "i":
            assert np.array_equal(value, ours[name]), name
        else:
            assert rmse(ours[name], value) <= 1e-4 * np.sqrt(np.mean(value**2)), name


def test_both_sides_say_the_same(spoken):
    (their_tokens, their_mel, their_wave), (tokens, mel, wave) = spoken["reference"], spoken["mlx_impl"]
    assert tokens == their_tokens
    assert 0 < len(tokens) <= SAMPLING.max_tokens
    assert mel.shape == their_mel.shape == (1, 80, their_mel.shape[2])
    assert wave.shape == their_wave.shape == (480 * mel.shape[2],)
    assert np.abs(their_wave).max() > 0.01
    assert signal_to_noise(wave, their_wave) >= 50
    assert signal_to_noise(np.roll(wave, 1), their_wave) < 50  # a sample late would be noticed


def test_another_seed_says_something_else(sides, conditions, spoken):
    tokens = sides["mlx_impl"].tokens(TEXT, conditions["mlx_impl"], SAMPLING, Draws(4))
    assert tokens != spoken["mlx_impl"][0]


@pytest.mark.parametrize("flow", SIDES)
@pytest.mark.parametrize("vocoder", SIDES)
def test_stages_can_be_crossed(sides, conditions, spoken, flow, vocoder):
    tokens, _, expected = spoken["reference"]
    mel = sides[flow].mel(tokens, conditions["reference"], Draws(3))
    assert signal_to_noise(sides[vocoder].wave(mel, Draws(3)), expected) >= 50


def test_speech_starts_silent_and_fades_in(spoken):
    for _, _, wave in spoken.values():
        assert not wave[:480].any()
        assert wave[960:].any()


def test_nothing_to_say_is_an_error(sides, conditions):
    for side in sides.values():
        with pytest.raises(ValueError, match="no speech tokens"):
            side.mel([], conditions["reference"], Draws(0))


@pytest.mark.parametrize(
    ("name", "dtype", "decibels"),
    [("reference", "float64", 60), ("mlx_impl", "float16", 10), ("mlx_impl", "bfloat16", 3)],
)
def test_other_dtypes_say_nearly_the_same(checkpoint, conditions, spoken, name, dtype, decibels):
    tokens, mel, wave = spoken["reference"]
    side = importlib.import_module(f"{name}.speech").Chatterbox(checkpoint, CHATTERBOX_SIZES["tiny"], dtype)
    given = conditions["reference"]
    assert 0 < len(side.tokens(TEXT, given, SAMPLING, Draws(3))) <= SAMPLING.max_tokens
    own_mel = side.mel(tokens, given, Draws(3))
    own_wave = side.wave(own_mel, Draws(3))
    assert own_mel.dtype == own_wave.dtype == (np.float64 if dtype == "float64" else np.float32)
    assert own_mel.shape == mel.shape
    assert own_wave.shape == wave.shape
    assert np.isfinite(own_wave).all()
    assert decibels < signal_to_noise(own_wave, wave) < 120  # near, and not computed in float32 after all
    assert signal_to_noise(own_mel, mel) > 20


def test_half_precision_is_what_the_networks_run_in(checkpoint):
    side = Chatterbox(checkpoint, CHATTERBOX_SIZES["tiny"], "float16")
    half, single = DTYPES["float16"], DTYPES["float32"]
    for module in (side.t3, side.flow, side.vocoder.generator):
        assert {value.dtype for _, value in tree_flatten(module.parameters())} == {half}
    for module in (side.conditioner, side.vocoder.f0_predictor, side.vocoder.source):
        assert {value.dtype for _, value in tree_flatten(module.parameters())} == {single}
    seen = []
    block = side.flow.decoder.mid_blocks[0].transformer_blocks[0].ff

    class Watched(type(block)):
        def __call__(self, x):
            seen.append(x.dtype)
            return super().__call__(x)

    block.__class__ = Watched
    conditions = load_conditionals(checkpoint / "conds.pt")
    assert np.isfinite(side.mel([1, 2, 3], conditions, Draws(0), steps=2)).all()
    assert len(seen) >= 2 and set(seen) == {half}  # of each step, and of each guidance branch where they are apart


@pytest.mark.parametrize(
    ("name", "offered"), [("reference", "float32, float64"), ("mlx_impl", "float32, float16, bfloat16")]
)
def test_an_unknown_dtype_is_refused_with_those_that_there_are(checkpoint, name, offered):
    with pytest.raises(ValueError, match=f"dtype 'int8': expected one of {offered}"):
        importlib.import_module(f"{name}.speech").Chatterbox(checkpoint, CHATTERBOX_SIZES["tiny"], "int8")


def test_text_beyond_the_models_positions_is_refused(sides, conditions):
    for side in sides.values():
        with pytest.raises(ValueError, match=r"the text has 3001 tokens, expected at most 2048; split it"):
            side.tokens("Q" * 3000, conditions["reference"], SAMPLING, Draws(0))


def test_no_text_is_a_sentence_that_asks_for_some(sides, conditions):
    for side in sides.values():
        asked, nothing = (
            side.tokens(text, conditions["reference"], SAMPLING, Draws(1)) for text in (NOTHING_TO_SAY, "")
        )
        assert asked == nothing


def test_conditions_from_a_file_are_those_of_the_recording(conditions, tmp_path):
    save_conditionals(tmp_path / "voice.safetensors", conditions["reference"])
    got = load_conditionals(tmp_path / "voice.safetensors")
    assert all(np.array_equal(got[name], value) for name, value in conditions["reference"].items())
