"""`speak`, the command of both sides: what it writes and says, and what it refuses before any work is done."""

import importlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.numpy import load_file

from fixtures.voice import synthetic_voice
from parity.base import files
from parity.base.errors import InputError
from parity.base.metrics import rms, rmse
from reference import defaults
from spec import speak
from spec.config import CHATTERBOX_SIZES, SamplingConfig, multilingual
from spec.files.conditionals import load_conditionals, save_conditionals
from spec.synthetic import PERTH, write
from spec.synthetic.cache import cached
from spec.synthetic.voice_file import write_voice
from spec.watermark import find
from spec.watermark.config import WatermarkConfig

SIDES = ["reference", "mlx_impl"]
TEXT = "the other one, then"
SHIPPED = replace(CHATTERBOX_SIZES["tiny"], watermark=WatermarkConfig())  # the watermark has one size for all
SHORT = ["--size", "tiny", "--max-tokens", "6", "--steps", "2"]
VOICE = synthetic_voice("speak", 1.5, 22050)
RATE = 22050


@pytest.fixture(params=SIDES)
def side(request):
    return request.param


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out.wav"


@pytest.fixture
def recording(tmp_path_factory):
    file = tmp_path_factory.mktemp("voice") / "voice.wav"
    soundfile.write(file, VOICE, RATE)
    return file


class FakeSide:
    """Speaks two frames a token at once; keeps what it was given."""

    dtypes = ("float32", "float64")

    def __init__(self, checkpoint, config, dtype):
        self.given = [checkpoint, config, dtype]
        self.config, self.text, self.sampling = config, self, defaults.sampling(config.t3)
        FakeSide.made.append(self)

    def unknown(self, text, language):
        return "".join(character for character in text if ord(character) > 255)

    def conditions(self, voice):
        self.given.append(voice)
        return {}

    def tokens(self, text, conditions, sampling, draws, language):
        self.given += [text, language, sampling]
        return [7] * (len(text) - 1)

    def mel(self, tokens, conditions, draws, steps):
        self.given += [conditions, draws.seed, steps]
        return np.zeros((1, 80, 2 * len(tokens)))

    def wave(self, mel, draws):
        return np.full(480 * mel.shape[2], 0.25, np.float32)

    def marked(self, wave, weights):
        self.given.append(weights)
        return 2 * wave


@pytest.fixture
def fake(monkeypatch):
    """Run `speak` with a side that does no work; returns the exit code and the side, or None where none was made."""
    monkeypatch.setattr(FakeSide, "made", [], raising=False)

    def run(*arguments, text=TEXT):
        code = speak.main("fake", FakeSide, FakeSide.dtypes, ["speak", text, *map(str, arguments)])
        return code, FakeSide.made[-1] if FakeSide.made else None

    return run


def real(side, *arguments, text=TEXT):
    """Run `speak` of a side in this process."""
    speech, synthesis = (importlib.import_module(f"{side}.{name}") for name in ("speech", "synthesis"))
    return speak.main(side, speech.Chatterbox, synthesis.DTYPES, ["speak", text, *map(str, arguments)])


