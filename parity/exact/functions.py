"""A function of NumPy's arrays as a program of one operation, which nothing looks into."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import numpy as np

from parity.base.errors import InputError
from parity.exact.places import Place
from parity.exact.program import Node, Program, widened

WIDE: dict[Any, Any] = {np.dtype(np.float32): np.float64, np.dtype(np.complex64): np.complex128}
NAMES = {"float32": np.float64, "single": np.float64, "complex64": np.complex128, "csingle": np.complex128}
MAKERS = ["array", "asarray", "ascontiguousarray", "arange", "empty", "eye", "full", "linspace", "ones", "zeros"]
MAKERS += ["empty_like", "full_like", "ones_like", "zeros_like"]
"""Functions of NumPy that make an array of a dtype that they are given."""


def record(function: Callable[..., Any], inputs: Sequence[np.ndarray], source: str, place: Place | None) -> Program:
    """The program of a function, which takes arrays in double and gives arrays, also in tuples, lists and dictionaries.

    `place` is where it is defined. Raises `InputError` for one that gives something else when it is called again.
    """

    def compute(*arrays: np.ndarray) -> list[np.ndarray]:
        with doubled():
            return run(function, arrays)

    arrays = [widened(array) for array in inputs]
    made, again = compute(*arrays), compute(*arrays)
    if not made:
        raise TypeError(f"{source} gives no arrays")
    if not all(np.array_equal(*pair, equal_nan=pair[0].dtype.kind in "fc") for pair in zip(made, again, strict=True)):
        raise InputError(f"{source} gives something else when it is called again: make what it draws an argument")
    values = dict(enumerate([*arrays, *made]))
    taken, given = tuple(range(len(arrays))), tuple(range(len(arrays), len(values)))
    node = Node(source, taken, given, lambda *arrays: [widened(one) for one in compute(*arrays)], place=place)
    shapes = {number: array.shape for number, array in values.items()}
    dtypes = {number: array.dtype.name for number, array in values.items()}
    return Program(taken, {}, (node,), given, shapes=shapes, dtypes=dtypes, source=source)


def run(function: Callable[..., Any], inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The arrays that a function gives for arrays by position, in order."""
    return list(_arrays(function(*(np.array(array, order="C") for array in inputs))))


def _arrays(result: Any) -> Iterator[np.ndarray]:
    if isinstance(result, np.ndarray | np.generic):
        yield np.asarray(result)
    elif isinstance(result, dict | list | tuple):
        for part in result.values() if isinstance(result, dict) else result:
            yield from _arrays(part)
    else:
        raise TypeError(f"a result holds {type(result).__name__}, expected NumPy's arrays")


@contextmanager
def doubled() -> Iterator[None]:
    """Single precision that a function of NumPy or PyTorch asks for is double; `x.astype("float32")` rounds."""
    from parity.exact.torch import widened as in_torch

    with ExitStack() as stack:
        stack.enter_context(in_torch())
        for name, wide in NAMES.items():
            stack.enter_context(mock.patch.object(np, name, wide))
        for name in MAKERS:
            stack.enter_context(mock.patch.object(np, name, _wide(getattr(np, name))))
        yield


def _wide(make: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return make(*map(_dtype, args), **{name: _dtype(value) for name, value in kwargs.items()})

    return call


def _dtype(value: Any) -> Any:
    """A dtype of single precision as double, whether it is a type, a dtype or a name; another value as it is."""
    named = isinstance(value, str) and value in ("float32", "single", "f4", "complex64", "c8")
    if named or isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return WIDE.get(np.dtype(value), value)
    return value
