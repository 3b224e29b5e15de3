"""One thread for small matrix products, where NumPy's BLAS is OpenBLAS.

It divides products of a few dozen rows among all cores. Where others run there too, its threads wait for each other:
with 13 processes on two cores a product of 128 x 128 took 44 ms with two threads, and 0.1 ms with one.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np

LARGE = 1 << 26
"""Multiplications from which on several threads are worth their waiting: some 10 ms of one."""


@cache
def _threads() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """The functions of NumPy's own OpenBLAS that say and set the number of threads; None for another BLAS."""
    folder = Path(np.__file__).parent
    for path in sorted((folder.parent / f"{folder.name}.libs").glob("libscipy_openblas64_*")):
        library = ctypes.CDLL(str(path))  # loaded already: this is the same one
        return library.scipy_openblas_get_num_threads64_, library.scipy_openblas_set_num_threads64_
    return None


@contextmanager
def threads_for(multiplications: int) -> Iterator[None]:
    """Inside, products take one thread if they are small together."""
    found = _threads()
    if found is None or multiplications >= LARGE:
        yield
        return
    say, choose = found
    before = say()
    choose(1)
    try:
        yield
    finally:
        choose(before)
