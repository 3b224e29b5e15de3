"""`speak` with Turbo and Nano: which model a checkpoint is of, what they refuse, and that both sides say the same."""

import importlib
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from fixtures.voice import synthetic_voice
from fixtures.waves import snr
from spec import speak
from spec.config import CHATTERBOX_SIZES
from spec.draws import Draws
from spec.files.conditionals import load_conditionals
from spec.synthetic import turbo_names
from spec.synthetic.cache import cached
from spec.turbo import TurboSampling, turbo
from spec.watermark.config import WatermarkConfig

SIDES = ["reference", "mlx_impl"]
TEXT = "the other one, then [laugh]"
SHORT = ["--size", "tiny", "--max-tokens", "9"]
CHECKPOINTS = {
    "": cached("tiny"),
    "turbo": cached("tiny", turbo_names(turbo("turbo", "tiny")), model="turbo"),
    "nano": cached("tiny", turbo_names(turbo("nano", "tiny")), model="nano"),
}


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out.wav"


class FakeSide:
    """Keeps what it is asked for and says silence."""

    def __init__(self, checkpoint, config, dtype):
        self.config, self.text, self.sampling = config, self, TurboSampling()
        FakeSide.given = [checkpoint, config]

    def unknown(self, text, language):
        FakeSide.given.append(text)
        return ""

    def conditions(self, voice):
        FakeSide.given.append(voice)
        return {}

    def tokens(self, text, conditions, sampling, draws, language):
        FakeSide.given += [sampling, language]
        return [7, 8]

    def mel(self, tokens, conditions, draws, steps):
        FakeSide.given.append(steps)
        return np.zeros((1, 80, 2 * len(tokens)))

    def wave(self, mel, draws):
        return np.zeros(480 * mel.shape[2], np.float32)


@pytest.fixture
def fake(monkeypatch):
    """Run `speak` with a side that does no work; returns the exit code and what the side was given."""

    def run(*arguments, text=TEXT):
        monkeypatch.setattr(FakeSide, "given", [], raising=False)
        return speak.main("fake", FakeSide, ["float32"], ["speak", text, *map(str, arguments)]), FakeSide.given

    return run


def real(side, *arguments, model="turbo"):
    """Run `speak` of a side in this process, as its command does."""
    speech, synthesis = (importlib.import_module(f"{side}.{name}") for name in ("turbo.speech", "synthesis"))
    given = ["speak", TEXT, "--checkpoint", CHECKPOINTS[model], *arguments]
    return speak.main(side, speech.ChatterboxTurbo, synthesis.DTYPES, [*map(str, given)])


def config(model):
    return replace(turbo(model, "tiny"), watermark=WatermarkConfig())


@pytest.mark.parametrize("model", ["turbo", "nano"])
@pytest.mark.parametrize("named", [True, False], ids=["named", "of the checkpoint"])
def test_a_model_is_named_or_that_of_the_checkpoint(fake, out, model, named):
    given = ["--model", model, "--size", "tiny"] if named else ["--checkpoint", CHECKPOINTS[model]]
    code, said = fake("-o", out, *given, "--max-tokens", 5)
    assert code == 0
    assert said[:3] == [CHECKPOINTS[model], config(model), "The other one, then [laugh]."]
    assert said[3:] == [TurboSampling(max_tokens=5), None, 2]
    assert fake("-o", out, *given, "--steps", 7)[1][-1] == 7


