"""Audio files to voices: read, mixed, resampled, cut and trimmed, or refused."""

import numpy as np
import pytest
import soundfile

from fixtures.voice import synthetic_voice
from spec import audio
from spec.files import audio_file


@pytest.fixture(scope="module")
def recording() -> np.ndarray:
    return synthetic_voice("recording", 1.5, 44100)


def test_a_file_becomes_three_voices(tmp_path, recording):
    soundfile.write(tmp_path / "voice.wav", recording, 44100, subtype="FLOAT")
    voice = audio.load_voice(tmp_path / "voice.wav")
    assert voice.voice_24.shape == (36000,)
    assert voice.voice_16.shape == (24000,)
    assert voice.whole_16.shape == (24000,)
    assert {wave.dtype for wave in voice} == {np.dtype(np.float32)}
    assert np.abs(voice.voice_16).max() == pytest.approx(0.5, abs=0.05)


def test_channels_are_mixed(tmp_path, recording, monkeypatch):
    monkeypatch.setattr(audio_file, "BLOCK", 1000)  # many blocks, the last one shorter
    channels = np.stack([recording * (channel % 3) for channel in range(8)], axis=1)  # 7 times it, over 8 channels
    soundfile.write(tmp_path / "eight.wav", channels, 44100, subtype="FLOAT")
    samples, rate = audio.read(tmp_path / "eight.wav")
    assert rate == 44100
    np.testing.assert_allclose(samples, recording * 7 / 8, atol=1e-6)


def test_long_voices_are_cut_but_not_the_whole_one():
    wave = synthetic_voice("long", 11.0, 16000)
    voice = audio.voice_of(wave, 16000)
    assert len(voice.voice_24) == 240000
    assert len(voice.voice_16) == 96000
    assert len(voice.whole_16) == 176000


def test_samples_beyond_one_are_kept(tmp_path, recording):
    soundfile.write(tmp_path / "loud.wav", 4 * recording, 44100, subtype="FLOAT")  # and nobody is warned
    assert np.abs(audio.load_voice(tmp_path / "loud.wav").voice_24).max() > 1.5


def test_resampling_gives_the_length_that_the_rates_say(recording):
    for rate in (8000, 16000, 24000, 48000):
        assert len(audio.resample(recording, 44100, rate)) == int(np.ceil(len(recording) * (rate / 44100)))
    assert audio.resample(recording, 44100, 44100) is recording


def test_unreadable_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no such file"):
        audio.load_voice(tmp_path / "none.wav")
    for content in (b"", b"no audio at all"):
        (tmp_path / "bad.wav").write_bytes(content)
        with pytest.raises(ValueError, match=r"bad\.wav: not a readable audio file"):
            audio.load_voice(tmp_path / "bad.wav")


@pytest.mark.parametrize(
    ("wave", "message"),
    [
        (np.zeros(0, np.float32), "expected floating-point samples"),
        (np.zeros(1, np.float32), "1 samples at 44100 Hz, expected at least 45 ms"),
        (np.zeros(1984, np.float32), "1984 samples at 44100 Hz"),
        (np.full(9000, np.nan, np.float32), "NaN or infinite"),
        (np.append(np.ones(9000, np.float32) / 2, np.float32(np.inf)), "NaN or infinite"),
        (np.zeros(9000, np.float32), "is silent, its peak is 0.0e[+]00 of full scale, expected at least 1e-04"),
        (np.full(9000, 9.9e-5, np.float32), "is silent"),
        (np.outer(np.sin(np.arange(9000)), [0.5, -0.5]).astype(np.float32), "is silent"),  # cancels when mixed
    ],
    ids=["empty", "one sample", "short", "nan", "one inf", "zeros", "too quiet", "opposite channels"],
)
def test_unusable_recordings_are_refused(tmp_path, wave, message):
    soundfile.write(tmp_path / "bad.wav", wave, 44100, subtype="FLOAT")
    with pytest.raises(ValueError, match=rf"bad\.wav: the recording .*{message}"):
        audio.load_voice(tmp_path / "bad.wav")


def test_the_shortest_recording_is_accepted(tmp_path):
    soundfile.write(tmp_path / "short.wav", np.full(1985, 1.1e-4, np.float32), 44100, subtype="FLOAT")
    voice = audio.load_voice(tmp_path / "short.wav")
    assert len(voice.voice_24) >= 1080
    assert len(voice.voice_16) >= 720


def test_a_rate_of_zero_is_refused():
    with pytest.raises(ValueError, match="rate of 0 Hz"):
        audio.voice_of(np.zeros(100, np.float32), 0)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_U8", "FLOAT"])
def test_a_clipped_recording_is_used_with_a_warning(tmp_path, recording, subtype):
    said = []
    soundfile.write(tmp_path / "loud.wav", np.clip(12 * recording, -1, 1), 44100, subtype=subtype)
    audio.load_voice(tmp_path / "loud.wav", said.append)
    (warning,) = said
    assert "loud.wav: clipped, " in warning
    with pytest.warns(UserWarning, match="of its samples are at full scale"):
        audio.load_voice(tmp_path / "loud.wav")
    soundfile.write(tmp_path / "normal.wav", 2 * recording, 44100, subtype=subtype)  # its peak alone is at full scale
    audio.load_voice(tmp_path / "normal.wav", said.append)
    assert said == [warning]


def test_one_clipped_channel_is_noticed(tmp_path, recording):
    said = []
    channels = np.stack([np.clip(12 * recording, -1, 1), 0 * recording], axis=1)
    soundfile.write(tmp_path / "stereo.wav", channels, 44100)
    audio.load_voice(tmp_path / "stereo.wav", said.append)
    assert len(said) == 1


def test_of_a_huge_recording_only_the_start_is_read(tmp_path, recording, monkeypatch):
    monkeypatch.setattr(audio, "LONGEST", 1)
    said = []
    soundfile.write(tmp_path / "long.wav", recording, 44100, subtype="FLOAT")
    samples, rate = audio.read(tmp_path / "long.wav", said.append)
    assert said == [f"{tmp_path / 'long.wav'}: longer than 1 s, only its first 1 s are used"]
    assert np.array_equal(samples, recording[:rate])


def test_a_recording_that_is_mistyped_is_answered_with_the_nearest(tmp_path):
    (tmp_path / "voice.wav").write_bytes(b"")
    with pytest.raises(ValueError, match=r"no such file; expected a recording; is voice\.wav meant\?"):
        audio.load_voice(tmp_path / "vocie.wav")
