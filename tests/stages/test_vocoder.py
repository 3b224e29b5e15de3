"""The vocoder: faults are found where they are, and what each side must do by itself."""

import importlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import mlx.core as mx
import numpy as np
import pytest
import torch

from fixtures.cases import load, synthetic_checkpoint
from fixtures.cases.vocoder import vocoder_inputs
from mlx_impl import pipeline
from mlx_impl.ops.cpu import activations
from mlx_impl.vocoder import generator as mlx_generator
from parity import contract as contracts
from parity.base.draws import normal
from parity.base.metrics import rms, rmse
from parity.contract import LOCAL
from parity.run.verify import Verifier
from spec.config import CHATTERBOX_SIZES, VocoderConfig, check_vocoder_inputs
from spec.window import hann_window

CONTRACT = contracts.load(Path("fixtures/contract.toml"))
CONFIG = CHATTERBOX_SIZES["tiny"].vocoder
CHECKPOINT = synthetic_checkpoint(load("tiny-vocoder"))


@pytest.mark.parametrize(
    ("wrong", "tap"),
    [
        ("last_slope", "vocoder.generator.activation"),
        ("audio_limit", "vocoder.generator"),
        ("magnitude_limit", "vocoder.generator.istft.polar"),
        ("threshold", "vocoder.voiced"),
        ("noise_deviation", "vocoder.harmonics"),
        ("sine_amplitude", "vocoder.source.sine_gen"),
    ],
)
def test_a_wrong_constant_is_found_where_it_is(monkeypatch, wrong, tap):
    values = {"last_slope": 0.1, "audio_limit": 0.01, "magnitude_limit": 0.5, "threshold": 50.0}
    values |= {"noise_deviation": 0.004, "sine_amplitude": 0.10001}
    right = pipeline.load_vocoder
    config = replace(CONFIG, **{wrong: values[wrong]})
    monkeypatch.setattr(pipeline, "load_vocoder", lambda checkpoint, _, dtype: right(checkpoint, config, dtype))
    report = Verifier(CONTRACT, load("tiny-vocoder"), CHECKPOINT).run()
    assert next(v.tap for v in report.failures if v.mode == LOCAL) == tap


# One test body for both sides: NumPy arrays in the reference's layout go in and come out.


def side_functions(name: str) -> SimpleNamespace:
    modules = {part: importlib.import_module(f"{name}.vocoder.{part}") for part in ("source", "stft", "vocoder")}
    weights = importlib.import_module(f"{name}.weights.vocoder")
    ours = name == "mlx_impl"

    def to(array):
        array = np.ascontiguousarray(array.swapaxes(1, 2) if ours and array.ndim == 3 else array)
        return mx.array(array) if ours else torch.from_numpy(array.copy())

    def back(value):
        array = np.array(value) if ours else value.numpy()
        return array.swapaxes(1, 2) if ours and array.ndim == 3 else array

    return SimpleNamespace(**modules, load=weights.load_vocoder, to=to, back=back)


@pytest.fixture(params=["reference", "mlx_impl"])
def functions(request):
    return side_functions(request.param)


@pytest.fixture
def vocoder(functions):
    return functions.load(CHECKPOINT, CONFIG)


@pytest.fixture(scope="module")
def given():
    return vocoder_inputs("vocoder", CONFIG, batch=2, frames=4, cached=1000)


def sample_f0(kind: str, seconds: int) -> np.ndarray:
    """f0 `(1, N)` of each sample: the frames of a wandering voice with pauses, or of a steady tone."""
    frames = 50 * seconds
    if kind == "voice":
        wander = 140 + 8 / np.sqrt(seconds) * normal(kind, "wander", (frames,)).cumsum() + normal(kind, "f0", (frames,))
        f0 = np.where(np.sin(np.arange(frames) / 20) > -0.7, np.abs(wander), 1.2345)
    else:
        f0 = np.full(frames, 200.123)
    return f0.astype(np.float32).repeat(CONFIG.frame_samples)[None]


