"""The port's own paths beside plain ones, both in double: pairs of arrays that must be equal but for rounding.

A key is a function of `mlx_impl` that chooses between paths, by its file and name; each value gives pairs of results.
Functions import the port when they are called, inside the stand-in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np

Pair = tuple[np.ndarray, np.ndarray]
Compare = Callable[[ModuleType], Iterator[Pair]]
PATHS: dict[str, Compare] = {}


def path(*names: str) -> Callable[[Compare], Compare]:
    """A comparison of these functions: `ops/convolution.py: Conv1d.convolved`."""

    def add(compare: Compare) -> Compare:
        PATHS.update(dict.fromkeys(names, compare))
        return compare

    return add


def draw(mx: ModuleType, *shape: int, seed: int = 0) -> Any:
    """Normal numbers with all digits of a double."""
    return mx.array(np.random.default_rng(seed + 7 * sum(shape)).standard_normal(shape))


def filled(mx: ModuleType, module: Any) -> Any:
    """A module whose parameters are such numbers."""
    from mlx.utils import tree_map

    module.update(tree_map(lambda array: draw(mx, *array.shape, seed=array.ndim), module.parameters()))
    return module


def run(mx: ModuleType, device: str, f: Callable[[], Any]) -> np.ndarray:
    """What `f` gives where the default device says that it is this one."""
    before = mx.default_device()
    mx.set_default_device(getattr(mx, device))
    try:
        return np.array(f())
    finally:
        mx.set_default_device(before)


def devices(mx: ModuleType, f: Callable[[], Any]) -> Pair:
    """What a CPU runs, and what a GPU runs."""
    return run(mx, "cpu", f), run(mx, "gpu", f)


@contextmanager
def summing(in_order: bool) -> Iterator[None]:
    """Inside, the device adds terms one after the other, or it does not."""
    import mlx_impl.ops.convolution
    import mlx_impl.ops.linear
    import mlx_impl.ops.taps

    with ExitStack() as stack:
        for module in (mlx_impl.ops.linear, mlx_impl.ops.convolution, mlx_impl.ops.taps):
            stack.enter_context(mock.patch.object(module, "sums_in_order", lambda length: in_order and length > 16))
        yield


@path("ops/attention.py: HeadLinear.__call__")
def head_linear(mx: ModuleType) -> Iterator[Pair]:
    from mlx_impl.ops.attention import HeadLinear

    for bias in (False, True):
        layer, x = filled(mx, HeadLinear(12, 20, bias=bias)), draw(mx, 2, 7, 12)
        yield devices(mx, lambda: layer(x))  # noqa: B023 - it is called at once


@path("ops/attention.py: attention")
def attention(mx: ModuleType) -> Iterator[Pair]:
    from mlx_impl.ops.attention import attention as attend

    for queries, keys, heads in ((1, 9, 4), (7, 9, 4), (150, 160, 4)):  # the last is divided between two streams
        q, k, v = (draw(mx, 2, heads, length, 8, seed=n) for n, length in enumerate((queries, keys, keys)))
        masked = mx.array(np.where(np.arange(keys) > keys - 3, -1e10, 0.0))[None, None, None]
        for bias in (None, masked, mx.broadcast_to(masked, (2, 1, 1, keys)), draw(mx, 2, heads, queries, keys)):
            yield devices(mx, lambda: attend(q, k, v, scale=0.3, bias=bias))  # noqa: B023


@path(
    "ops/convolution.py: Conv1d.__call__",
    "ops/convolution.py: Conv1d.convolved",
    "ops/taps.py: add_matmul",
)
def conv1d(mx: ModuleType) -> Iterator[Pair]:
    from mlx import nn

    from mlx_impl.ops.convolution import Conv1d

    shapes = [(1, 40), (3, 80), (7, 96), (11, 32), (11, 6), (16, 48), (3, 320)]  # kernel, width; from 11 on by phases
    for kernel, width in shapes:
        for stride, padding, dilation in ((1, 0, 1), (1, 4, 3), (2, 1, 1), (3, 5, 2)):
            layer = filled(mx, Conv1d(width, 24, kernel, stride=stride, padding=padding, dilation=dilation))
            x = draw(mx, 2, 60, width)
            plain = run(mx, "gpu", lambda: nn.Conv1d.__call__(layer, x))  # noqa: B023
            for in_order in (False, True):
                with summing(in_order):
                    for result in devices(mx, lambda: layer(x)):  # noqa: B023
                        yield result, plain


@path("ops/convolution.py: ConvTranspose1d.__call__", "ops/convolution.py: ConvTranspose1d.convolved")
def transposed(mx: ModuleType) -> Iterator[Pair]:
    from mlx import nn

    from mlx_impl.ops.convolution import ConvTranspose1d

    for kernel, stride, padding, width in ((16, 8, 4, 96), (11, 5, 3, 64), (7, 3, 2, 20), (2, 2, 0, 130)):
        layer, x = filled(mx, ConvTranspose1d(width, 12, kernel, stride, padding=padding)), draw(mx, 2, 9, width)
        plain = run(mx, "gpu", lambda: nn.ConvTranspose1d.__call__(layer, x))  # noqa: B023
        for in_order in (False, True):
            with summing(in_order):
                for result in devices(mx, lambda: layer(x)):  # noqa: B023
                    yield result, plain


@path("ops/convolution.py: DepthwiseConv1d.__call__")
def conditioning_conv1d(mx: ModuleType) -> Iterator[Pair]:
    from mlx import nn

    from mlx_impl.ops.convolution import Conv1d, DepthwiseConv1d

    layers = [
        Conv1d(width, 24, kernel, stride=stride, padding=padding, dilation=dilation, bias=bias)
        for width, kernel in ((40, 1), (80, 3), (128, 5))
        for stride, padding, dilation, bias in ((1, 0, 1, True), (2, 1, 1, True), (1, 2, 2, False))
    ]
    for layer in (*layers, DepthwiseConv1d(32, 32, 31, groups=32, bias=False)):
        filled(mx, layer)
        channels = layer.weight.shape[2] if layer.weight.shape[2] > 1 else 32
        x = draw(mx, 2, 50, channels)
        plain = run(mx, "gpu", lambda: nn.Conv1d.__call__(layer, x))  # noqa: B023
        for in_order in (False, True):
            with summing(in_order):
                yield run(mx, "cpu", lambda: layer(x)), plain  # noqa: B023


@path("ops/convolution.py: Conv2d.__call__")
def conv2d(mx: ModuleType) -> Iterator[Pair]:
    from mlx import nn

    from mlx_impl.ops.convolution import Conv2d

    for width, kernel, stride, padding in ((1, 3, 1, 1), (32, 3, 2, 1), (32, 1, 2, 0), (40, 3, 1, 0)):
        layer = filled(mx, Conv2d(width, 16, kernel, stride=(stride, 1), padding=padding, bias=False))
        x = draw(mx, 2, 20, 15, width)
        plain = run(mx, "gpu", lambda: nn.Conv2d.__call__(layer, x))  # noqa: B023
        for in_order in (False, True):
            with summing(in_order):
                yield run(mx, "cpu", lambda: layer(x)), plain  # noqa: B023


@path("ops/lstm.py: lstm", "ops/lstm.py: step")
def lstm(mx: ModuleType) -> Iterator[Pair]:
    from mlx import nn

    from mlx_impl.conditioning.voice_encoder import LSTM

    layer, x = filled(mx, LSTM(12, 16)), draw(mx, 3, 9, 12)
    theirs = nn.LSTM(12, 16)
    theirs.Wx, theirs.Wh, theirs.bias = layer.weight_ih, layer.weight_hh, layer.bias
    plain = run(mx, "gpu", lambda: theirs(x)[0])
    for result in devices(mx, lambda: layer(x)):
        yield result, plain


@path("ops/linear.py: Linear.__call__", "ops/linear.py: matmul", "ops/linear.py: addmm", "ops/linear.py: sum_of_blocks")
def linear(mx: ModuleType) -> Iterator[Pair]:
    from mlx import nn

    from mlx_impl.ops.linear import Linear, addmm, matmul

    for terms in (5, 40, 300):
        layer, x = filled(mx, Linear(terms, 24)), draw(mx, 2, 7, terms)
        plain = run(mx, "gpu", lambda: nn.Linear.__call__(layer, x))  # noqa: B023
        for in_order in (False, True):
            with summing(in_order):
                for f in (
                    lambda: layer(x),  # noqa: B023
                    lambda: matmul(x, layer.weight.T) + layer.bias,  # noqa: B023
                    lambda: addmm(layer.bias, x, layer.weight.T),  # noqa: B023
                ):
                    for result in devices(mx, f):
                        yield result, plain


@path("ops/linear.py: QuantizedLinear.__call__")
def quantized(mx: ModuleType) -> Iterator[Pair]:
    from mlx_impl.ops.linear import Linear

    for bits in (4, 8):
        for rows in (2, 9):
            layer, x = filled(mx, Linear(128, 24)).to_quantized(64, bits), draw(mx, rows, 128)
            yield devices(mx, lambda: layer(x))  # noqa: B023


@path("ops/normalization.py: LayerNorm.__call__")
def layer_norm(mx: ModuleType) -> Iterator[Pair]:
    from mlx_impl.ops.normalization import LayerNorm

    for width, eps in ((7, 1e-5), (256, 1e-12)):
        layer, x = filled(mx, LayerNorm(width, eps=eps)), 5 + 3 * draw(mx, 2, 9, width)
        for in_order in (False, True):
            with summing(in_order):
                yield devices(mx, lambda: layer(x))  # noqa: B023


@path("ops/normalization.py: rms_norm")
def rms_norm(mx: ModuleType) -> Iterator[Pair]:
    from mlx_impl.t3.backbone import RMSNorm

    layer, x = filled(mx, RMSNorm(64, 1e-5)), draw(mx, 2, 9, 64)
    plain = run(mx, "gpu", lambda: mx.fast.rms_norm(x, layer.weight, 1e-5))
    for result in devices(mx, lambda: layer(x)):
        yield result, plain


@path("ops/rotary.py: rotated")
def rotate(mx: ModuleType) -> Iterator[Pair]:
    from mlx_impl.t3.backbone import rotate as rotated

    x, angles = draw(mx, 2, 3, 9, 16), draw(mx, 9, 16)
    table = mx.cos(angles), mx.sin(angles)
    yield devices(mx, lambda: rotated(x, table))


@path("ops/parallel.py: halves", "ops/parallel.py: evaluated_halves", "ops/parallel.py: beside")
def velocity(mx: ModuleType) -> Iterator[Pair]:
    from mlx_impl.flow import Flow

    x, weight = draw(mx, 4, 9, 12), draw(mx, 12, 12)
    model = SimpleNamespace(decoder=lambda x, mask: mx.tanh(x @ weight) if mask is None else x * mask)
    for mask in (None, draw(mx, 4, 1, 1)):
        yield devices(mx, lambda: Flow.velocity(model, x, mask))  # noqa: B023


@path("vocoder/source.py: SineGenerator.turns")
def turns(mx: ModuleType) -> Iterator[Pair]:
    from mlx_impl.vocoder.source import SineGenerator
    from spec.config import VocoderConfig

    config = VocoderConfig()
    generator = SineGenerator(config)
    cycle = generator.cycle
    f0 = 80 + 300 * np.repeat(np.random.default_rng(0).random((2, 20)), 480, axis=1)
    exact = np.cumsum(f0.astype(np.longdouble), axis=1) / config.sample_rate % 1
    yield run(mx, "gpu", lambda: generator.turns(mx.array(f0))) / cycle, exact.astype(np.float64)
    first = run(mx, "gpu", lambda: generator.turns(mx.array(f0[:, :999])))
    rest = run(mx, "gpu", lambda: generator.turns(mx.array(f0[:, 999:]), mx.array(first[:, -1:])))
    yield np.concatenate([first, rest], axis=1) / cycle, exact.astype(np.float64)
