"""The figures of one wave against another: known values, what they accept and reject, and the command line."""

import json

import numpy as np
import pytest
import soundfile
import torch

from fixtures import quality, waves
from fixtures.pitch import fundamental
from fixtures.voice import SPOKEN_RATE, spoken_voice, synthetic_voice
from parity.contract.implementation import Case
from reference.conditioning.mel import PromptMel
from reference.weights.vocoder import load_vocoder
from spec.audio import resample
from spec.config import CHATTERBOX_SIZES
from spec.draws import Draws
from tests.without import run_without

RATE = 24000
TINY = CHATTERBOX_SIZES["tiny"]
CASE = Case("tiny", {}, {}, {"config": TINY})


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    return synthetic_voice("quality", 1.5, RATE).astype(np.float64)


@pytest.fixture(scope="module")
def spoken() -> np.ndarray:
    """Real speech, at 24 kHz."""
    text = "The other one, then. A voice that a machine has made, and one that is longer than this."
    return resample(spoken_voice(text), SPOKEN_RATE, RATE).astype(np.float64)


def noise_at(wave: np.ndarray, decibels: float, shape: np.ndarray | float = 1.0) -> np.ndarray:
    """Noise that many dB below the wave; `shape` weights its samples."""
    noise = shape * np.random.default_rng(5).standard_normal(len(wave))
    return noise * np.linalg.norm(wave) / np.linalg.norm(noise) * 10 ** (-decibels / 20)


def tone(hz: float, seconds: float = 0.5) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    return sum(np.sin(2 * np.pi * hz * harmonic * time) / harmonic for harmonic in range(1, 8))


def delayed(wave: np.ndarray, samples: int) -> np.ndarray:
    return (
        np.concatenate([np.zeros(samples), wave[:-samples]]) if samples > 0 else -delayed(-wave[::-1], -samples)[::-1]
    )


@pytest.mark.parametrize("decibels", [10.0, 50.0, 90.0])
def test_noise_of_a_known_level_is_that_snr(voice, decibels):
    candidate = voice + noise_at(voice, decibels)
    assert waves.snr(candidate, voice) == pytest.approx(decibels, abs=1e-6)
    assert waves.si_sdr(candidate, voice) == pytest.approx(decibels, abs=0.1)  # a little of the noise is gain


def test_equal_waves_are_without_error(voice):
    assert waves.snr(voice, voice) == waves.si_sdr(voice, voice) == np.inf
    assert waves.stft_distance(voice, voice) == waves.log_mel_rmse(voice, voice) == 0
    assert waves.pitch_error(voice, voice)[:3] == (0, 0, 0)


@pytest.mark.parametrize("gain", [1.01, 0.5, -1.0])
def test_a_scaled_wave_has_that_gain(voice, gain):
    assert waves.fitted_lag(gain * voice, voice) == 0
    assert waves.fitted_gain(gain * voice, voice) == pytest.approx(gain, rel=1e-12)
    assert waves.si_sdr(gain * voice, voice) > 200


@pytest.mark.parametrize("lag", [7, 1, -1, -300, 23999])
def test_a_delayed_wave_has_that_lag(voice, lag):
    candidate = delayed(np.tile(voice, 2), lag)
    assert waves.fitted_lag(candidate, np.tile(voice, 2)) == lag
    assert waves.fitted_gain(candidate, np.tile(voice, 2), lag) == pytest.approx(1, rel=1e-12)
    assert waves.si_sdr(candidate, np.tile(voice, 2), lag) == np.inf
    assert waves.si_sdr(candidate, np.tile(voice, 2)) < 50


def test_a_lag_is_sought_within_its_range(voice):
    assert abs(waves.fitted_lag(delayed(voice, 50), voice, longest=20)) <= 20
    assert waves.fitted_lag(np.zeros(len(voice)), voice) == 0


