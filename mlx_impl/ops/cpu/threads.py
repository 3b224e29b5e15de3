"""Fewer threads for the matrix products of a CPU than the BLAS would take.

PyTorch's library, as the BLAS of MLX, divides any product of two rows or more among its threads. A small product gains
nothing from such sharing. MLX and PyTorch together have more threads than cores, so a thread without work goes to sleep
at once, and to wake it takes longer than the product of an LSTM's step. Sharing is also too much where two streams are
at work already (`ops/parallel.py`).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Lock

_process = ctypes.CDLL(None)
_set = getattr(_process, "mkl_serv_set_num_threads", None)  # MKL's, as PyTorch's library exports it
_get = getattr(_process, "mkl_serv_get_max_threads", None)
_lock = Lock()
_limits: list[int] = []  # of those that are inside
_before = 0


@contextmanager
def fewer_threads(limit: Callable[[int], int]) -> Iterator[None]:
    """Inside, a matrix product on the CPU takes `limit` of the threads before, where the BLAS can be told so.

    The number is the process's: what was queued before should be evaluated before, and what is meant within. The lowest
    of several limits holds. Afterwards the number is what it was before, whoever set another meanwhile.
    """
    if _set is None or _get is None:
        yield
        return
    global _before
    with _lock:
        if not _limits:
            _before = _get()
        threads = limit(_before)
        _limits.append(threads)
        _tell(_set, _get)
    try:
        yield
    finally:
        with _lock:
            _limits.remove(threads)
            _tell(_set, _get)


def _tell(set_threads: Callable[[int], None], threads: Callable[[], int]) -> None:
    wanted = min(_limits, default=_before)
    if threads() != wanted:
        set_threads(wanted)


one_thread = partial(fewer_threads, lambda threads: 1)
half_the_threads = partial(fewer_threads, lambda threads: max(1, threads // 2))
"""For each of two streams."""