def test_a_text_and_a_file_are_enough(side, out, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", side, "speak", TEXT, "-o", out, *SHORT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    wave, rate = soundfile.read(out)
    assert rate == 24000
    tokens = len(wave) // 960
    assert len(wave) == 960 * tokens
    assert 3 <= tokens <= 6
    assert np.abs(wave).max() > 0.01
    assert [path.name for path in tmp_path.iterdir()] == ["out.wav"]
    assert [line.split()[0] for line in done.stdout.splitlines()[:5]] == ["making", "loading", "tokens", "mel", "wave"]
    assert (
        f"{tokens / 25:.2f} s of audio, {tokens} tokens, no watermark (resemble-perth is not installed)" in done.stdout
    )
    assert "of synthesis only (tokens, mel, wave: " in done.stdout
    warnings = done.stderr.splitlines()
    assert len(warnings) == 2
    assert all(line.startswith("warning: ") and "NOISE" in line for line in warnings)


def test_characters_without_a_token_are_named(fake, out, capsys):
    code, _ = fake("-o", out, "--size", "tiny", "--checkpoint", cached("tiny"), text="a 你 and a 😀, ∮∮∮ ℵ ℶ ℷ ℸ")
    assert code == 0
    (said,) = (line for line in capsys.readouterr().err.splitlines() if "no token" in line)
    assert "你 (CJK UNIFIED IDEOGRAPH-4F60), 😀 (GRINNING FACE)" in said
    assert "and 4 more, so nobody will hear them" in said
    assert fake("-o", out, "--size", "tiny", "--checkpoint", cached("tiny"))[0] == 0
    assert "no token" not in capsys.readouterr().err


def test_a_checkpoint_and_a_recording(side, out, recording, capsys):
    assert real(side, "-o", out, *SHORT, "--checkpoint", cached("tiny"), "--voice", recording, "--seed", 7) == 0
    printed = capsys.readouterr()
    assert [line.split()[0] for line in printed.out.splitlines()[:5]] == ["loading", "voice", "tokens", "mel", "wave"]
    assert printed.err == ""
    wave, rate = soundfile.read(out)
    assert rate == 24000
    assert len(wave) >= 960
    assert len(wave) % 480 == 0


def test_a_published_voice_is_read_by_both_sides(side, out, tmp_path):
    """By `torch.save`, as upstream writes it, and it is another voice than that of the checkpoint."""
    stored = torch.load(cached("tiny") / "conds.pt", weights_only=True)
    torch.save(stored, tmp_path / "same.pt")
    stored["gen"]["embedding"] = torch.flip(stored["gen"]["embedding"], [1]).requires_grad_()
    torch.save(stored, tmp_path / "other.pt")
    waves = []
    for voice in ([], ["--voice", tmp_path / "same.pt"], ["--voice", tmp_path / "other.pt"]):
        assert real(side, "-o", out, *SHORT, *voice) == 0
        waves.append(soundfile.read(out)[0])
    assert np.array_equal(waves[0], waves[1])
    assert not np.array_equal(waves[0], waves[2])


def test_the_command_loads_no_framework():
    program = "import sys, spec.speak; print(sorted({'torch', 'mlx', 'mlx.core'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_mlx_reads_conditions_without_pytorch(tmp_path):
    program = """
import sys, pathlib
class Without:
    def find_spec(self, name, *given):
        assert name.partition(".")[0] != "torch"
sys.meta_path.insert(0, Without())
from spec.files.conditionals import load_conditionals
import mlx_impl.speech
print(len(load_conditionals(pathlib.Path(sys.argv[1]))))
"""
    conds = cached("tiny") / "conds.pt"
    done = subprocess.run([sys.executable, "-c", program, conds], capture_output=True, text=True, check=True)
    assert done.stdout == "6\n"


def test_options_reach_the_side(fake, out, recording):
    code, side = fake(
        "-o", out, "--size", "tiny", "--voice", recording, "--seed", 5, "--steps", 3, "--dtype", "float64"
    )
    assert code == 0
    checkpoint, config, dtype, voice, text, language, sampling, conditions, seed, steps = side.given
    assert (checkpoint, config, dtype) == (cached("tiny"), SHIPPED, "float64")
    assert len(voice.voice_24) == 36000
    assert (text, language, sampling, conditions, seed, steps) == (TEXT, None, SamplingConfig(), {}, 5, 3)


def test_a_language_is_spoken_by_the_multilingual_model(fake, out, recording, capsys):
    given = ["-o", out, "--size", "tiny", "--voice", recording]
    code, side = fake(*given, "--language", "fr")
    assert code == 0
    assert side.given[1] == multilingual(SHIPPED)
    assert side.given[5:7] == ["fr", SamplingConfig(repetition_penalty=2.0)]
    assert (side.given[0] / "t3_mtl23ls_v2.safetensors").is_file()
    FakeSide.made.clear()
    code, side = fake(*given, "--language", "xx")
    assert (code, side) == (2, None)
    assert "--language is 'xx', expected one of ar, " in capsys.readouterr().err


def test_the_size_of_a_checkpoint_is_its_own(fake, out, capsys):
    code, side = fake("-o", out, "--checkpoint", cached("tiny"))
    assert code == 0
    assert side.given[1] == SHIPPED
    FakeSide.made.clear()
    assert fake("-o", out, "--checkpoint", cached("tiny"), "--size", "full") == (2, None)
    assert "is a checkpoint of size tiny; leave it out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "file", "sampling", "watched"),
    [
        ([], "t3_cfg", SamplingConfig(), False),
        (["--language", "fr"], "t3_mtl23ls_v2", SamplingConfig(repetition_penalty=2.0), True),
        (["--language", "fr", "--t3", "v3"], "t3_mtl23ls_v3", SamplingConfig(), False),
        (["--language", "pt", "--t3", "pt_br"], "t3_pt_br", SamplingConfig(), False),
        (["--t3", "t3_mine"], "t3_mine", SamplingConfig(), False),
    ],
)
def test_one_t3_of_several_speaks(fake, out, tmp_path_factory, given, file, sampling, watched):
    """The second multilingual release is watched and penalised as it was published, later ones are not."""
    checkpoint = tmp_path_factory.mktemp("checkpoint")
    for path in cached("tiny").iterdir():
        (checkpoint / path.name).symlink_to(path)
    for name in ("t3_mtl23ls_v2", "t3_mtl23ls_v3", "t3_pt_br", "t3_mine"):
        (checkpoint / f"{name}.safetensors").touch()
    code, side = fake("-o", out, "--checkpoint", checkpoint, *given)
    assert code == 0
    config = side.given[1].t3
    assert config.file == f"{file}.safetensors"
    assert (config.multilingual, bool(config.watched)) == ("--language" in given, watched)
    assert sampling in side.given