def plain_sines(f0: np.ndarray, phase: np.ndarray) -> np.ndarray:
    """The sines by a running sum in float32, as upstream's code reads."""
    harmonic = mx.arange(1, CONFIG.harmonics + 1)
    theta = 2 * np.pi * (mx.cumsum(mx.array(f0)[:, :, None] * harmonic / CONFIG.sample_rate, axis=1) % 1)
    start = mx.array(np.where(np.arange(CONFIG.harmonics) > 0, phase, 0).astype(np.float32))[:, None]
    return np.array(CONFIG.sine_amplitude * mx.sin(theta + start)).swapaxes(1, 2)


@pytest.mark.parametrize("kind", ["voice", "tone"])
@pytest.mark.parametrize("seconds", [1, 10, 30])
def test_phase_holds_over_a_long_signal_and_a_plain_running_sum_does_not(seconds, kind):
    f0, phase = sample_f0(kind, seconds), normal("phase", "phase", (1, CONFIG.harmonics))
    theirs, ours = side_functions("reference"), side_functions("mlx_impl")
    generator = theirs.source.SineGenerator(CONFIG)
    reference = generator(torch.from_numpy(f0), torch.from_numpy(phase)).numpy()
    exact = generator(torch.from_numpy(f0).double(), torch.from_numpy(phase).double()).numpy()
    floor = rmse(reference, exact)
    sines = ours.back(ours.source.SineGenerator(CONFIG)(mx.array(f0), mx.array(phase)))
    assert rmse(sines, exact) <= 0.01 * floor  # the reference's own error is almost all of the distance
    assert rmse(sines, exact) <= 5e-6 * rms(exact)
    assert rmse(sines, reference) <= 1.1 * floor
    plain = plain_sines(f0, phase)
    assert rmse(plain, exact) > 50 * floor
    assert rmse(plain, reference) > 50 * floor


def test_source_of_30_seconds_of_voice_is_as_near_to_the_truth_as_the_references():
    """The whole signal, from the same f0: sines, noise, their merge and tanh."""
    f0 = sample_f0("voice", 30)[:, :: CONFIG.frame_samples]  # a value a frame
    phase = normal("phase", "phase", (1, CONFIG.harmonics))
    noise = normal("phase", "noise", (1, CONFIG.harmonics, CONFIG.frame_samples * f0.shape[1]))
    signals = {}
    for name, dtype in (("reference", torch.float32), ("exact", torch.float64)):
        module = side_functions("reference").load(CHECKPOINT, CONFIG, dtype).source
        with torch.inference_mode():
            signals[name] = module(*(torch.from_numpy(array).to(dtype) for array in (f0, phase, noise))).numpy()
    ours = side_functions("mlx_impl")
    source = ours.back(ours.load(CHECKPOINT, CONFIG).source(*map(ours.to, (f0, phase, noise))))
    assert 0.5 < (f0 > CONFIG.threshold).mean() < 1
    floor = rmse(signals["reference"], signals["exact"])
    assert floor > 1e-5 * rms(signals["exact"])
    assert rmse(source, signals["exact"]) <= 2 * floor
    assert rmse(source, signals["reference"]) <= 2 * floor
    print(f"truth {rmse(source, signals['exact']) / floor:.3g}, floor {floor / rms(signals['exact']):.1e} relative")


@pytest.mark.parametrize("hertz", [0.0, 1e-30, 1e-3, 0.1, 9.99, 11999.0])
def test_phase_of_any_f0_is_exact(hertz):
    """Below 1/8 Hz f0 is rounded to 2**-26 Hz: 6e-8 cycles of harmonic 9 in these 0.4 s."""
    f0, phase = np.full((1, 9600), hertz, np.float32), np.zeros((1, CONFIG.harmonics), np.float32)
    ours = side_functions("mlx_impl")
    sines = ours.back(ours.source.SineGenerator(CONFIG)(mx.array(f0), mx.array(phase)))
    cycles = np.arange(1, 9601) * float(f0[0, 0]) / CONFIG.sample_rate * np.arange(1, CONFIG.harmonics + 1)[:, None]
    np.testing.assert_allclose(sines[0], 0.1 * np.sin(2 * np.pi * (cycles % 1)), atol=2e-7)