def test_spectra_of_a_scaled_wave_have_distances_in_closed_form():
    noise = np.random.default_rng(1).standard_normal(RATE)  # no bin near a floor
    assert waves.stft_distance(1.01 * noise, noise) == pytest.approx(0.01 + np.log(1.01), rel=1e-5)
    assert waves.log_mel_rmse(1.01 * noise, noise) == pytest.approx(20 * np.log10(1.01), rel=1e-6)
    assert waves.log_mel(noise).shape == (80, 50)


@pytest.mark.parametrize("hz", [61.3, 110.0, 150.0, 220.7, 331.0])
def test_f0_of_a_tone(hz):
    f0 = fundamental(tone(hz), RATE)
    assert len(f0) == 45
    assert np.abs(1200 * np.log2(f0 / hz)).max() < 0.15


def test_noise_and_silence_have_no_f0():
    assert np.isnan(fundamental(np.random.default_rng(2).standard_normal(RATE), RATE)).all()
    assert np.isnan(fundamental(np.zeros(RATE), RATE)).all()
    assert len(fundamental(np.ones(1000), RATE)) == 0


def test_the_judges_mel_is_the_references(voice):
    theirs = PromptMel(80)(torch.from_numpy(voice)[None])[0].numpy()
    np.testing.assert_allclose(waves.log_mel(voice), theirs, atol=1e-5)  # the judge's filters are float32


@pytest.mark.parametrize("cents", [1.0, -10.0, 50.0])
def test_a_detuned_tone_is_that_many_cents_off(cents):
    error = waves.pitch_error(tone(150 * 2 ** (cents / 1200)), tone(150))
    assert error.median == pytest.approx(abs(cents), abs=0.1)
    assert error.percentile_95 == pytest.approx(abs(cents), abs=0.2)
    assert error.disagreement == 0


def test_voicing_that_disagrees_is_counted():
    half = np.concatenate([tone(150), noise_at(tone(150), 0)])
    error = waves.pitch_error(half, tone(150, 1.0))
    assert error.disagreement == pytest.approx(0.5, abs=0.05)
    assert error.both < error.either == 95


def test_cosine_of_x_vectors():
    assert waves.cosine(np.array([3.0, 4.0]), np.array([6.0, 8.0])) == pytest.approx(1)
    assert waves.cosine(np.array([1.0, 0.0]), np.array([0.0, 2.0])) == 0
    assert np.isnan(waves.cosine(np.zeros(2), np.ones(2)))


def checks_of(candidate: np.ndarray, reference: np.ndarray, checkpoint) -> dict[str, quality.Check]:
    found = quality.judge(CASE, checkpoint, {"wave": reference[None]}, {"wave": candidate[None]})
    return {check.name: check for check in found}


def failed(checks: dict[str, quality.Check]) -> set[str]:
    return {name.partition(",")[0] for name, check in checks.items() if not check.passed}


def test_float32_of_the_reference_passes_against_float64(tiny_checkpoint, voice):
    """Where the bounds come from. The float32 wave is not the float64 one, and within every bound."""
    mel, draws = waves.log_mel(voice)[None], Draws(2)  # voiced; those of 1 are not
    given = [mel, draws.phase(TINY.vocoder.harmonics), draws.source_noise(TINY.vocoder.harmonics, 480 * mel.shape[2])]
    waves_of = {}
    for dtype in (torch.float32, torch.float64):
        vocoder = load_vocoder(tiny_checkpoint, TINY.vocoder, dtype)
        with torch.inference_mode():
            waves_of[dtype] = vocoder(*(torch.from_numpy(array).to(dtype) for array in given))[0][0].numpy()
    checks = checks_of(waves_of[torch.float32], waves_of[torch.float64], tiny_checkpoint)
    assert len(checks) == 11
    assert failed(checks) == set()
    assert checks["SNR, dB"].value < 120
    assert checks["f0 error, median, cents"].value < quality.F0_MEDIAN


