"""A convolution, computed again by the checkpoint's weights: of other padding, dilation or upsampling."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from parity.base.metrics import rms
from parity.diagnose.evidence import Evidence, Finding, again, unknown
from parity.diagnose.hypotheses.functions import ACTIVATIONS
from parity.diagnose.hypotheses.layers import NEAR, SURE
from parity.diagnose.hypotheses.upsampling import UPSAMPLING

FUNCTIONS = ("identity", "ReLU", "leaky ReLU of slope 0.01", "leaky ReLU of slope 0.1", "ELU", "SiLU", "exact GELU")
RECENT = 3
"""Of the inputs, how many may have a function or a dilation before the convolution: what it is given came last."""

LONGEST = 1 << 16
"""Values of an input and of a kernel beyond which nothing is computed again."""


SIDES = {"on the left": 1.0, "on both sides": 0.5, "on the right": 0.0}


@dataclass(frozen=True)
class Way:
    """How a convolution is made: what is before it, where it is padded, and the distance of its taps."""

    function: str = "identity"
    upsampling: str = ""
    side: str = "on both sides"
    dilation: int = 1
    turned: bool = False


@again
def convolution(e: Evidence) -> Finding | tuple[Finding, ...] | None:
    """The reference is a convolution of an input by weights of the checkpoint; the candidate is another of it."""
    channel, time = e.axis("channel"), e.axis("time")
    if not e.comparable or not e.weights or e.r.ndim != 3 or channel is None or time is None:
        return None
    turned = e.arranged(lambda a: np.moveaxis(a, (channel, time), (1, 2)))
    r = turned.r
    length = r.shape[2]
    for number, (name, x) in enumerate(_given(e, channel, time)):
        padded = cache(lambda way, taps, x=x: _padded(way, taps, x, length))
        for weight, kernel in _kernels(e, r.shape[1], x):
            taps = kernel.shape[2]
            ways = _ways(kernel, x.shape[2], length, number < RECENT)
            right = next((way for way in ways if _makes(way, kernel, padded(way, taps), r)), None)
            if right is None:
                continue
            base = _made(right, kernel, padded(right, taps), length)
            for way in _ways(kernel, x.shape[2], length, True):
                made = _made(way, kernel, padded(way, taps), length)
                if way != right and turned.explains(r + made - base):
                    family, words = _apart(way, right)
                    return Finding(family, SURE, f"the convolution {weight} of {name} with {words}")
            return unknown(f"the convolution {weight} of {name}", "weights", "arithmetic")
    return _addend(turned, channel, time)


def _addend(e: Evidence, channel: int, time: int) -> Finding | None:
    """The error is a convolution of one input: of what is added to that of the others, with another factor.

    Values are `(B, channel, time)`; `channel` and `time` say where those axes are in the inputs.
    """
    error = e.error
    length = error.shape[2]
    for name, array in e.inputs.items():
        x = np.asarray(array, np.float64)
        if x.ndim == 2 and len(x) == len(error):
            x = np.broadcast_to(x[:, :, None], (*x.shape, length))
        elif x.ndim == 3 and x.shape[0] == len(error) and x.shape[time] == length:
            x = np.moveaxis(x, (channel, time), (1, 2))
        else:
            continue
        for weight, kernel in _kernels(e, error.shape[1], x):
            for side in SIDES:
                way = Way(side=side)
                made = _made(way, kernel, _padded(way, kernel.shape[2], x, length), length)
                k = float((error * made).sum() / max((made * made).sum(), 1e-300))
                if e.explains(e.r + k * made):
                    text = f"what the convolution {weight} is given has {k:+.6g} times {name} beside what is expected"
                    return Finding("term", SURE, text)
    return None


def _given(e: Evidence, channel: int, time: int) -> Iterator[tuple[str, np.ndarray]]:
    for name, array in e.inputs.items():
        if array.ndim == 3 and array.dtype.kind == "f" and 0 < array.size <= LONGEST and len(array) == len(e.r):
            yield name, np.moveaxis(np.asarray(array, np.float64), (channel, time), (1, 2))


def _kernels(e: Evidence, width: int, x: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    for name, w in e.weights.items():
        if w.ndim != 3 or w.shape[0] != width or w.size > LONGEST:
            continue
        if w.shape[1] == x.shape[1] or (_depthwise(w, x) and width == x.shape[1]):
            yield name, np.asarray(w, np.float64)


def _depthwise(kernel: np.ndarray, x: np.ndarray) -> bool:
    """Whether each channel is given to one filter alone."""
    return bool(kernel.shape[1] == 1 and x.shape[1] > 1)


def _ways(kernel: np.ndarray, given: int, length: int, every: bool) -> Iterator[Way]:
    """The ways to make so many positions of what is given; not `every` one, those without anything before it."""
    by, rest = divmod(length, given)
    if rest or not by:
        return
    wide = kernel.shape[2] > 1
    for dilation in (1, 2, 3, 4, 5, 9) if wide and every else (1,):
        for side in SIDES if wide else ["on both sides"]:
            for kind in UPSAMPLING if by > 1 else [""]:
                for function in FUNCTIONS if dilation == 1 and every else ["identity"]:
                    yield Way(function, kind, side, dilation)
                if wide and every:
                    yield Way("identity", kind, side, dilation, turned=True)


def _padded(way: Way, taps: int, x: np.ndarray, length: int) -> np.ndarray:
    """What the taps are taken of."""
    x = ACTIVATIONS[way.function](x)
    x = UPSAMPLING[way.upsampling](x, length // x.shape[2]) if way.upsampling else x
    reach = (taps - 1) * way.dilation
    left = int(np.ceil(reach * SIDES[way.side]))
    wide = np.zeros((*x.shape[:2], reach + x.shape[2]))
    wide[:, :, left : left + x.shape[2]] = x
    return wide


def _made(way: Way, kernel: np.ndarray, x: np.ndarray, length: int) -> np.ndarray:
    """The convolution of a padded input, without its bias."""
    kernel = kernel[..., ::-1] if way.turned else kernel
    out = np.zeros((len(x), len(kernel), length))
    for tap in range(kernel.shape[2]):
        part = x[:, :, tap * way.dilation : tap * way.dilation + length]
        out += part * kernel[:, 0, tap, None] if _depthwise(kernel, x) else kernel[:, :, tap] @ part
    return out


def _makes(way: Way, kernel: np.ndarray, x: np.ndarray, r: np.ndarray) -> bool:
    """Whether the convolution is the reference but for a bias, a constant for each channel: of two channels first."""
    for part, item in ((slice(0, 2), slice(0, 1)), (slice(None), slice(None))):
        own = x[item, part] if _depthwise(kernel, x) else x[item]
        apart = _made(way, kernel[part], own, r.shape[2]) - r[item, part]
        if rms(apart - apart.mean(axis=(0, 2), keepdims=True)) > NEAR * rms(r[item, part]):
            return False
    return True


def _apart(own: Way, right: Way) -> tuple[str, str]:
    if own.upsampling != right.upsampling:
        return "upsampling", f"{own.upsampling} before it, expected {right.upsampling}"
    if own.side != right.side:
        return "shift", f"padding {own.side}, expected {right.side}"
    if own.dilation != right.dilation:
        return "arithmetic", f"dilation {own.dilation}, expected {right.dilation}"
    if own.turned != right.turned:
        return "weights", "its kernel reversed"
    return "activation", f"{own.function} before it, expected {right.function}"
