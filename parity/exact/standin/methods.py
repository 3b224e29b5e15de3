"""Operators and methods of the array, made of the functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from parity.exact.standin import elementwise, indexing, linear, reductions, shapes
from parity.exact.standin.array import array
from parity.exact.standin.indexing import ArrayAt, assign

_ALL = elementwise.NAMES | reductions.NAMES | shapes.NAMES | linear.NAMES

_OPERATORS = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "div": "divide",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "pow": "power",
    "matmul": "matmul",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "lshift": "left_shift",
    "rshift": "right_shift",
}
_COMPARISONS = {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"}
_METHODS = (
    "abs", "all", "any", "argmax", "argmin", "astype", "conj", "cos", "cummax", "cummin", "cumprod", "cumsum",
    "diag", "diagonal", "exp", "flatten", "log", "log10", "log1p", "log2", "logcumsumexp", "logsumexp", "max",
    "mean", "min", "moveaxis", "prod", "reciprocal", "round", "rsqrt", "sin", "split", "sqrt", "square", "squeeze",
    "std", "sum", "swapaxes", "var", "view",
)  # fmt: skip


def _reflected(function: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    return lambda self, other: function(other, self)


def _in_place(name: str, function: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    def update(self: array, other: Any) -> array:
        if name == "truediv" and not self.dtype.is_inexact:
            raise ValueError("In place division cannot cast to non-floating point type.")
        return self.rebind(function(self, other))

    return update


def _equality(function: Callable[..., Any], otherwise: bool) -> Callable[[Any, Any], Any]:
    def compare(self: array, other: Any) -> Any:
        if other is None:
            raise TypeError("an array was compared with None: expected a number or an array; use `is None`")
        if isinstance(other, str | list | tuple | dict | set):
            return otherwise
        return function(self, other)

    return compare


def _reshape(self: array, *shape: Any, stream: Any = None) -> array:
    if len(shape) == 1 and not isinstance(shape[0], int):
        shape = tuple(shape[0])
    made: array = _ALL["reshape"](self, shape)
    return made


def _transpose(self: array, *axes: Any, stream: Any = None) -> array:
    if len(axes) == 1 and not isinstance(axes[0], int):
        axes = tuple(axes[0])
    made: array = _ALL["transpose"](self, axes or None)
    return made


def complete(cls: Any) -> None:
    """Give the class of arrays its operators and methods."""
    for short, name in _OPERATORS.items():
        function = _ALL[name]
        setattr(cls, f"__{short}__", function)
        setattr(cls, f"__r{short}__", _reflected(function))
        setattr(cls, f"__i{short}__", _in_place(short, function))
    for short, name in _COMPARISONS.items():
        setattr(cls, f"__{short}__", _ALL[name])
    cls.__eq__ = _equality(_ALL["equal"], False)
    cls.__ne__ = _equality(_ALL["not_equal"], True)
    cls.__neg__, cls.__pos__ = _ALL["negative"], _ALL["positive"]
    cls.__abs__, cls.__invert__ = _ALL["abs"], _ALL["bitwise_invert"]
    for name in _METHODS:
        setattr(cls, name, _ALL[name])
    cls.reshape, cls.transpose = _reshape, _transpose
    cls.T = property(lambda self: _ALL["transpose"](self))
    cls.mT = property(lambda self: _ALL["matrix_transpose"](self))
    cls.real = property(lambda self: _ALL["real"](self))
    cls.imag = property(lambda self: _ALL["imag"](self))
    cls.at = property(ArrayAt)
    cls.__getitem__ = indexing.NAMES["getitem"]
    cls.__setitem__ = assign
    cls.__array_namespace__ = _namespace


def _namespace(self: array, api_version: Any = None) -> Any:
    import sys

    return sys.modules["mlx.core"]


complete(array)
