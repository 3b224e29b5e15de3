"""Audio files that are damaged: what is read is what was decoded, and that it is less than was promised is said."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from fixtures import quality
from fixtures.voice import synthetic_voice
from spec import audio
from spec.files import audio_file
from spec.files.wav_file import WavFile

RATE = 8000  # Hz
FORMATS = {"wav": "WAV", "flac": "FLAC", "ogg": "OGG", "mp3": "MP3"}
WAVE = synthetic_voice("damaged", 2.5, RATE)  # two of FLAC's blocks and more than one of ours


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bytes]:
    """The recording's file in a format, by its suffix."""
    folder = tmp_path_factory.mktemp("whole")
    for suffix, name in FORMATS.items():
        soundfile.write(folder / f"whole.{suffix}", WAVE, RATE, format=name)
    return lambda suffix: (folder / f"whole.{suffix}").read_bytes()


def read(file: Path) -> tuple[np.ndarray, list[str]]:
    """All frames `(N, C)`, and what was said of the file."""
    said: list[str] = []
    blocks, _ = audio_file.decoded(file, warn=said.append)
    return np.concatenate(list(blocks)), said


def decodable(file: Path) -> int:
    """Frames that libsndfile itself counts where no header tells it when to end."""
    with audio_file._opened(file)[0] as opened:
        buffer = np.zeros((1, opened.channels), np.float32)  # one frame at a time: none is lost to an error
        pointer = soundfile._ffi.cast("float *", buffer.ctypes.data)
        return sum(iter(lambda: max(0, soundfile._snd.sf_readf_float(opened._file, pointer, len(buffer))), 0))


def put(content: bytes, start: int, value: bytes) -> bytes:
    return content[:start] + value + content[start + len(value) :]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_whole_file_is_read_in_silence(tmp_path, whole, suffix):
    (tmp_path / f"a.{suffix}").write_bytes(whole(suffix))
    samples, said = read(tmp_path / f"a.{suffix}")
    assert samples.shape == (len(WAVE), 1)
    assert said == []