def test_the_newest_t3_speaks_where_it_is_alone_and_an_unknown_one_is_refused(fake, out, tmp_path_factory, capsys):
    checkpoint = tmp_path_factory.mktemp("checkpoint")
    for path in cached("tiny").iterdir():
        if "v2" not in path.name:
            (checkpoint / path.name).symlink_to(path)
    (checkpoint / "t3_mtl23ls_v3.safetensors").touch()
    _, side = fake("-o", out, "--checkpoint", checkpoint, "--language", "fr")
    assert side.given[1].t3.file == "t3_mtl23ls_v3.safetensors"
    assert fake("-o", out, "--checkpoint", checkpoint, "--t3", "v4")[0] == 2
    assert "--t3 is 'v4', expected one of t3_cfg, t3_mtl23ls_v3" in capsys.readouterr().err


def test_a_voice_of_an_mlx_port_speaks_without_what_makes_voices(side, out, tmp_path_factory):
    """A directory as MLX ports keep it has conditions and no speech tokenizer; a recording would need it."""
    checkpoint = tmp_path_factory.mktemp("checkpoint")
    for path in cached("tiny").iterdir():
        if path.name not in ("conds.pt", "ve.safetensors"):
            (checkpoint / path.name).symlink_to(path)
    save_conditionals(checkpoint / "conds.safetensors", load_conditionals(cached("tiny") / "conds.pt"))
    assert "gen.prompt_feat" in load_file(checkpoint / "conds.safetensors")
    assert real(side, "-o", out, *SHORT, "--checkpoint", checkpoint) == 0
    wave, _ = soundfile.read(out)
    assert real(side, "-o", out, *SHORT, "--checkpoint", cached("tiny")) == 0
    assert np.array_equal(wave, soundfile.read(out)[0])


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_voice_is_saved_and_spoken_with_again(side, out, recording, tmp_path_factory, capsys, suffix):
    """By either side's file, without the recording: the same audio."""
    voice = tmp_path_factory.mktemp("saved") / f"voice{suffix}"
    given = ["-o", out, *SHORT, "--checkpoint", cached("tiny")]
    assert real(side, *given, "--voice", recording, "--save-voice", voice) == 0
    wave, _ = soundfile.read(out)
    assert real(side, *given, "--voice", voice) == 0
    assert np.array_equal(wave, soundfile.read(out)[0])
    before = voice.read_bytes()
    for wrong, message in ((voice, "exists; nothing is replaced"), (voice.with_suffix(".wav"), "ends in .pt or .safe")):
        assert real(side, *given, "--save-voice", wrong) == 2
        assert message in capsys.readouterr().err
    assert voice.read_bytes() == before


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1056484620\n"


