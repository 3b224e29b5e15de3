"""The stand-in's functions with their results rounded at random: a recorder that records nothing."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from parity.exact.rounding import composites
from parity.exact.rounding.coin import Rounding, squared
from parity.exact.rounding.programs import narrowed
from parity.exact.standin.array import array, asarray, wrapped
from parity.exact.standin.dispatch import STATE

PRODUCTS = {"einsum", "inner", "tensordot", "gather_mm", "segmented_mm", "block_masked_mm"}
"""Linear in each array of floats that they take; matrix products and convolutions apart."""

CONVOLUTIONS = {"conv_general"}
CONVOLUTIONS |= {f"conv{direction}{axes}d" for direction in ("", "_transpose") for axes in (1, 2, 3)}

TRANSFORMS = {f"fft.{kind}fft{axes}" for kind in ("", "i", "r", "ir") for axes in ("", "2", "n")}

MOVES = {
    "reshape", "transpose", "swapaxes", "moveaxis", "flatten", "unflatten", "squeeze", "expand_dims", "broadcast_to",
    "concatenate", "stack", "split", "repeat", "tile", "roll", "pad", "as_strided", "contiguous", "stop_gradient",
    "getitem", "setitem", "take", "take_along_axis", "put_along_axis", "slice", "slice_update", "where",
    "negative", "abs", "maximum", "minimum", "max", "min", "clip", "sort", "partition", "topk", "real", "imag",
}  # fmt: skip
"""What gives no value that was not there before, but for its sign: nothing is rounded."""

COMPOSITES: dict[str, Callable[..., Any]] = {
    "exp": lambda r, a: r.exp(a),
    "sigmoid": composites.sigmoid,
    "logaddexp": composites.logaddexp,
    "logsumexp": composites.logsumexp,
    "softmax": composites.softmax,
    "mean": composites.mean,
    "sum": composites.total,
    "var": composites.var,
    "std": composites.std,
    "cumsum": composites.cumsum,
    "cumulative_sum": composites.cumsum,
    "addmm": composites.addmm,
    "quantized_matmul": composites.quantized_matmul,
    "gather_qmm": composites.gather_qmm,
    "linalg.norm": composites.norm,
    "fast.rms_norm": composites.rms_norm,
    "fast.layer_norm": composites.layer_norm,
    "fast.rope": composites.rope,
    "fast.scaled_dot_product_attention": composites.scaled_dot_product_attention,
}


@contextmanager
def rounded(rounding: Rounding) -> Iterator[None]:
    """Within it, every float32 that a function of the stand-in gives is rounded at random."""
    before, STATE.recorder = STATE.recorder, _Rounder(rounding)
    try:
        yield
    finally:
        STATE.recorder = before


class _Rounder:
    """Runs each function, and rounds what it gives to the dtype that it reports."""

    def __init__(self, rounding: Rounding):
        self.rounding = rounding

    def call(self, name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        STATE.recorder = None
        try:
            with np.errstate(all="ignore"):
                return self._rounded(name, function, args, kwargs)
        finally:
            STATE.recorder = self

    def _rounded(self, name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = function(*args, **kwargs)
        if name in MOVES:
            return result
        if isinstance(result, array) and result.dtype.is_inexact:
            value = self._inside(name, result, function, args, kwargs)
            return wrapped(narrowed(self.rounding, value, result.dtype.name), result.dtype)
        if isinstance(result, (tuple, list)):
            return type(result)(
                wrapped(narrowed(self.rounding, one.value, one.dtype.name), one.dtype) for one in result
            )
        return result

    def _inside(self, name: str, result: array, function: Callable[..., Any], args: Any, kwargs: Any) -> np.ndarray:
        """The value of a function with the rounding of its steps; the last one's is still to come."""
        if name == "matmul":
            return self._product(result, function, args, kwargs, args[0].shape[-1])
        if name in CONVOLUTIONS:
            return self._product(result, function, args, kwargs, _taps(function, args, kwargs))
        if name in PRODUCTS:
            ones = [np.ones(leaf.shape) for leaf in _leaves((args, kwargs))]
            return self._product(result, function, args, kwargs, _of_others(function, args, kwargs, ones))
        if name in COMPOSITES:
            value = COMPOSITES[name](self.rounding, *_values(args), **_values(kwargs))
            return result.value if value is None else np.asarray(value)
        if name in TRANSFORMS:
            return self._transformed(result, function, args, kwargs)
        if name in ("fft.stft", "fft.istft"):
            axis = -2 if name == "fft.stft" else -1
            return self.rounding.transformed(result.value, result.shape[axis], (axis,))
        if name.startswith("linalg."):  # stable algorithms: the exact result for inputs that are rounded
            rounded = [self.rounding.near(leaf.value) for leaf in _leaves((args, kwargs))]
            return _of_others(function, args, kwargs, rounded)
        return result.value

    def _transformed(self, result: array, function: Callable[..., Any], args: Any, kwargs: Any) -> np.ndarray:
        given = inspect.signature(function).bind(*args, **kwargs)
        given.apply_defaults()
        axes = given.arguments.get("axes", given.arguments.get("axis"))
        axes = tuple(range(result.ndim)) if axes is None else (axes,) if isinstance(axes, int) else tuple(axes)
        size = max(int(np.prod([one.shape[axis] for axis in axes])) for one in (asarray(args[0]), result))
        return self.rounding.transformed(result.value, size, axes)

    def _product(self, result: array, function: Callable[..., Any], args: Any, kwargs: Any, terms: Any) -> np.ndarray:
        squares = [squared(leaf.value) for leaf in _leaves((args, kwargs))]
        return self.rounding.accumulated(result.value, _of_others(function, args, kwargs, squares), terms)