@pytest.mark.parametrize("white", [True, False])
def test_speech_under_noise_at_the_bound_stays_in_tune(spoken, white):
    """Where the bounds of f0 come from: an error as large as SNR allows is a tenth of them."""
    error = waves.pitch_error(spoken + noise_at(spoken, quality.SNR, 1 if white else spoken), spoken)
    assert error.both > 100
    assert 0 < error.median < quality.F0_MEDIAN / 5
    assert 0 < error.percentile_95 < quality.F0_HIGH / 5
    assert error.disagreement <= quality.VOICING / 5


DAMAGES = {
    "one sample late": (lambda wave: delayed(wave, 1), {"SNR", "lag"}),
    "a thousandth louder": (lambda wave: 1.001 * wave, {"gain"}),
    "upside down": (lambda wave: -wave, {"SNR", "gain"}),
    "noise": (lambda wave: wave + noise_at(wave, 45), {"SNR", "SI-SDR"}),
    "breath in the pauses": (
        lambda wave: wave + noise_at(wave, 55),
        {"multi-resolution STFT distance", "log mel RMSE"},
    ),
    "two cents sharp": (
        lambda wave: np.interp(np.arange(len(wave)) * 2 ** (2 / 1200), np.arange(len(wave)), wave),
        {"f0 error", "SNR"},
    ),
    "whispered": (lambda wave: noise_at(wave, 0), {"f0 error", "frames voiced in one wave only", "SNR"}),
    "another voice": (lambda wave: synthetic_voice("other", 1.5, RATE).astype(float), {"x-vector", "SNR", "f0 error"}),
    "nothing": (lambda wave: 0 * wave, {"SNR", "gain", "SI-SDR", "log mel RMSE", "f0 error"}),
}


@pytest.fixture(scope="module")
def damaged(tiny_checkpoint, voice) -> dict[str, set[str]]:
    """The checks that each damage fails."""
    return {name: failed(checks_of(spoil(voice), voice, tiny_checkpoint)) for name, (spoil, _) in DAMAGES.items()}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_seen(damaged, damage):
    assert damaged[damage] >= DAMAGES[damage][1]


def test_every_check_passes_and_can_fail(tiny_checkpoint, voice, damaged):
    close = checks_of(voice + noise_at(voice, 90, voice), voice, tiny_checkpoint)
    assert failed(close) == set()
    assert {type(check.value) for check in close.values()} == {float}
    assert {type(check.passed) for check in close.values()} == {bool}
    seen = set().union(*damaged.values(), failed(checks_of(np.full(len(voice), np.nan), voice, tiny_checkpoint)))
    assert seen == {name.partition(",")[0] for name in close}


def test_f0_is_not_judged_without_a_voiced_frame(tiny_checkpoint):
    noise = noise_at(np.ones(RATE), 0)
    checks = checks_of(noise.copy(), noise, tiny_checkpoint)
    assert failed(checks) == set()
    for name in ("f0 error, median, cents", "f0 error, 95th percentile, cents"):
        assert np.isnan(checks[name].value)
        assert "not applicable: no voiced frame in either wave" in checks[name].bound
    checks = checks_of(noise, tone(150, 1.0), tiny_checkpoint)
    assert not checks["f0 error, median, cents"].passed
    assert "no frame is voiced in both" in checks["f0 error, median, cents"].bound


def test_items_of_a_batch_are_judged_apart(tiny_checkpoint, voice):
    reference = np.stack([voice, voice])
    checks = quality.judge(CASE, tiny_checkpoint, {"wave": reference}, {"wave": reference * [[1], [1.01]]})
    assert {check.name for check in checks if not check.passed} >= {"gain, item 1", "SNR, dB, item 1"}
    assert all(check.passed for check in checks if check.name.endswith("item 0"))


