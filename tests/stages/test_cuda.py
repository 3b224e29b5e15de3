"""Kernels for NVIDIA GPUs against their portable twins. They run where MLX has one, and say so where it has not."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_map_with_path

from mlx_impl.ops.cuda import conv1d as convolution
from mlx_impl.ops.cuda import decode as cuda
from mlx_impl.ops.cuda import rms_norm as normalization
from mlx_impl.ops.cuda.kernel import available
from mlx_impl.ops.taps import between_zeros, stacked_conv1d
from mlx_impl.t3 import generation
from mlx_impl.t3.model import T3
from mlx_impl.t3.sampling import sample
from parity.base.draws import integers, normal, uniform
from spec.config import CHATTERBOX_SIZES, SamplingConfig

pytestmark = pytest.mark.skipif(not available(), reason="needs MLX's CUDA backend and a GPU of Ampere or later")

CONFIG = CHATTERBOX_SIZES["tiny"].t3
STEPS = 40
DRAWN = [
    SamplingConfig(max_tokens=STEPS),
    SamplingConfig(max_tokens=STEPS, guidance=0.0, temperature=1.0, min_p=0.0, repetition_penalty=1.0),
]


def t3(dtype: mx.Dtype = mx.float32) -> T3:
    """A model of noise."""
    model = T3(CONFIG)

    def drawn(path: str, weight: mx.array) -> mx.array:
        noise = normal("cuda", path, weight.shape) * (0.7 * (weight.size / len(weight)) ** -0.5)
        return mx.array(1 + 0.1 * noise if weight.ndim == 1 else noise).astype(dtype)

    model.update(tree_map_with_path(drawn, model.parameters()))
    return model


def given() -> list[mx.array]:
    text = np.concatenate([[255], integers("cuda", "text", (20,), 255), [0]])[None]
    prompt = integers("cuda", "prompt", (1, CONFIG.prompt_tokens), 6561)
    voice = normal("cuda", "voice", (1, CONFIG.speaker_width))
    return [*map(mx.array, (text, prompt, voice)), mx.array([0.5])]


@pytest.mark.parametrize("dilation", [1, 3, 5])
@pytest.mark.parametrize(("kernel", "width_in", "width_out"), [(3, 64, 64), (3, 256, 256), (7, 80, 512), (11, 64, 64)])
def test_convolution_is_as_exact_as_its_twin(kernel: int, width_in: int, width_out: int, dilation: int) -> None:
    x = normal("cuda", "x", (2, 333, width_in))
    weight = normal("cuda", "weight", (width_out, kernel, width_in))
    bias = normal("cuda", "bias", (width_out,))
    padding = dilation * (kernel - 1) // 2
    padded = np.pad(x.astype(np.float64), ((0, 0), (padding, padding), (0, 0)))
    outputs = padded.shape[1] - dilation * (kernel - 1)
    truth = sum(padded[:, tap * dilation :][:, :outputs] @ weight[:, tap].T.astype(np.float64) for tap in range(kernel))
    x, weight, bias = map(mx.array, (x, weight, bias))
    assert convolution.applies(x, weight, dilation)
    mine = np.array(convolution.conv1d(x, weight, bias, padding, dilation)) - (truth + np.array(bias, np.float64))
    twin = np.array(stacked_conv1d(between_zeros(x, padding), weight, 1, dilation) + bias) - (truth + np.array(bias))
    assert np.sqrt((mine**2).mean()) <= 1.2 * np.sqrt((twin**2).mean())


def test_convolution_keeps_what_is_not_finite() -> None:
    x = normal("cuda", "x", (1, 200, 64))
    x[0, 100, 5], x[0, 150, 7] = np.nan, np.inf
    y = np.array(convolution.conv1d(mx.array(x), mx.array(normal("cuda", "weight", (64, 3, 64))), mx.zeros(64), 1))
    assert np.array_equal(np.flatnonzero(~np.isfinite(y[0]).all(axis=1)), [99, 100, 101, 149, 150, 151])


@pytest.mark.parametrize("width", [64, 1000, 1024])
def test_rms_norm_is_rounded_three_times(width: int) -> None:
    """The factor and two products, each by half a unit at most; weights other than 1 show that they are applied."""
    x, weight = normal("cuda", "x", (2, 100, width)), 1 + normal("cuda", "weight", (width,))
    wide = x.astype(np.float64)
    exact = weight * (wide / np.sqrt((wide**2).mean(axis=-1, keepdims=True) + 1e-5))
    assert normalization.applies(mx.array(x), mx.array(weight))
    mine = np.array(normalization.rms_norm(mx.array(x), mx.array(weight), 1e-5))
    assert np.abs(mine / exact - 1).max() < 3.1 * 2.0**-24
    assert np.abs(mine * np.float32(1 + 2.0**-22) / exact - 1).max() > 3.1 * 2.0**-24


def test_rms_norm_keeps_what_is_not_finite_to_its_row() -> None:
    x = normal("cuda", "x", (1, 3, 64))
    x[0, 1, 5] = np.nan
    y = np.array(normalization.rms_norm(mx.array(x), mx.ones(64), 1e-5))
    assert np.isfinite(y).all(axis=-1).tolist() == [[True, False, True]]


@pytest.mark.parametrize(
    "case",
    [((1, 9, 100), (64, 3, 100)), ((1, 9, 64), (18, 3, 64)), ((1, 9, 256), (64, 1, 256)), ((1, 9, 16), (64, 3, 16))],
)
def test_other_widths_single_taps_and_short_sums_are_left_to_the_twin(
    case: tuple[tuple[int, ...], tuple[int, ...]],
) -> None:
    x, weight = map(mx.zeros, case)
    assert not convolution.applies(x, weight)


@pytest.mark.parametrize("dtype", [mx.float32, mx.float16, mx.bfloat16], ids=str)
def test_logits_are_those_of_the_modules(dtype: mx.Dtype) -> None:
    model, caches = t3(dtype), []
    for _ in range(2):
        caches.append(model.new_cache())
        mx.eval(generation.prefill(model, *given(), 0.5, caches[-1]))
    length = caches[0].length
    decoder = cuda.CUDADecoder(model, caches[0], SamplingConfig(max_tokens=STEPS), None)
    for step in range(5):
        token = 1000 * step + 7
        mine = decoder.logits(mx.array([token, step + 1, length + step]))
        twin = generation.decode(model, mx.array([[token]]), step + 1, caches[1])
        error = mx.sqrt(mx.mean(mx.square(mine - twin)) / mx.mean(mx.square(twin))).item()
        assert error <= 8 * mx.finfo(dtype).eps, f"step {step}"


@pytest.mark.parametrize("sampling", DRAWN)
@pytest.mark.parametrize("greedy", [False, True])
def test_tokens_are_those_of_the_portable_loop(
    sampling: SamplingConfig, greedy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, uniforms = t3(), None if greedy else uniform("cuda", "uniforms", (STEPS,))
    mine = list(generation.each_token(model, *given(), sampling, uniforms))
    monkeypatch.setattr(generation, "applies", lambda *_: False)
    assert mine == list(generation.each_token(model, *given(), sampling, uniforms))


@pytest.mark.parametrize("sampling", DRAWN)
def test_choices_are_those_of_the_portable_sampling(sampling: SamplingConfig) -> None:
    width = CONFIG.speech_vocab_size
    for draw in range(100):
        name = f"cuda-{draw}"
        logits = mx.array(3 * normal(name, "logits", (2, width)))
        seen = integers(name, "seen", (50,), width).tolist()
        number = float(uniform(name, "uniform", (1,))[0])
        mask = np.zeros(width, bool)
        mask[seen] = True
        settings = [sampling.guidance, sampling.repetition_penalty, sampling.temperature, sampling.min_p, 1.0]
        given = [mx.array([number]), mx.array(settings), mx.array(mask)]
        state, token = cuda._choose(given, logits, mx.array([0, 0, 9]))
        assert token.item() == sample(logits, seen, sampling, number)
        assert state.tolist() == [token.item(), 1, 10]
        assert given[2][token.item()].item()


def test_logits_that_are_not_finite_are_refused() -> None:
    model = t3()
    model.speech_head.weight = model.speech_head.weight * mx.nan
    with pytest.raises(ValueError, match="NaN or infinite"):
        list(generation.each_token(model, *given(), DRAWN[0], uniform("cuda", "uniforms", (STEPS,))))


def test_what_the_kernels_do_not_do_is_left_to_the_portable_loop() -> None:
    model = t3()
    assert cuda.applies(model, model.new_cache(), SamplingConfig())
    assert not cuda.applies(model, model.new_cache(), SamplingConfig(top_p=0.9))
    assert not cuda.applies(model, model.new_cache(CONFIG.watched_heads), SamplingConfig())