def _of_others(function: Callable[..., Any], args: Any, kwargs: Any, values: Iterable[np.ndarray]) -> np.ndarray:
    """What a function gives for other values in its arrays of floats."""
    taken = iter(values)
    args, kwargs = _replaced((args, kwargs), taken)
    value: np.ndarray = function(*args, **kwargs).value
    return value


def _taps(function: Callable[..., Any], args: Any, kwargs: Any) -> np.ndarray:
    """Of each place of a convolution's result, how many terms it is the sum of: padding has none."""
    bound = inspect.signature(function).bind(*args, **kwargs)
    x, weight = (leaf for leaf in _leaves((args, kwargs)))
    ones = [wrapped(np.ones((1, *leaf.shape[1:-1], 1)), leaf.dtype) for leaf in (x, weight)]
    rest = {name: value for name, value in bound.arguments.items() if not isinstance(value, array) and name != "groups"}
    taps: np.ndarray = function(*ones, **rest).value
    return taps * weight.shape[-1]


def _values(tree: Any) -> Any:
    """The same arguments with NumPy's arrays."""
    if isinstance(tree, (tuple, list)):
        return type(tree)(_values(part) for part in tree)
    if isinstance(tree, dict):
        return {name: _values(part) for name, part in tree.items()}
    return tree.value if isinstance(tree, array) else tree


def _leaves(tree: Any) -> Iterator[array]:
    """The arrays of floats among arguments."""
    if isinstance(tree, array) and tree.dtype.is_inexact:
        yield tree
    for part in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, (tuple, list)) else ():
        yield from _leaves(part)


def _replaced(tree: Any, values: Iterator[np.ndarray]) -> Any:
    """The same arguments with other values in their arrays of floats."""
    if isinstance(tree, (tuple, list)):
        return type(tree)(_replaced(part, values) for part in tree)
    if isinstance(tree, dict):
        return {name: _replaced(part, values) for name, part in tree.items()}
    if isinstance(tree, array) and tree.dtype.is_inexact:
        return wrapped(next(values), tree.dtype)
    return tree