@pytest.mark.parametrize("name", ["s3gen.safetensors", "conds.pt", "conds.safetensors", "tokenizer.json", "me.wav"])
def test_a_git_lfs_pointer_is_called_so(side, out, tmp_path_factory, capsys, name):
    checkpoint = tmp_path_factory.mktemp("checkpoint")
    for path in cached("tiny").iterdir():
        if path.stem != Path(name).stem:
            (checkpoint / path.name).symlink_to(path)
    (checkpoint / name).write_bytes(POINTER)
    voice = ["--voice", checkpoint / name] if name.endswith(".wav") else []
    assert real(side, "-o", out, *SHORT, "--checkpoint", checkpoint, *voice) == 2
    said = capsys.readouterr().err
    assert f"{checkpoint / name}: " in said
    assert "it is a Git LFS pointer, not the file that it stands for; run `git lfs pull`" in said


def test_the_real_time_factor_is_of_synthesis_only(fake, out, recording, monkeypatch, capsys):
    ticks = iter([0, 100, 200, 300, 0, 1, 2, 5, 10, 11])  # loading, voice, then tokens, mel and wave: 1 + 3 + 1 s
    monkeypatch.setattr(speak.time, "perf_counter", lambda: next(ticks))
    assert (
        fake("-o", out, "--checkpoint", cached("tiny"), "--voice", recording, "--size", "tiny", text="x" * 26)[0] == 0
    )
    printed = capsys.readouterr().out
    assert "loading       100.00 s" in printed
    assert "1.00 s of audio, 25 tokens" in printed
    assert "real-time factor 5.00, of synthesis only (tokens, mel, wave: 5.00 s)" in printed


def test_a_checkpoints_own_voice_is_found_or_asked_for(tmp_path):
    with pytest.raises(ValueError, match="no voice of its own; give --voice"):
        speak.own_voice(tmp_path)
    for name in ("conds.safetensors", "conds.pt"):  # upstream's goes first
        (tmp_path / name).touch()
        assert speak.own_voice(tmp_path) == tmp_path / name


def test_an_existing_file_is_replaced_by_a_whole_one_or_not_at_all(out, monkeypatch):
    out.write_bytes(b"before")
    with pytest.raises(ValueError, match="NaN or infinite samples"):
        speak.write(out, np.array([0, np.nan]), 24000)
    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", lambda *_: (_ for _ in ()).throw(PermissionError("no")))
        with pytest.raises(InputError, match=r"out\.wav: cannot be written \(no\); give another name"):
            speak.write(out, np.zeros(10), 24000)
    assert out.read_bytes() == b"before"
    speak.write(out, np.zeros(10), 24000)
    assert soundfile.read(out)[0].shape == (10,)
    assert list(out.parent.iterdir()) == [out]


def test_the_same_samples_are_the_same_bytes_whenever_they_are_written(tmp_path):
    wave = np.linspace(-2, 2, 100, dtype=np.float32)
    speak.write(tmp_path / "a.wav", wave, 24000)
    written = (tmp_path / "a.wav").read_bytes()
    read, rate = soundfile.read(tmp_path / "a.wav", dtype="float32")
    assert np.array_equal(read, wave)
    assert rate == 24000
    assert b"PEAK" not in written  # libsndfile's chunk, which holds the time
    speak.write(tmp_path / "b.wav", wave, 24000)
    assert (tmp_path / "b.wav").read_bytes() == written


