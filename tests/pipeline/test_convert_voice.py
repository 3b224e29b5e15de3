"""`convert-voice`, the command of both sides, the case of what it runs, and the windows in which speech is heard."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from fixtures import cases
from fixtures.cases import converted
from fixtures.voice import synthetic_voice
from fixtures.waves import snr
from parity import contract as contracts
from parity.run.exact import Exact
from parity.run.verify import Verifier
from reference.conditioning.s3tokenizer import S3Tokenizer
from spec.config import CHATTERBOX_SIZES
from spec.files.conditionals import save_conditionals
from spec.speak import convert_voice
from spec.synthetic.cache import cached

CONTRACT = contracts.load(Path(__file__).resolve().parents[2] / "fixtures" / "contract.toml")
SIDES = ["reference", "mlx_impl"]
SHORT = ["--size", "tiny", "--steps", "2"]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    soundfile.write(folder / "speech.wav", synthetic_voice("speech", 0.7, 22050), 22050)
    soundfile.write(folder / "voice.wav", synthetic_voice("voice", 0.6, 24000), 24000)
    return folder


def run(side, *arguments):
    converter, synthesis = (importlib.import_module(f"{side}.{name}") for name in ("voice_conversion", "synthesis"))
    words = ["convert-voice", *map(str, arguments)]
    return convert_voice.main(side, converter.VoiceConverter, synthesis.DTYPES, words)


@pytest.mark.parametrize("name", converted.CASES)
def test_what_convert_voice_runs_is_equal_in_double(name):
    case = cases.load(name)
    report = Exact(CONTRACT, case, cases.synthetic_checkpoint(case)).run()
    assert report.passed, report.departures
    assert report.segments == list(converted.SEGMENTS)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("name", converted.CASES)
def test_what_convert_voice_runs_passes_in_every_dtype(name, dtype):
    case = cases.load(name)
    report = Verifier(CONTRACT, case, cases.synthetic_checkpoint(case), precision=CONTRACT.precision(dtype)).run()
    assert report.passed, report.failures
    assert len(report.verdicts) == report.expected


def test_both_sides_say_the_same_of_s3gen_alone(recordings, tmp_path, capsys):
    """Neither T3 nor the voice encoder is there, nor a voice of the checkpoint's own."""
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    checkpoint.joinpath("s3gen.safetensors").symlink_to(cached("tiny") / "s3gen.safetensors")
    given = [recordings / "speech.wav", "--voice", recordings / "voice.wav", "--checkpoint", checkpoint, *SHORT]
    waves = []
    for side in SIDES:
        assert run(side, *given, "-o", tmp_path / f"{side}.wav") == 0
        said = capsys.readouterr()
        assert [line.split()[0] for line in said.out.splitlines()[:5]] == ["loading", "voice", "heard", "mel", "wave"]
        assert "0.72 s of audio, 18 tokens, no watermark" in said.out
        assert said.err == ""
        waves.append(soundfile.read(tmp_path / f"{side}.wav")[0])
    assert snr(waves[1], waves[0]) > 50


def test_a_voice_in_a_file_is_the_recording_that_it_was_made_of(recordings, tmp_path):
    speech = importlib.import_module("mlx_impl.speech")
    load_voice = importlib.import_module("spec.audio").load_voice
    side = speech.Chatterbox(cached("tiny"), CHATTERBOX_SIZES["tiny"])
    save_conditionals(tmp_path / "voice.pt", side.conditions(load_voice(recordings / "voice.wav")))
    waves = []
    for voice in (recordings / "voice.wav", tmp_path / "voice.pt"):
        given = [recordings / "speech.wav", "--voice", voice, "--checkpoint", cached("tiny"), *SHORT]
        assert run("mlx_impl", *given, "-o", tmp_path / "out.wav") == 0
        waves.append(soundfile.read(tmp_path / "out.wav")[0])
    assert np.array_equal(*waves)


def test_without_a_checkpoint_the_voice_is_its_own_and_noise(recordings, tmp_path):
    command = [sys.executable, "-m", "mlx_impl", "convert-voice", recordings / "speech.wav", "-o", tmp_path / "out.wav"]
    done = subprocess.run([*command, *SHORT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("NOISE") == 2
    assert (tmp_path / "out.wav").is_file()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"speech": "none.wav"}, "none.wav: no such file"),
        ({"speech": "short.wav"}, "short.wav: the recording has 100 samples at 22050 Hz, expected at least 45 ms"),
        ({"--voice": "none.wav"}, "none.wav: no such file"),
        ({"--checkpoint": "nowhere"}, "nowhere: no such directory"),
        ({"--steps": "0"}, "--steps is 0, expected at least 1"),
        ({"-o": "out.mp3"}, "out.mp3: convert-voice writes WAV, not MP3; name out.wav and convert it"),
        ({"-o": "speech.wav"}, "speech.wav"),
    ],
    ids=lambda value: " ".join(*value.items()) if isinstance(value, dict) else "",
)
def test_what_cannot_be_right_is_refused_and_nothing_is_lost(changed, message, recordings, capsys, monkeypatch):
    monkeypatch.chdir(recordings)
    soundfile.write("short.wav", np.zeros(100, np.float32), 22050)
    before = {file: Path(file).read_bytes() for file in ("speech.wav", "voice.wav", "short.wav")}
    given = {"-o": "out.wav", "--voice": "voice.wav", "--checkpoint": cached("tiny"), "--size": "tiny"} | changed
    speech = given.pop("speech", "speech.wav")
    assert run("mlx_impl", speech, *(word for pair in given.items() for word in pair)) == 2
    assert message in capsys.readouterr().err
    assert {file.name: file.read_bytes() for file in recordings.iterdir()} == before


@pytest.mark.parametrize(("frames", "kept"), [(24, [6]), (25, [5, 2]), (40, [5, 4, 1]), (50, [5, 4, 3, 0])])
def test_tokens_at_the_ends_of_a_window_are_those_of_the_window_that_hears_more(frames, kept):
    """24 frames a window, of which 8 are another's too: a token of each end, of four frames, is not taken."""
    config = cases.load("tiny-speak-converted").options["config"].tokenizer
    tokenizer = S3Tokenizer(config).eval()
    wave = torch.randn(1, config.hop * frames)
    with torch.inference_mode():
        mel = tokenizer.log_mel(wave)
        assert mel.shape[-1] == frames
        whole = tokenizer(wave)
        starts = range(0, frames, 16) if frames > 24 else [0]
        windows = [tokenizer.quantizer(tokenizer.encoder(mel[..., start : start + 24])) for start in starts]
    assert whole.shape[1] == sum(kept)
    parts = [
        tokens[:, (1 if number else 0) :][:, :count]
        for number, (tokens, count) in enumerate(zip(windows, kept, strict=True))
    ]
    assert torch.equal(whole, torch.cat(parts, dim=1))
