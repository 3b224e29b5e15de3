"""Work in double on all cores: pieces of it beside each other, each with one thread of the BLAS.

NumPy's functions of elements take one core. OpenBLAS divides a product among its own threads, which wait for each other
by asking again and again: beside the reference's threads on two cores, attention took four times the time of the
processor that it takes in pieces.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")

MUCH = 1 << 23
"""Multiplications from which on a second core is worth the handing over: some milliseconds of one."""

CORES = os.cpu_count() or 1


def each(work: Callable[[Item], object], items: Iterable[Item], multiplications: int) -> None:
    """Call `work` for every item, in any order; what it does not share with others it may write to.

    Where there is much to multiply, other cores take items too, whichever is next. Handing over takes time, and a core
    may be busy with another thread's items: this thread works until none is left. `work` multiplies with `np.dot`:
    `np.matmul` lets no other thread run meanwhile.
    """
    items = list(items)
    waiting = iter(items)  # one for all threads: the iterator of a list gives each item once

    def take() -> None:
        for item in waiting:
            work(item)

    with one_thread():
        cores = CORES if multiplications >= MUCH else 1
        beside = [_pool().submit(take) for _ in range(min(cores, len(items)) - 1)]
        try:
            take()
        finally:
            begun = [helper for helper in beside if not helper.cancel()]
            wait(begun)
        for helper in begun:
            helper.result()  # raises what an item has raised there


def pieces(length: int) -> list[slice]:
    """As many parts of an axis as there are cores, one after the other, none of them empty."""
    bounds = [length * core // CORES for core in range(CORES + 1)]
    return [slice(start, stop) for start, stop in pairwise(bounds) if stop > start]


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(CORES)


@cache
def _threads() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """The functions of NumPy's own OpenBLAS that say and set the number of threads; None for another BLAS."""
    folder = Path(np.__file__).parent
    for path in sorted((folder.parent / f"{folder.name}.libs").glob("libscipy_openblas64_*")):
        library = ctypes.CDLL(str(path))  # loaded already: this is the same one
        return library.scipy_openblas_get_num_threads64_, library.scipy_openblas_set_num_threads64_
    return None


_lock = Lock()
_inside, _before = 0, 1


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside, NumPy's products take one thread, where its BLAS is OpenBLAS.

    The number is the process's. Threads may be inside beside each other: the last that leaves puts back what the first
    found, for with one thread left behind NumPy would sum in another order ever after.
    """
    global _inside, _before
    found = _threads()
    if found is None:
        yield
        return
    say, choose = found
    with _lock:
        if not _inside:
            _before = say()
            choose(1)
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                choose(_before)