def test_a_voice_is_not_spoken_over(fake, recording, tmp_path, capsys):
    before = recording.read_bytes()
    (tmp_path / "link.wav").symlink_to(recording)
    (tmp_path / "hard.wav").hardlink_to(recording)
    for name in (recording, tmp_path / "link.wav", tmp_path / "hard.wav"):
        assert fake("-o", name, "--size", "tiny", "--voice", recording) == (2, None)
        assert f"fake: {name}: is read as well ({recording}), and would be destroyed" in capsys.readouterr().err
    assert recording.read_bytes() == before


def test_text_that_is_no_unicode_is_refused(fake, out, capsys):
    assert fake("-o", out, "--size", "tiny", text="caf\udce9") == (2, None)
    assert "the text is not UTF-8" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"--voice": "none.wav"}, "none.wav: no such file"),
        ({"--voice": "none.pt"}, "none.pt: no such file"),
        ({"--voice": "none.safetensors"}, "none.safetensors: no such file"),
        ({"--checkpoint": "nowhere"}, "nowhere: no such directory"),
        ({"--steps": "0"}, "--steps is 0, expected at least 1"),
        ({"--seed": "-1"}, "--seed is -1, expected 0 or more"),
        ({"--max-tokens": "0"}, "--max-tokens is 0, expected at least 1"),
        ({"-o": "missing/out.wav"}, "there is no directory missing"),
        ({"-o": "."}, ".: cannot be written (Is a directory)"),
        ({"-o": "out.mp3"}, "out.mp3: speak writes WAV, not MP3; name out.wav and convert it"),
    ],
    ids=lambda value: " ".join(*value.items()) if isinstance(value, dict) else "",
)
def test_wrong_options_are_refused_before_any_work(changed, message, fake, recording, out, capsys, monkeypatch):
    monkeypatch.chdir(out.parent)
    given = {"-o": out, "--voice": recording, "--checkpoint": cached("tiny"), "--size": "tiny"} | changed
    assert fake(*(word for pair in given.items() for word in pair)) == (2, None)
    assert message in capsys.readouterr().err
    assert not list(out.parent.iterdir())


def test_an_unknown_dtype_is_refused_with_those_that_there_are(side, out, capsys):
    with pytest.raises(SystemExit) as refused:
        real(side, "-o", out, "--dtype", "int8")
    assert refused.value.code == 2
    offered = importlib.import_module(f"{side}.synthesis").DTYPES
    said = capsys.readouterr().err
    assert "'int8' is not known" in said
    assert all(name in said for name in offered)


def wav(samples, rate=RATE):
    return lambda file: soundfile.write(file, samples, rate, subtype="FLOAT")


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("text.wav", lambda file: file.write_text("no audio"), "not a readable audio file"),
        ("nothing.wav", lambda file: file.touch(), "not a readable audio file"),
        ("folder.wav", lambda file: file.mkdir(), "no such file"),
        ("empty.wav", wav(np.zeros(0, np.float32)), "expected floating-point samples"),
        ("silent.wav", wav(np.zeros(RATE, np.float32)), "is silent"),
        ("quiet.wav", wav(VOICE * 1e-4), "is silent"),
        ("one.wav", wav(VOICE[:1]), "1 samples at 22050 Hz, expected at least 45 ms"),
        ("nan.wav", wav(np.where(np.arange(len(VOICE)) == 999, np.nan, VOICE)), "NaN or infinite samples"),
        ("conds.pt", lambda file: file.write_bytes(b"other"), "not a whole torch.save file"),
        ("code.pt", lambda file: torch.save({"t3": print}, file), "it needs __builtin__.print"),
        ("other.pt", lambda file: torch.save({"x": torch.zeros(3)}, file), "expected two dictionaries, t3 and gen"),
        ("full.pt", lambda file: write_voice(file, CHATTERBOX_SIZES["full"]), "is it another model's voice?"),
        ("conds.safetensors", lambda file: file.write_bytes(b"other"), "not a whole safetensors file"),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value and " " not in value else "",
)
def test_unusable_voices_are_refused_and_nothing_is_written(side, name, make, message, out, tmp_path_factory, capsys):
    voice = tmp_path_factory.mktemp("bad") / name
    make(voice)
    assert real(side, "-o", out, "--voice", voice, *SHORT) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"{side}: {voice}: ")
    assert message in said.err
    assert said.out == ""  # no stage was begun
    assert not list(out.parent.iterdir())


