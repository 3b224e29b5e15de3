"""Two cores of a CPU at once.

MLX works off a stream on one thread, and all but matrix products on one core. What does not depend on each other can go
on two streams. A GPU takes its work from one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import mlx.core as mx

_SECOND = mx.new_thread_local_stream(mx.cpu)


def beside() -> AbstractContextManager[object]:
    """Inside, what is called is computed beside what is called outside."""
    return mx.stream(_SECOND) if mx.default_device().type == mx.DeviceType.cpu else nullcontext()


def halves(f: Callable[..., mx.array], *arrays: mx.array | None) -> mx.array:
    """`f(*arrays)`, each half of the first axis on a stream of its own: for an `f` that computes each item by itself."""
    count = next(len(array) for array in arrays if array is not None)
    if count < 2 or mx.default_device().type != mx.DeviceType.cpu:
        return f(*arrays)
    half = count // 2
    first = f(*(None if array is None else array[:half] for array in arrays))
    with beside():
        second = f(*(None if array is None else array[half:] for array in arrays))
    return mx.concatenate([first, second])
