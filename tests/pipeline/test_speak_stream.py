"""`speak --stream`: the file that grows, what it says of time, and what is left when it breaks off."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fixtures.waves import snr
from spec import speak
from spec.config import SamplingConfig
from spec.files.wav_file import WavFile, header
from spec.speak.stream import stream_to
from spec.streaming import StreamConfig
from spec.synthetic.cache import cached

TEXT = "The birch canoe slid on the smooth planks, and the other one, then."
SHORT = ["--size", "tiny", "--max-tokens", "40", "--steps", "2"]


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out.wav"


def run(side, *arguments):
    speech, synthesis = (importlib.import_module(f"{side}.{name}") for name in ("speech", "synthesis"))
    return speak.main(side, speech.Chatterbox, synthesis.DTYPES, ["speak", TEXT, *map(str, arguments)])


@pytest.mark.parametrize("side", ["reference", "mlx_impl"])
def test_a_stream_writes_what_is_written_at_once(side, out, tmp_path, capsys):
    given = [*SHORT, "--checkpoint", cached("tiny")]
    assert run(side, "-o", out, *given) == 0
    whole, rate = soundfile.read(out)
    capsys.readouterr()
    waves = []
    for words in (["--stream"], ["--stream", "prefixes"]):
        file = tmp_path / f"{words[-1]}.wav"
        assert run(side, "-o", file, *given, *words) == 0
        printed = capsys.readouterr().out.splitlines()
        assert [line.split()[0] for line in printed[:3]] == ["loading", "first", "stream"]
        assert f"{len(whole) / 24000:.2f} s of audio, {len(whole) // 960} tokens" in printed[3]
        assert ", of the whole stream, its first audio after " in printed[4]
        wave, own_rate = soundfile.read(file)
        assert (own_rate, wave.shape) == (rate, whole.shape)
        assert soundfile.info(file).subtype == "FLOAT"
        waves.append(wave)
    assert snr(waves[0], whole) >= 60
    assert snr(waves[1], whole) < 60


class FakeSide:
    """Streams three pieces, the second of them broken if it is told so."""

    broken = False

    def __init__(self, checkpoint, config, dtype):
        self.config, self.text, self.sampling = config, self, SamplingConfig()

    def unknown(self, text, language):
        return ""

    def marked(self, wave, weights):
        assert weights == Path("perth")
        return -wave

    def stream(self, text, conditions, sampling, draws, language, steps, config):
        assert (language, steps, config) == (None, 10, StreamConfig())
        for value in (0.25, np.nan if self.broken else 0.5, 0.75):
            yield np.full(4800, value, np.float32)


def fake(*arguments, make=FakeSide):
    words = ["speak", TEXT, "--size", "tiny", "--checkpoint", cached("tiny"), "--stream", *arguments]
    return speak.main("fake", make, ["float32"], [str(word) for word in words])


def test_first_audio_and_the_whole_stream_are_timed(out, monkeypatch, capsys):
    ticks = iter([0, 1, 10, 12, 16])  # loading; start, first, last
    monkeypatch.setattr(speak.time, "perf_counter", lambda: next(ticks))
    assert fake("-o", out) == 0
    printed = capsys.readouterr().out
    assert "first audio     2.00 s" in printed
    assert "real-time factor 10.00, of the whole stream, its first audio after 2.00 s" in printed
    assert np.unique(soundfile.read(out)[0]).tolist() == [0.25, 0.5, 0.75]


def test_a_stream_that_breaks_off_leaves_what_was_said(out, monkeypatch, capsys):
    monkeypatch.setattr(FakeSide, "broken", True)
    assert fake("-o", out) == 2
    assert f"NaN or infinite samples; speak in float32, or is the checkpoint damaged?; {out} holds the 0.20 s" in (
        capsys.readouterr().err
    )
    assert soundfile.read(out)[0].tolist() == [0.25] * 4800


def test_an_interrupted_stream_is_readable(out):
    def pieces():
        yield np.full(100, 0.5, np.float32)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stream_to(out, pieces(), 24000)
    assert soundfile.read(out)[0].tolist() == [0.5] * 100


def test_an_existing_file_is_left_alone(out, capsys):
    out.write_bytes(b"before")
    assert fake("-o", out, make=None) == 2
    assert "out.wav: is there already, and a stream grows in its place; remove it or name another" in (
        capsys.readouterr().err
    )
    with pytest.raises(ValueError, match=r"out\.wav: cannot be written .*name another file"):
        WavFile(out, 24000).write(np.zeros(3))
    assert out.read_bytes() == b"before"


@pytest.mark.parametrize("error", [ValueError("no speech tokens"), None])
def test_without_a_sound_there_is_no_file(out, error):
    def pieces():
        if error:
            raise error
        yield from ()

    with pytest.raises(ValueError, match="no speech tokens$" if error else "ended without a sound"):
        stream_to(out, pieces(), 24000)
    assert not out.exists()


def test_the_file_is_whole_after_every_piece(out):
    said = np.zeros(0, np.float32)
    with WavFile(out, 24000) as file:
        for samples in (1, 480, 7):
            wave = np.linspace(-1.5, 1.5, samples, dtype=np.float32)
            file.write(wave)
            said = np.concatenate([said, wave])
            got, rate = soundfile.read(out, dtype="float32")
            assert rate == 24000
            assert np.array_equal(got, said)
            assert soundfile.info(out).frames == len(said)
    # A header that was not corrected would hide the last samples.
    stale = header(481, 24000)
    out.write_bytes(stale + out.read_bytes()[len(stale) :])
    assert len(soundfile.read(out)[0]) == 481


def test_a_whole_stream_is_watermarked(out, monkeypatch, capsys):
    monkeypatch.setattr(speak, "find_watermark", lambda: ("with a watermark", Path("perth")))
    assert fake("-o", out) == 0
    assert np.unique(soundfile.read(out)[0]).tolist() == [-0.75, -0.5, -0.25]
    assert "with a watermark" in capsys.readouterr().out