@pytest.mark.parametrize("channels", [1, 8])
def test_usable_voices_with_a_warning_or_many_channels(side, channels, out, tmp_path_factory, capsys):
    voice = tmp_path_factory.mktemp("odd") / "voice.wav"
    soundfile.write(voice, np.repeat(np.clip(20 * VOICE, -1, 1)[:, None], channels, axis=1), RATE)
    assert real(side, "-o", out, "--checkpoint", cached("tiny"), "--voice", voice, *SHORT) == 0
    said = capsys.readouterr().err
    assert said.startswith(f"warning: {voice}: clipped, ")
    assert said.count("\n") == 1
    assert out.exists()


def test_a_text_too_long_is_refused(side, out, capsys):
    assert real(side, "-o", out, *SHORT, "--checkpoint", cached("tiny"), text="Q" * 3000) == 2
    assert "the text has 3001 tokens, expected at most 2048" in capsys.readouterr().err
    assert not list(out.parent.iterdir())


def test_too_little_speech_is_refused(fake, out, recording, capsys):
    code, _ = fake("-o", out, "--size", "tiny", "--voice", recording, text="x")
    assert code == 2
    assert "T3 said 0 token" in capsys.readouterr().err
    assert not out.exists()


@pytest.fixture
def perth(monkeypatch, tmp_path):
    """Stand in for the package, which may lack its weights, and fails if it is imported."""

    def install(weights: bool) -> Path:
        package = tmp_path / "perth"
        package.mkdir(exist_ok=True)
        (package / "__init__.py").write_text("raise ImportError('nothing of it is run')")
        file = package / find.PLACE
        file.parent.mkdir(parents=True, exist_ok=True)
        if weights:
            write(file.parent, CHATTERBOX_SIZES["full"], [PERTH])
        monkeypatch.syspath_prepend(str(tmp_path))
        return file

    return install


def test_the_watermark_is_applied_last(fake, out, recording, perth, capsys):
    file = perth(weights=True)
    code, made = fake("-o", out, "--size", "tiny", "--voice", recording)
    assert code == 0 and made.given[-1] == file
    assert np.unique(soundfile.read(out)[0]) == [0.5]
    printed = capsys.readouterr().out
    assert ", with Perth's watermark" in printed
    assert "\nwatermark " in printed
    assert "of synthesis only (tokens, mel, wave: " in printed


def test_a_watermark_that_cannot_be_applied_is_told(fake, out, recording, perth, capsys):
    perth(weights=False)
    assert fake("-o", out, "--size", "tiny", "--voice", recording)[0] == 0
    assert "no watermark (resemble-perth has no perth_net_250000.pth.tar: install" in capsys.readouterr().out
    assert np.unique(soundfile.read(out)[0]) == [0.25]


def test_each_side_marks_what_it_speaks(side, out, perth, capsys):
    assert real(side, "-o", out, *SHORT) == 0
    plain, rate = soundfile.read(out, dtype="float32")
    perth(weights=True)
    assert real(side, "-o", out, *SHORT) == 0
    assert ", with Perth's watermark" in capsys.readouterr().out
    marked, _ = soundfile.read(out, dtype="float32")
    assert 0 <= len(plain) - len(marked) <= 0.01 * rate
    assert 1e-3 < rmse(marked, plain[: len(marked)]) / rms(plain) < 10
