"""Functions that MLX cannot export, or exports as bits: each is traced as one operation of its own.

In the graph its results stand behind a `depends`, which can be exported and takes the same arrays. What `depends` was
given to hold the place, zeros of the right shapes, is taken out afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx

from parity.exact.graph import Call, Graph
from parity.exact.operations.quantization import settings
from parity.exact.primitives.quantized import MODES

Asked = tuple[Sequence[Any], tuple[Any, ...]]
"""The arrays that an operation takes, and its arguments."""


@dataclass(frozen=True)
class Operation:
    """A call that was held a place for: its primitive, and one of the results, by which the graph is searched."""

    primitive: str
    arguments: tuple[Any, ...]
    count: int
    result: Any


def _invert(a: Any) -> Asked:
    return [a], ()


def _logcumsumexp(a: Any, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True) -> Asked:
    a, axis = (mx.flatten(a), 0) if axis is None else (a, axis % a.ndim)
    return [a], (4, axis, reverse, inclusive)


def _segmented_mm(a: Any, b: Any, segments: Any) -> Asked:
    return [a, b, segments], ()


def _to_fp8(x: Any) -> Asked:
    return [x], ()


def _from_fp8(x: Any, dtype: Any = mx.bfloat16) -> Asked:
    return [x], ()


def _quantize(
    w: Any, group_size: int | None = None, bits: int | None = None, mode: str = "affine", global_scale: Any = None
) -> Asked:
    return _given(w, global_scale), (*settings(mode, group_size, bits), MODES.index(mode), False)


def _dequantize(
    w: Any,
    scales: Any,
    biases: Any = None,
    group_size: int | None = None,
    bits: int | None = None,
    mode: str = "affine",
    global_scale: Any = None,
    dtype: Any = None,
) -> Asked:
    return _given(w, scales, biases, global_scale), (*settings(mode, group_size, bits), MODES.index(mode), True)


def _qqmm(
    x: Any,
    w: Any,
    scales: Any = None,
    group_size: int | None = None,
    bits: int | None = None,
    mode: str = "nvfp4",
    global_scale_x: Any = None,
    global_scale_w: Any = None,
) -> Asked:
    said = (*settings(mode, group_size, bits), MODES.index(mode), scales is not None, global_scale_x is not None)
    return _given(x, w, scales, global_scale_x, global_scale_w), said


def _matrix(a: Any) -> Asked:
    return [a], ()


def _solve(a: Any, b: Any) -> Asked:
    return [a, b], ()


def _given(*arrays: Any) -> list[Any]:
    return [array for array in arrays if array is not None]


OPAQUE: Mapping[tuple[Any, str], tuple[str, Callable[..., Asked]]] = {
    (mx, "bitwise_invert"): ("BitwiseInvert", _invert),
    (mx.array, "__invert__"): ("BitwiseInvert", _invert),
    (mx, "logcumsumexp"): ("Scan", _logcumsumexp),
    (mx.array, "logcumsumexp"): ("Scan", _logcumsumexp),
    (mx, "segmented_mm"): ("SegmentedMM", _segmented_mm),
    (mx, "to_fp8"): ("ToFP8", _to_fp8),
    (mx, "from_fp8"): ("FromFP8", _from_fp8),
    (mx, "quantize"): ("Quantize", _quantize),
    (mx, "dequantize"): ("Quantize", _dequantize),
    (mx, "qqmm"): ("QQMatmul", _qqmm),
    (mx.linalg, "lu"): ("linalg.lu", _matrix),
    (mx.linalg, "lu_factor"): ("linalg.lu_factor", _matrix),
    (mx.linalg, "solve"): ("linalg.solve", _solve),
    (mx.linalg, "det"): ("linalg.det", _matrix),
    (mx.linalg, "slogdet"): ("linalg.slogdet", _matrix),
}
"""By module and name, the primitive that each stands for and what tells its arrays from its arguments."""


def held(owner: Any, name: str, function: Callable[..., Any], keep: Callable[[Operation], None]) -> Callable[..., Any]:
    """`function` with its results behind a `depends`; `keep` is told of each call."""
    primitive, asked = OPAQUE[owner, name]

    def call(*args: Any, **kwargs: Any) -> Any:
        # For shapes and dtypes: nothing needs it, so it is not in the graph. Some take no float64.
        shown = function(*map(_single, args), **{key: _single(value) for key, value in kwargs.items()})
        arrays, arguments = asked(*args, **kwargs)
        results = [shown] if isinstance(shown, _ARRAY) else list(shown)
        places = [_ZEROS(result.shape, result.dtype) for result in results]
        made = _DEPENDS(places, [array if isinstance(array, _ARRAY) else _ARRAY(array) for array in arrays])
        keep(Operation(primitive, arguments, len(made), made[0]))
        return made[0] if isinstance(shown, _ARRAY) else type(shown)(made)

    return call


_ARRAY, _ZEROS, _DEPENDS, _ASTYPE = mx.array, mx.zeros, mx.depends, mx.array.astype
_FLOAT32 = mx.float32


def _single(argument: Any) -> Any:
    wide = isinstance(argument, _ARRAY) and argument.dtype == mx.float64
    return _ASTYPE(argument, _FLOAT32) if wide else argument


def opened(graph: Graph, operations: Mapping[str, Operation]) -> None:
    """Put operations in the place of what was held for them; they go by the graph's names of their results."""
    for at, call in enumerate(graph.calls):
        operation = next((operations[name] for name in call.outputs if name in operations), None)
        if operation is not None:
            taken = call.inputs[operation.count :]
            graph.calls[at] = Call(operation.primitive, operation.arguments, taken, call.outputs)
