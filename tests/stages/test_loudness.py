"""How loud a recording is, and Turbo's voices, which are at one loudness."""

import math

import numpy as np
import pytest
import soundfile

from fixtures.voice import synthetic_voice
from spec.audio import voice_of
from spec.loudness import at_loudness, loudness
from spec.turbo_voice import LOUDNESS, load_turbo_voice, turbo_voice_of

RATE = 24000


def tone(seconds, level, frequency=997.0, rate=RATE):
    """A sine of a peak `level`, in dB of full scale."""
    return 10 ** (level / 20) * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


# Of pyloudnorm 0.1.1, whose shelf is 0.04 LU off the standard's -3.01 LUFS for the first of them.
@pytest.mark.parametrize(
    ("wave", "rate", "expected"),
    [
        (tone(1.0, 0.0, rate=48000), 48000, -3.051619711147632),
        (tone(5.3, -20.0), 24000, -23.063486060150577),
        (tone(5.3, -20.0, 40.0), 24000, -29.28913783005126),
        (np.concatenate([tone(3.0, -20.0), tone(3.0, -45.0)]), 24000, -23.285526521327636),
        (np.concatenate([tone(3.0, -20.0), np.zeros(9 * RATE)]), 24000, -23.28624943344357),
    ],
    ids=["one block at full scale", "a tone", "a low tone", "quiet beside", "silent beside"],
)
def test_loudness_is_pyloudnorms(wave, rate, expected):
    assert loudness(wave, rate) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("wave", [np.zeros(RATE), 1e-6 * tone(1.0, 0.0)], ids=["zeros", "noise"])
def test_silence_has_no_loudness_and_stays(wave):
    assert loudness(wave, RATE) == -math.inf
    assert at_loudness(wave, RATE, LOUDNESS) is wave


def test_a_wave_shorter_than_a_block_is_refused():
    with pytest.raises(ValueError, match=r"the wave has 0\.300 s, expected at least 0\.4 s"):
        loudness(tone(0.3, 0.0), RATE)
    assert math.isfinite(loudness(tone(0.4, 0.0), RATE))


def test_a_turbo_voice_is_at_one_loudness_and_longer():
    """The same waves as Chatterbox's but for the loudness, and T3 hears 15 s of them, the flow 10 s."""
    samples = synthetic_voice("loud", 16.0, RATE)
    voice, plain = turbo_voice_of(samples, RATE), voice_of(samples, RATE)
    assert [len(wave) for wave in voice] == [240000, 240000, 256000]
    gain = 10 ** ((LOUDNESS - loudness(samples, RATE)) / 20)
    assert abs(gain - 1) > 0.1
    assert all(wave.dtype == np.float32 for wave in voice)
    for mine, other in ((voice.voice_24, plain.voice_24), (voice.whole_16, plain.whole_16)):
        assert np.allclose(mine, gain * other, rtol=0, atol=1e-6)
    assert np.array_equal(voice.voice_16, voice.whole_16[:240000])
    assert loudness(turbo_voice_of(10 * samples, RATE).whole_16, 16000) == pytest.approx(
        loudness(voice.whole_16, 16000), abs=1e-3
    )


@pytest.mark.parametrize(("seconds", "right"), [(5.0, False), (5.01, True)])
def test_a_turbo_voice_is_longer_than_5_s(seconds, right, tmp_path):
    file = tmp_path / "voice.wav"
    soundfile.write(file, synthetic_voice("short", seconds, RATE), RATE)
    if right:
        assert load_turbo_voice(file).voice_24.shape == (round(seconds * RATE),)
    else:
        with pytest.raises(ValueError, match=r"voice\.wav: the recording has 5\.00 s, expected more than 5 s"):
            load_turbo_voice(file)
