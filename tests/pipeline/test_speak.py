"""Text and a voice to audio on both sides: the same audio, stages crossed, the command line, and what is refused."""

import importlib
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from fixtures.voice import synthetic_voice
from parity.metrics import rmse
from reference import speak, synthetic
from reference.conditionals import load_conditionals, save_conditionals
from reference.config import CHATTERBOX_SIZES, SamplingConfig
from reference.draws import Draws

SIDES = ["reference", "mlx_impl"]
TEXT = "the other one, then"
SAMPLING = SamplingConfig(max_tokens=12)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    synthetic.write(folder, CHATTERBOX_SIZES["tiny"])
    return folder


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
    return {side: speak.conditions_of(sides[side], recording) for side in SIDES}


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


@pytest.mark.parametrize("side", SIDES)
def test_command_writes_the_audio(side, checkpoint, recording, tmp_path):
    arguments = ["speak", TEXT, "-o", str(tmp_path / "out.wav"), "--checkpoint", str(checkpoint), "--size", "tiny"]
    arguments += ["--voice", str(recording), "--max-tokens", "6", "--steps", "2", "--seed", "7"]
    done = subprocess.run([sys.executable, "-m", side, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    wave, rate = soundfile.read(tmp_path / "out.wav")
    assert rate == 24000
    assert len(wave) % 480 == 0
    printed = done.stdout
    assert "real-time factor" in printed
    assert "no watermark (resemble-perth is not installed)" in printed
    assert [path.name for path in tmp_path.iterdir()] == ["out.wav"]


def test_conditions_from_a_file_are_those_of_the_recording(sides, conditions, tmp_path):
    save_conditionals(tmp_path / "voice.safetensors", conditions["reference"])
    got = speak.conditions_of(sides["mlx_impl"], tmp_path / "voice.safetensors")
    assert got.keys() == load_conditionals(tmp_path / "voice.safetensors").keys()
    assert all(np.array_equal(got[name], value) for name, value in conditions["reference"].items())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"--voice": "none.wav"}, "none.wav: no such file"),
        ({"--voice": "conds.pt"}, "convert it first"),
        ({"--checkpoint": "nowhere"}, "no such file"),
        ({"--steps": "0"}, "--steps is 0"),
        ({"--max-tokens": "0"}, "max_tokens is 0"),
    ],
)
def test_bad_input_is_refused_and_nothing_is_written(changed, message, checkpoint, recording, tmp_path, capsys):
    given = {"-o": str(tmp_path / "out.wav"), "--checkpoint": str(checkpoint), "--voice": str(recording)}
    given |= {"--size": "tiny"} | changed
    arguments = ["speak", TEXT, *(word for pair in given.items() for word in pair)]
    make = importlib.import_module("mlx_impl.speech").Chatterbox
    assert speak.main("mlx_impl", make, arguments) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_nothing_to_say_is_an_error(sides, conditions):
    for side in sides.values():
        with pytest.raises(ValueError, match="no speech tokens"):
            side.mel([], conditions["reference"], Draws(0))
