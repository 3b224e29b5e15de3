"""Two cores of a CPU at once.

MLX works off a stream on one thread, and all but matrix products on one core. What does not depend on each other can go
on two streams. A GPU takes its work from one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import mlx.core as mx

from mlx_impl.ops.cpu.threads import half_the_threads
from mlx_impl.ops.device import on_gpu

_SECOND = mx.new_thread_local_stream(mx.cpu)
_shared = ContextVar("shared", default=False)
"""Whether what is called now has one of the two streams already."""


@contextmanager
def beside(free: bool = True) -> Iterator[None]:
    """Inside, what is called is computed beside what is called outside, if the second core is `free` for it."""
    if on_gpu() or not free:
        yield
        return
    with mx.stream(_SECOND):
        yield


def halves(f: Callable[..., mx.array], *arrays: mx.array | None, axis: int = 0) -> mx.array:
    """`f(*arrays)`, each half of an axis on a stream of its own, which `f` must treat item by item.

    Arrays of length 1 there go to both. Within a half nothing is divided again.
    """
    count = max(array.shape[axis] for array in arrays if array is not None)
    if undivided(count):
        return f(*arrays)
    token = _shared.set(True)
    try:
        first = f(*(_part(array, axis, 0, count // 2) for array in arrays))
        with beside():
            second = f(*(_part(array, axis, count // 2, count) for array in arrays))
    finally:
        _shared.reset(token)
    return mx.concatenate([first, second], axis=axis)


def undivided(count: int) -> bool:
    """Whether so many items stay on one stream."""
    return count < 2 or _shared.get() or on_gpu()


def evaluated_halves(f: Callable[..., mx.array], *arrays: mx.array | None) -> mx.array:
    """`halves` of the first axis, computed before it returns; each half's products take half of the BLAS's threads."""
    if on_gpu():
        return f(*arrays)
    mx.eval(arrays)
    with half_the_threads():
        y = halves(f, *arrays)
        mx.eval(y)
    return y


def summed(parts: Sequence[Callable[[mx.array], mx.array]], x: mx.array) -> mx.array:
    """The sum of the parts' results for `x`. The last part takes as long as the others, and is computed beside them."""
    with beside():
        total = parts[0](x)
        for part in parts[1:-1]:
            total = total + part(x)
    return total + parts[-1](x)


def _part(array: mx.array | None, axis: int, start: int, stop: int) -> mx.array | None:
    if array is None or array.shape[axis] == 1:
        return array
    return array[(slice(None),) * axis + (slice(start, stop),)]