def test_what_cannot_be_compared_fails_or_is_refused(tiny_checkpoint, voice):
    spoiled = voice.copy()
    spoiled[5] = np.inf
    assert [check.value for check in checks_of(spoiled, voice, tiny_checkpoint).values()] == [1.0]
    assert failed(checks_of(spoiled, voice, tiny_checkpoint)) == {"non-finite samples"}
    assert failed(checks_of(voice[:-480], voice, tiny_checkpoint)) == {"samples"}
    for reference, message in ((0 * voice, "silent"), (spoiled, "NaN or infinite"), (voice[:400], "at least 45 ms")):
        with pytest.raises(ValueError, match=message):
            checks_of(voice[: len(reference)], reference, tiny_checkpoint)
    with pytest.raises(ValueError, match=r"expected \(B, N\)"):
        quality.judge(CASE, tiny_checkpoint, {"wave": voice}, {"wave": voice})


JUDGE = """
import sys
from pathlib import Path
from fixtures import cases, shipped, quality
from fixtures.voice import synthetic_voice
case = cases.load("tiny-vocoder")
wave = synthetic_voice("quality", 0.5, 24000)[None]
for candidate in (wave, 0.9 * wave):
    for check in shipped.judge(case, Path(sys.argv[1]), {"wave": wave}, {"wave": candidate}):
        print(check.name, check.passed, check.bound, sep="|")
"""


def test_waves_are_judged_without_pytorch_and_what_is_left_out_is_said(tiny_checkpoint):
    done = run_without(["torch"], JUDGE, tiny_checkpoint)
    assert done.returncode == 0, done.stderr
    rows = [line.split("|") for line in done.stdout.splitlines()]
    equal, quieter = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    assert {passed for _, passed, _ in equal} == {"True"}
    assert {"SNR, dB", "gain"} <= {name for name, passed, _ in quieter if passed == "False"}
    assert equal[-1] == ["x-vector, 1 - cosine", "True", "<= 2e-06 (not compared: torch is not installed)"]


@pytest.fixture
def files(tmp_path, voice):
    """Writes a wave and gives its path."""

    def write(name: str, wave: np.ndarray = voice, rate: int = RATE) -> str:
        soundfile.write(tmp_path / name, wave, rate, subtype="FLOAT")
        return str(tmp_path / name)

    return write


def test_command_passes_and_fails(files, voice, tiny_checkpoint, capsys):
    reference, worse = files("reference.wav"), files("worse.wav", voice + noise_at(voice, 30))
    assert quality.main([reference, files("same.wav")]) == 0
    out = capsys.readouterr().out
    assert "FAILED" not in out
    assert "x-vectors not compared" in out
    assert quality.main([reference, worse, "--checkpoint", str(tiny_checkpoint), "--size", "tiny"]) == 1
    out = capsys.readouterr().out
    assert "FAILED" in out
    assert "1 - cosine" in out
    assert quality.main([reference, worse, "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert result["passed"] is False
    values = {check["name"]: check["value"] for check in result["checks"]}
    assert values["SNR, dB"] == pytest.approx(30, abs=1e-3)


def test_command_refuses_what_it_cannot_compare(files, voice, tmp_path, capsys):
    good = files("good.wav")
    (tmp_path / "text.wav").write_text("no audio")
    refused = {
        files("slow.wav", rate=22050): "22050 Hz, expected 24000",
        files("short.wav", voice[:-1]): "expected the reference's 36000",
        files("stereo.wav", np.stack([voice, voice], axis=1)): "2 channels, expected 1",
        str(tmp_path / "none.wav"): "no such file",
        str(tmp_path / "text.wav"): "not a readable audio file",
    }
    for file, message in refused.items():
        assert quality.main([good, file]) == 2
        assert message in capsys.readouterr().err
    assert quality.main([files("silent.wav", 0 * voice), good]) == 2
    assert "the reference is silent" in capsys.readouterr().err
    assert quality.main([good, good, "--checkpoint", str(tmp_path)]) == 2
    assert "s3gen.safetensors: no such file" in capsys.readouterr().err
