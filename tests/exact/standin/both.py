"""The same call in MLX, on its CPU, and in the stand-in; what both give is compared through NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import mlx.core as mx
import numpy as np

from parity.exact.standin import core
from parity.exact.standin.array import array
from parity.exact.standin.runtime import DeviceType
from tests.exact.bounds import within

STANDIN = core.modules(DeviceType.cpu, None, {})["mlx.core"]
Call = Callable[..., Any]
"""Called with a module, MLX's or the stand-in's, and arrays of it."""


def leaves(tree: Any) -> Iterator[Any]:
    """The arrays of a result, and what else it holds, in order."""
    if isinstance(tree, list | tuple):
        for part in tree:
            yield from leaves(part)
    else:
        yield tree


def compare(call: Call, inputs: Sequence[np.ndarray], **bound: Any) -> None:
    """Assert that both give the same dtypes and shapes, and values within the bound of `tests.exact.bounds`."""
    with mx.stream(mx.cpu):
        theirs = list(leaves(call(mx, *(mx.array(value) for value in inputs))))
    ours = list(leaves(call(STANDIN, *(STANDIN.array(value) for value in inputs))))
    assert len(ours) == len(theirs), f"{len(ours)} results, MLX gives {len(theirs)}"
    for place, (our, their) in enumerate(zip(ours, theirs, strict=True)):
        if not isinstance(their, mx.array):
            assert our == their or str(our) == str(their), f"{our!r}, MLX gives {their!r}"
            continue
        assert reported(our) == reported(their)

        def definition(*values: np.ndarray, place: int = place) -> np.ndarray:
            arrays = [STANDIN.array(value) for value in values]
            result: array = list(leaves(call(STANDIN, *arrays)))[place]
            return result.value

        dtype = our.dtype.name if our.dtype.name in ("float16", "bfloat16") else "float32"
        within(to_numpy(their), definition, list(inputs), dtype=dtype, **bound)


def reported(a: Any) -> tuple[str, tuple[int, ...]]:
    """The dtype and the shape that an array says it has."""
    return str(a.dtype).removeprefix("mlx.core."), tuple(a.shape)


def to_numpy(a: Any) -> np.ndarray:
    """The value of an array of MLX."""
    return np.array(a.astype(mx.float32) if a.dtype in (mx.float16, mx.bfloat16) else a)


def refusal(call: Call, inputs: Sequence[np.ndarray] = ()) -> None:
    """Assert that both refuse the call with an exception."""
    for module in (mx, STANDIN):
        try:
            list(leaves(call(module, *(module.array(value) for value in inputs))))
        except (ValueError, TypeError, IndexError):
            continue
        raise AssertionError(f"{module.__name__} of {module} took what it should refuse")