def test_chatterbox_speaks_where_its_t3_is_there(fake, out, tmp_path_factory, capsys):
    """Beside another's too, unless that one is named by its model or its file."""
    both = tmp_path_factory.mktemp("both")
    for path in {path.name: path for model in CHECKPOINTS for path in CHECKPOINTS[model].iterdir()}.values():
        (both / path.name).symlink_to(path)
    given = ["-o", out, "--checkpoint", both]
    assert fake(*given)[1][1] == replace(CHATTERBOX_SIZES["tiny"], watermark=WatermarkConfig())
    assert fake(*given, "--model", "nano")[1][1] == config("nano")
    assert fake(*given, "--t3", "turbo_v1")[1][1] == config("turbo")
    capsys.readouterr()
    (both / "t3_cfg.safetensors").unlink()
    for path in both.glob("t3_mtl*"):
        path.unlink()
    assert fake(*given)[0] == 2
    assert "has t3_nano_v1, t3_turbo_v1; say with --model which of them is to speak" in capsys.readouterr().err
    (both / "t3_turbo_v2.safetensors").touch()
    assert fake(*given, "--model", "turbo")[0] == 2
    assert "has t3_turbo_v1, t3_turbo_v2; say with --t3 which of them is to speak" in capsys.readouterr().err
    assert fake(*given, "--t3", "t3_turbo_v2")[1][1].t3.file == "t3_turbo_v2.safetensors"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--language", "fr"], "--language is 'fr', and turbo speaks English alone; leave it out"),
        (["--model", "nano"], "has t3_turbo_v1; leave it out, or give a checkpoint of nano"),
        (["--model", "chatterbox"], "has t3_turbo_v1; leave it out, or give a checkpoint of chatterbox"),
        (["--t3", "v3"], "--t3 is 'v3', expected one of t3_turbo_v1"),
        (["--size", "full"], "is a checkpoint of size tiny; leave it out"),
        (["--voice", "short.wav"], "short.wav: the recording has 4.00 s, expected more than 5 s"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_turbo_does_not_know_is_refused_before_any_work(fake, out, given, message, monkeypatch, capsys):
    monkeypatch.chdir(out.parent)
    soundfile.write("short.wav", synthetic_voice("short", 4.0, 22050), 22050)
    assert fake("-o", out, "--checkpoint", CHECKPOINTS["turbo"], *given) == (2, [])
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_turbo_is_refused_where_chatterbox_is(fake, out, capsys):
    assert fake("-o", out, "--checkpoint", CHECKPOINTS[""], "--model", "turbo") == (2, [])
    said = capsys.readouterr().err
    assert "--model is turbo, and " in said
    assert "; leave it out, or give a checkpoint of turbo" in said
    assert not out.exists()


@pytest.mark.parametrize("side", SIDES)
def test_the_command_speaks_turbo(side, out):
    given = [sys.executable, "-m", side, "speak", TEXT, "-o", out, *SHORT, "--model", "turbo"]
    done = subprocess.run(given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    wave, rate = soundfile.read(out)
    assert (rate, len(wave) % 960) == (24000, 0)
    assert 3 < len(wave) // 960 <= 12  # and three tokens of silence
    assert np.abs(wave).max() > 0.01


@pytest.mark.parametrize("model", ["turbo", "nano"])
def test_both_sides_say_the_same_with_a_recording(model, tmp_path):
    voice = tmp_path / "voice.wav"
    soundfile.write(voice, synthetic_voice("turbo", 5.2, 22050), 22050)
    waves = []
    for side in SIDES:
        file = tmp_path / f"{side}.wav"
        assert real(side, "-o", file, *SHORT, "--voice", voice, "--seed", 3, model=model) == 0
        waves.append(soundfile.read(file)[0])
    assert waves[0].shape == waves[1].shape
    assert snr(waves[1], waves[0]) >= 50


@pytest.mark.parametrize("side", SIDES)
def test_a_stream_of_turbo_is_what_is_written_at_once(side, out, tmp_path):
    given = ["--size", "tiny", "--max-tokens", "30"]
    assert real(side, "-o", out, *given) == 0
    whole, _ = soundfile.read(out)
    streamed = {}
    for mode in ("exact", "prefixes"):
        assert real(side, "-o", tmp_path / f"{mode}.wav", *given, "--stream", mode) == 0
        streamed[mode], _ = soundfile.read(tmp_path / f"{mode}.wav")
        assert streamed[mode].shape == whole.shape
    assert snr(streamed["exact"], whole) >= 60 > snr(streamed["prefixes"], whole)


@pytest.mark.parametrize(
    ("side", "dtype"), [("reference", "float64"), ("mlx_impl", "float16"), ("mlx_impl", "bfloat16")]
)
def test_turbo_speaks_in_every_dtype(side, dtype, out):
    assert real(side, "-o", out, *SHORT, "--dtype", dtype) == 0
    wave, _ = soundfile.read(out)
    assert np.abs(wave).max() > 0.01


@pytest.mark.parametrize("side", SIDES)
def test_a_language_and_no_token_are_refused_by_the_side_too(side):
    made = importlib.import_module(f"{side}.turbo.speech").ChatterboxTurbo(CHECKPOINTS["nano"], turbo("nano", "tiny"))
    conditions = load_conditionals(CHECKPOINTS["nano"] / "conds.pt")
    with pytest.raises(ValueError, match="language is 'fr', expected none"):
        made.tokens(TEXT, conditions, TurboSampling(max_tokens=1), Draws(0), "fr")
    with pytest.raises(ValueError, match="no speech tokens"):
        made.mel([], conditions, Draws(0))
