"""Processes that have nothing of this one, and end with it whenever that is.

An interrupt must neither come between the parts of a process that is being made, nor wait for what runs.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, TypeVar

from parity.base.runtime import BLAS_SWITCH
from parity.mutate.forked import end_with_this

Name = TypeVar("Name")

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    BLAS_SWITCH: "plain",
}
"""Of every process: the same bits each time, as many processes as there are cores, and no library that none needs."""
ENDING = (signal.SIGINT, signal.SIGTERM)
"""The signals that end a command."""


@contextmanager
def environment() -> Iterator[None]:
    """Inside, processes are begun with `ENVIRONMENT`."""
    before = dict(os.environ)
    os.environ.update(ENVIRONMENT)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class Pool:
    """So many processes, each begun with `begin(*args)`. Those that run when the block ends early are ended."""

    def __init__(self, jobs: int, begin: Callable[..., object] | None = None, *args: Any):
        context = multiprocessing.get_context("spawn")
        self.jobs, self.executor = jobs, ProcessPoolExecutor(jobs, context, _begin, (begin, args))

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        with _uninterrupted():
            if kind is not None:
                for process in list(self.executor._processes.values()):
                    process.terminate()
            self.executor.shutdown(wait=True, cancel_futures=True)

    def map(
        self,
        function: Callable[..., Any],
        tasks: Mapping[Name, tuple[Any, ...]],
        enough: Callable[[], bool] = lambda: False,
    ) -> Iterator[tuple[Name, Any]]:
        """What a function gives for each task, as it is there. No task is begun when there is `enough`."""
        rest = iter(tasks.items())
        running: dict[Future[Any], Name] = {}
        while True:
            while len(running) < 2 * self.jobs and not enough() and (task := next(rest, None)):
                with _uninterrupted():
                    running[self.executor.submit(function, *task[1])] = task[0]
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Inside, what would end this thread waits. A process that is made inside begins with its signals waiting, too."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(begin: Callable[..., object] | None, args: tuple[Any, ...]) -> None:
    """In a new process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: whoever began it ends it
    signal.signal(signal.SIGTERM, end_with_this)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    if begin is not None:
        begin(*args)