@pytest.mark.parametrize("suffix", FORMATS)
def test_half_a_file_gives_what_is_there_and_a_warning(tmp_path, whole, suffix):
    file = tmp_path / f"half.{suffix}"
    file.write_bytes(whole(suffix)[: len(whole(suffix)) // 2])
    samples, said = read(file)
    assert len(samples) == decodable(file) < 0.6 * len(WAVE)
    (warning,) = said
    assert warning.startswith(f"{file}: damaged or cut short, {len(samples) / RATE:.2f} s could be decoded (")
    (tmp_path / f"whole.{suffix}").write_bytes(whole(suffix))
    both, _ = read(tmp_path / f"whole.{suffix}")
    same = len(samples) - 2000 if len(samples) > 2000 else len(samples)  # a lossy format's last frame needs its next
    np.testing.assert_array_equal(samples[:same], both[:same])


@pytest.mark.parametrize(
    ("size", "kept", "warned"),
    [(2 * len(WAVE) + 1000, len(WAVE), True), (1000, 500, True), (2**32 - 1, len(WAVE), False)],
    ids=["more than there is", "less than there is", "not known, as in a pipe"],
)
def test_the_header_of_a_wav_is_a_hint(tmp_path, whole, size, kept, warned):
    (tmp_path / "a.wav").write_bytes(put(whole("wav"), 40, struct.pack("<I", size)))
    samples, said = read(tmp_path / "a.wav")
    assert (len(samples), len(said)) == (kept, int(warned))


@pytest.mark.parametrize(("total", "warned"), [(2 * len(WAVE), True), (9, True), (2**36 - 1, True), (0, False)])
def test_the_header_of_a_flac_is_a_hint(tmp_path, whole, total, warned):
    first = whole("flac")[21] & 0xF0 | total >> 32
    (tmp_path / "a.flac").write_bytes(put(whole("flac"), 21, struct.pack(">BI", first, total & 0xFFFFFFFF)))
    samples, said = read(tmp_path / "a.flac")
    assert (len(samples), len(said)) == (len(WAVE), int(warned))


def test_the_header_of_an_mp3_is_a_hint(tmp_path, whole):
    place = whole("mp3").index(b"Xing") + 8  # of the number of blocks, 576 frames each
    for blocks in (3, 1000):
        (tmp_path / "a.mp3").write_bytes(put(whole("mp3"), place, struct.pack(">I", blocks)))
        samples, said = read(tmp_path / "a.mp3")
        assert len(samples) >= len(WAVE)
        assert len(said) == 1


def test_an_mp3_that_promises_nothing_is_read_to_its_end(tmp_path, whole):
    (tmp_path / "a.mp3").write_bytes(whole("mp3").replace(b"Xing", bytes(4)))
    samples, said = read(tmp_path / "a.mp3")
    assert len(samples) > len(WAVE)  # what the header would have cut away belongs to it now
    assert said == []


def test_a_file_that_is_damaged_later_gives_what_stands_before(tmp_path, whole):
    middle = len(whole("flac")) * 7 // 10
    (tmp_path / "a.flac").write_bytes(put(whole("flac"), middle, b"damaged!"))
    samples, said = read(tmp_path / "a.flac")
    assert 0 < len(samples) < len(WAVE)
    assert np.abs(samples[:, 0] - WAVE[: len(samples)]).max() < 2**-14
    assert len(said) == 1


def cut(content: bytes, place: int, value: int) -> bytes:
    return content[: place % len(content)]


def lie(content: bytes, place: int, value: int) -> bytes:
    return put(content, place % 200, bytes([value]))  # in the header


def flip(content: bytes, place: int, value: int) -> bytes:
    place %= len(content)
    return put(content, place, bytes([content[place] ^ 1 << value % 8]))


@settings(max_examples=200, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(FORMATS)), st.sampled_from([cut, lie, flip]), st.integers(0, 2**16), st.integers(0, 255))
def test_no_damage_invents_samples_crashes_or_passes_in_silence(tmp_path, whole, suffix, mutate, place, value):
    file = tmp_path / f"mutated.{suffix}"
    file.write_bytes(mutate(whole(suffix), place, value))
    note(f"{suffix} {mutate.__name__} {place} {value}")
    try:
        samples, said = read(file)
    except ValueError:
        return  # refused
    assert len(samples) <= decodable(file)
    channels = samples.shape[1]
    padding = 4096 if suffix == "mp3" else channels  # an MP3 says how much of its end is none of the recording
    assert said or samples.size > len(WAVE) - padding
    with suppress(ValueError):
        assert all(np.isfinite(wave).all() for wave in audio.load_voice(file, said.append))


def test_a_voice_that_is_cut_short_is_used_with_a_warning(tmp_path, whole):
    (tmp_path / "a.mp3").write_bytes(whole("mp3")[: len(whole("mp3")) // 2])
    said: list[str] = []
    voice = audio.load_voice(tmp_path / "a.mp3", said.append)
    assert len(voice.voice_24) == 3 * len(read(tmp_path / "a.mp3")[0])
    assert len(said) == 1
    assert "damaged or cut short" in said[0]


def test_samples_far_beyond_one_are_said(tmp_path):
    said: list[str] = []
    soundfile.write(tmp_path / "integers.wav", WAVE * 2**15, RATE, subtype="FLOAT")
    audio.load_voice(tmp_path / "integers.wav", said.append)
    assert said == [
        f"{tmp_path / 'integers.wav'}: its peak is 1.64e+04 times full scale, expected about 1; scale it to within ±1"
    ]


def test_the_judge_of_two_files_says_that_one_is_cut(tmp_path, capsys):
    with WavFile(tmp_path / "a.wav", 24000) as file:
        file.write(np.repeat(WAVE, 3))
    (tmp_path / "b.wav").write_bytes((tmp_path / "a.wav").read_bytes()[:-4000])
    assert quality.main([str(tmp_path / "a.wav"), str(tmp_path / "b.wav")]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"warning: {tmp_path / 'b.wav'}: damaged or cut short")


def test_of_a_long_mp3_without_a_length_only_the_start_is_read(tmp_path, whole, monkeypatch):
    monkeypatch.setattr(audio_file, "LARGEST", len(whole("mp3")) / 2)
    (tmp_path / "a.mp3").write_bytes(whole("mp3").replace(b"Xing", bytes(4)))
    said: list[str] = []
    blocks, rate = audio_file.decoded(tmp_path / "a.mp3", warn=said.append, longest=1)
    assert sum(map(len, blocks)) == rate
    assert said == [f"{tmp_path / 'a.mp3'}: longer than 1 s, only its first 1 s are used"]