def test_first_phase_is_that_of_nothing(functions):
    f0 = np.full((2, 960), 100, np.float32)
    phases = normal("phase", "both", (2, CONFIG.harmonics))
    others = phases + np.where(np.arange(CONFIG.harmonics) == 0, 1, 0).astype(np.float32)
    sines = [functions.back(functions.source.SineGenerator(CONFIG)(functions.to(f0), functions.to(p)))
             for p in (phases, others, phases + 1)]  # fmt: skip
    assert np.array_equal(sines[0], sines[1])
    assert np.abs(sines[0] - sines[2])[:, 1:].max() > 0.05
    np.testing.assert_allclose(sines[0][:, 1, 0], 0.1 * np.sin(4 * np.pi / 240 + phases[:, 1]), atol=1e-6)


def test_a_frame_is_voiced_above_the_threshold_only(functions, vocoder):
    f0 = np.array([[CONFIG.threshold, np.nextafter(np.float32(CONFIG.threshold), np.float32(11)), 0.0]], np.float32)
    noise = np.ones((1, CONFIG.harmonics, 3 * CONFIG.frame_samples), np.float32)
    seen = {}

    def observe(name, value):
        seen[name] = value
        return value

    phase = np.zeros((1, CONFIG.harmonics), np.float32)
    vocoder.source(*map(functions.to, (f0, phase, noise)), observe)
    harmonics = functions.back(seen["vocoder.harmonics"]).reshape(CONFIG.harmonics, 3, -1)
    np.testing.assert_allclose(harmonics[:, [0, 2]], CONFIG.sine_amplitude / 3, rtol=1e-6)
    assert np.abs(harmonics[:, 1]).max() > 0.09
    assert functions.back(seen["vocoder.voiced"]).tolist() == [[False, True, False]]


def test_cache_replaces_the_start_of_the_source_and_nothing_else(functions, vocoder, given):
    mel, phase, noise, cache = (functions.to(given[name]) for name in ("mel", "phase", "noise", "cache"))
    with torch.inference_mode():
        plain, cached = vocoder.excite(mel, phase, noise), vocoder.excite(mel, phase, noise, cache)
        wave, source = vocoder(mel, phase, noise, cache)
        other, _ = vocoder(mel, phase, noise)
    plain, cached = functions.back(plain), functions.back(cached)
    assert np.array_equal(cached[:, :, :1000], given["cache"])
    assert np.array_equal(cached[:, :, 1000:], plain[:, :, 1000:])
    assert not np.array_equal(cached, plain)
    assert np.array_equal(functions.back(source), cached)
    assert not np.array_equal(functions.back(wave), functions.back(other))


def test_items_of_a_batch_are_independent(functions, vocoder, given):
    with torch.inference_mode():
        wave, _ = vocoder(*(functions.to(given[name]) for name in ("mel", "phase", "noise")))
        alone, _ = vocoder(*(functions.to(given[name][1:]) for name in ("mel", "phase", "noise")))
    both, one = functions.back(wave)[1:], functions.back(alone)
    assert one.shape == (1, 4 * CONFIG.frame_samples)
    assert rmse(both, one) < 1e-3 * rms(one)  # f0 in another last bit moves the phase
    assert rmse(functions.back(wave)[:1], one) > 0.1 * rms(one)


def test_half_precision_weights_give_nearly_the_same_source(given):
    weights = importlib.import_module("mlx_impl.weights.vocoder")
    folder = CHECKPOINT
    ours = side_functions("mlx_impl")
    f0, phase, noise = mx.full((2, 4), 200.0), ours.to(given["phase"]), ours.to(given["noise"])
    wide, half = (weights.load_vocoder(folder, CONFIG, dtype) for dtype in (mx.float32, mx.float16))
    expected = np.array(wide.source(f0, phase, noise))
    got = np.array(half.source(*(array.astype(mx.float16) for array in (f0, phase, noise))).astype(mx.float32))
    assert 0 < rmse(got, expected) < 0.01 * rms(expected)
    x = mx.array(normal("half", "x", (1, 30, 32)))
    snake = mlx_generator.Snake(32)
    error = np.array(snake(x.astype(mx.float16)).astype(mx.float32)) - np.array(snake(x))
    assert 0 < np.abs(error).max() < 0.01


