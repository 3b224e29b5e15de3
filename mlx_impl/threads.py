"""One thread instead of two for matrix products too small to share.

PyTorch's library, as the BLAS of MLX, divides any product of two rows or more among its threads. In a process with more
threads than cores, as those of MLX and of PyTorch are together, a thread without work goes to sleep at once: to wake it
takes longer than the product of an LSTM's step.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_process = ctypes.CDLL(None)
_set = getattr(_process, "mkl_serv_set_num_threads", None)  # MKL's, as PyTorch's library exports it
_get = getattr(_process, "mkl_serv_get_max_threads", None)
_lock = Lock()
_inside = 0
_before = 0


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside, a matrix product on the CPU takes one thread, where the BLAS is one that can be told so.

    It is a setting of the process and holds for what is computed meanwhile: what was queued before should be evaluated
    before, and what is meant within. Afterwards the number is what it was, whoever set another meanwhile.
    """
    if _set is None or _get is None:
        yield
        return
    global _inside, _before
    with _lock:
        if not _inside:
            _before = _get()
            _set(1)
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                _set(_before)
