"""Convolutions of one to three spatial axes, channels last, as `mx.conv_general` defines them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from parity.base.errors import InputError
from parity.exact.operations import cores

_BLOCK = 2**19
"""Numbers that are laid side by side at a time: 4 MiB, which a processor's cache holds."""


def convolve(
    x: np.ndarray,
    weight: np.ndarray,
    stride: Sequence[int] | int = 1,
    padding_low: Sequence[int] | int = 0,
    padding_high: Sequence[int] | int = 0,
    kernel_dilation: Sequence[int] | int = 1,
    input_dilation: Sequence[int] | int = 1,
    groups: int = 1,
    flip: bool = False,
) -> np.ndarray:
    """x (N, ..., C), weight (O, ..., C / groups): a cross-correlation (N, ..., O), or with `flip` a convolution.

    A number stands for the same number on every spatial axis. Zeros stand between inputs (`input_dilation`) and around
    them. A negative padding removes inputs before zeros are put between them, as in MLX. Raises `InputError` where
    channels, groups and kernel do not fit.
    """
    axes = x.ndim - 2
    stride, low, high, dilation, spread = (
        (each,) * axes if isinstance(each, int) else tuple(each)
        for each in (stride, padding_low, padding_high, kernel_dilation, input_dilation)
    )
    if weight.ndim != x.ndim or weight.shape[-1] * groups != x.shape[-1] or weight.shape[0] % groups:
        raise InputError(f"a weight of shape {weight.shape} does not fit inputs of shape {x.shape} in {groups} groups")
    x = x[(slice(None), *(slice(max(-a, 0), n - max(-b, 0)) for a, b, n in zip(low, high, x.shape[1:-1], strict=True)))]
    if flip:
        weight = np.flip(weight, tuple(range(1, 1 + axes)))
    plans = [
        _Axis(*each)
        for each in zip(x.shape[1:-1], weight.shape[1:-1], stride, low, high, dilation, spread, strict=True)
    ]
    if min(axis.length for axis in plans) < 1:
        raise InputError(f"a kernel of shape {weight.shape} is larger than the padded inputs, {x.shape}")
    x = np.pad(x, ((0, 0), *(axis.margin for axis in plans), (0, 0)))
    out = np.zeros((x.shape[0], *(axis.length for axis in plans), weight.shape[0]), np.result_type(x, weight))
    for phase in itertools.product(*(axis.phases() for axis in plans)):
        taps = list(itertools.product(*(each.taps for each in phase)))
        if taps:
            given = out[(slice(None), *(each.outputs for each in phase))]
            _sum(x, weight, taps, [each.step for each in phase], groups, given)
    return out


def transposed(
    x: np.ndarray,
    weight: np.ndarray,
    stride: Sequence[int] | int = 1,
    padding: Sequence[int] | int = 0,
    dilation: Sequence[int] | int = 1,
    output_padding: Sequence[int] | int = 0,
    groups: int = 1,
) -> np.ndarray:
    """A transposed convolution as `mx.conv_transpose1d` to `3d` define it: `convolve` with `stride` zeros apart."""
    axes = x.ndim - 2
    padding, dilation, output_padding = (
        (each,) * axes if isinstance(each, int) else tuple(each) for each in (padding, dilation, output_padding)
    )
    reach = [apart * (taps - 1) for apart, taps in zip(dilation, weight.shape[1:-1], strict=True)]
    low = [each - cut for each, cut in zip(reach, padding, strict=True)]
    high = [each + more for each, more in zip(low, output_padding, strict=True)]
    return convolve(x, weight, 1, low, high, dilation, stride, groups, flip=True)


@dataclass(frozen=True)
class _Phase:
    """Outputs, evenly spaced, that meet the same taps: of each its number and the first input met, `step` apart."""

    outputs: slice
    taps: tuple[tuple[int, int], ...]
    step: int


@dataclass(frozen=True)
class _Axis:
    """One spatial axis. Output o meets o · stride + tap · dilation - low; the multiples of `spread` are inputs."""

    size: int
    kernel: int
    stride: int
    low: int
    high: int
    dilation: int
    spread: int

    @property
    def length(self) -> int:
        room = max(self.low, 0) + self.spread * (self.size - 1) + max(self.high, 0) - self.dilation * (self.kernel - 1)
        return room // self.stride + 1

    @property
    def margin(self) -> tuple[int, int]:
        """Zeros around the inputs, so that every tap of every output meets one."""
        low = max(self.low, 0)
        last = (self.length - 1) * self.stride + (self.kernel - 1) * self.dilation - low
        return low // self.spread, max(last // self.spread - self.size + 1, 0)

    def phases(self) -> list[_Phase]:
        """The outputs by the taps that meet inputs, not zeros between them: one phase where `spread` is 1."""
        every = self.spread // math.gcd(self.stride, self.spread)
        found = []
        for first in range(min(every, self.length)):
            at = [(tap, first * self.stride + tap * self.dilation - max(self.low, 0)) for tap in range(self.kernel)]
            taps = tuple((tap, here // self.spread + self.margin[0]) for tap, here in at if here % self.spread == 0)
            found.append(_Phase(slice(first, self.length, every), taps, every * self.stride // self.spread))
        return found


def _sum(
    x: np.ndarray,
    weight: np.ndarray,
    taps: list[tuple[tuple[int, int], ...]],
    steps: list[int],
    groups: int,
    out: np.ndarray,
) -> None:
    """Fill `out` with the sum over `taps`: what they meet is laid side by side, block by block, for one product."""
    wide = weight.shape[-1]
    channels_last = np.moveaxis(weight, 0, -2)
    kernel = np.stack([channels_last[tuple(tap for tap, _ in at)] for at in taps], axis=1)
    kernel = kernel.reshape(groups, -1, len(taps) * wide).swapaxes(1, 2)
    lengths = out.shape[1:-1]
    rows = max(1, _BLOCK // max(1, x.shape[0] * math.prod(lengths[1:]) * len(taps) * x.shape[-1]))

    def block(start: int) -> None:
        shape = (min(rows, lengths[0] - start), *lengths[1:])
        beside = np.empty((groups, x.shape[0], *shape, len(taps), wide), x.dtype)
        for place, at in enumerate(taps):
            firsts = [first for _, first in at]
            firsts[0] += start * steps[0]
            inputs = [slice(a, a + (n - 1) * step + 1, step) for a, n, step in zip(firsts, shape, steps, strict=True)]
            met = x[(slice(None), *inputs)]
            beside[..., place, :] = np.moveaxis(met.reshape(*met.shape[:-1], groups, wide), -2, 0)
        laid = beside.reshape(groups, -1, len(taps) * wide)
        product = np.dot(laid[0], kernel[0])[None] if groups == 1 else laid @ kernel
        out[:, start : start + shape[0]] = np.moveaxis(product, 0, 1).reshape(x.shape[0], *shape, -1)

    cores.each(block, range(0, lengths[0], rows), out.size * len(taps) * x.shape[-1])