def test_fade_silences_20_ms_and_leaves_all_behind_40_ms(functions):
    wave = 1 + np.abs(normal("fade", "wave", (2, 2000)))
    faded = functions.back(functions.vocoder.fade_in(functions.to(wave), 24000))
    assert not faded[:, :480].any()
    gain = faded[:, 480:960] / wave[:, 480:960]
    assert np.all(np.diff(gain, axis=1) > -1e-7)
    np.testing.assert_allclose(gain[:, 240], 0.5, atol=0.01)
    assert np.array_equal(faded[:, 960:], wave[:, 960:])


def test_istft_inverts_stft_and_limits_magnitudes(functions):
    x = normal("stft", "x", (2, 480))
    spectrum = functions.back(functions.stft.STFT(CONFIG)(functions.to(x)))
    assert spectrum.shape == (2, 18, 121)
    values = spectrum[:, :9] + 1j * spectrum[:, 9:]
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(x, ((0, 0), (8, 8)), "reflect"), 16, axis=1)[:, ::4]
    np.testing.assert_allclose(values, np.fft.rfft(frames * hann_window(16)).swapaxes(1, 2), atol=1e-5)
    magnitude, phase = np.abs(values).astype(np.float32), np.angle(values).astype(np.float32)
    inverse = functions.stft.ISTFT(CONFIG)
    np.testing.assert_allclose(functions.back(inverse(functions.to(magnitude), functions.to(phase))), x, atol=1e-5)
    loud, limit = (functions.back(inverse(functions.to(m), functions.to(phase)))
                   for m in (200 + magnitude, np.full_like(magnitude, CONFIG.magnitude_limit)))  # fmt: skip
    assert np.array_equal(loud, limit)


def test_snake_at_angles_far_and_near():
    """The CPU's polynomial against float64, at any angle that activations have: sin^2 within two roundings of 1."""
    x = np.concatenate([np.linspace(-5000, 5000, 100_001), np.linspace(-4, 4, 100_001)]).astype(np.float32)[:, None]
    alpha = np.array([0.7, 1.0, 1.3], np.float32)
    ours = np.array(activations.snake(mx.array(x), mx.array(alpha)))
    angle = (x * alpha).astype(np.float64)  # rounded, as every side does it
    exact = x + np.sin(angle) ** 2 / alpha.astype(np.float64)
    error = np.abs(ours - exact)
    assert np.all(error <= 0.51 * np.spacing(np.abs(exact).astype(np.float32)) + 2**-22 / alpha)
    assert np.isnan(np.array(activations.snake(mx.array([[np.nan]]), mx.ones(1)))).all()


def test_right_inputs_are_accepted_and_wrong_ones_refused(given):
    check_vocoder_inputs(CONFIG, given)
    check_vocoder_inputs(VocoderConfig(), {name: array for name, array in given.items() if name != "cache"})
    bad = given["mel"].copy()
    bad[0, 0, 0] = np.nan
    for wrong, message in (
        ({"mel": given["mel"][0]}, r"mel has shape \(80, 4\), expected \(B, 80, M\)"),
        ({"mel": given["mel"][:, :, :1]}, r"mel has shape \(2, 80, 1\), expected .* at least 2 frames"),
        ({"mel": given["mel"].swapaxes(1, 2)}, r"mel has shape \(2, 4, 80\)"),
        ({"mel": bad}, "mel holds NaN"),
        ({"phase": given["phase"][:, :8]}, r"phase has shape \(2, 8\), expected \(2, 9\)"),
        ({"noise": given["noise"][:, :, :-1]}, r"noise has shape \(2, 9, 1919\), expected \(2, 9, 1920\)"),
        ({"cache": np.zeros((2, 1, 1921), np.float32)}, r"cache has shape \(2, 1, 1921\), expected \(2, 1, K\)"),
        ({"cache": given["cache"][:1]}, r"cache has shape \(1, 1, 1000\)"),
    ):
        with pytest.raises(ValueError, match=message):
            check_vocoder_inputs(CONFIG, given | wrong)
