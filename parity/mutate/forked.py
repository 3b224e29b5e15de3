"""Work in a forked process, with limits of processor time, of time and of memory."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from parity.base import frames

Say = Callable[[Any], None]
TIME, MEMORY = "time", "memory"
"""How work ends that takes too much."""
WAITING = 20
"""Times the processor time that a process may take at most: for a machine that has other work, and for one that hangs.
"""


_running: list[tuple[int, str]] = []
"""The forked process that there is, and its folder."""


def forked(work: Callable[[Say], None]) -> tuple[list[Any], str]:
    """What `work` says, in a process of its own, and how that ended: "" for well, else `TIME`, `MEMORY` or a signal.

    What is said is plain data. What `work` writes by a relative path is removed: it runs in a folder of its own, which
    shows all that lies in the working folder. Raises `RuntimeError` for an exception that `work` raises.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    scratch = tempfile.mkdtemp(prefix="parity-")
    try:
        for entry in os.scandir():
            os.symlink(Path(entry.name).absolute(), Path(scratch, entry.name))
        return _forked(work, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _forked(work: Callable[[Say], None], scratch: str) -> tuple[list[Any], str]:
    reading, writing = os.pipe()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # until it is known which child there is
    child = os.fork()
    if not child:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(reading)
        _work(work, writing, scratch)
    _running[:] = [(child, scratch)]
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:
        lines = pipe.read().split("\n")
    _, status = os.waitpid(child, 0)
    _running.clear()
    said = [json.loads(line) for line in lines[:-1]]  # what stands behind the last end of a line was cut off
    if os.WIFEXITED(status):
        if os.WEXITSTATUS(status):
            raise RuntimeError(said[-1])
        return said, ""
    number = os.WTERMSIG(status)
    if number in (signal.SIGXCPU, signal.SIGALRM):
        return said, TIME
    return said, MEMORY if number == signal.SIGKILL else signal.Signals(number).name


def end_with_this(number: int, frame: object) -> None:
    """What a process does that is told to end: its forked one ends, too, which may be one that never would."""
    for child, scratch in _running:
        os.kill(child, signal.SIGKILL)
        shutil.rmtree(scratch, ignore_errors=True)
    os._exit(128 + number)


def _work(work: Callable[[Say], None], writing: int, scratch: str) -> None:
    """In the child: it never returns."""
    code = 1
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGXCPU, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        frames.FOLDER[:] = [Path.cwd()]
        sys.path[:] = map(os.path.abspath, sys.path)
        os.chdir(scratch)
        tempfile.tempdir = scratch
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        nothing = os.open(os.devnull, os.O_RDWR)
        for standard in range(3):
            os.dup2(nothing, standard)
        with open(writing, "w", encoding="utf-8") as pipe:

            def say(what: Any) -> None:
                pipe.write(json.dumps(what) + "\n")
                pipe.flush()

            try:
                work(say)
                code = 0
            except BaseException:
                say(traceback.format_exc())
    finally:
        os._exit(code)


def limit_time(seconds: float) -> None:
    """Have the system end this process after that much more processor time, or when it has waited for much longer."""
    soft = int(time.process_time() + seconds) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))
    signal.setitimer(signal.ITIMER_REAL, WAITING * (seconds + 1))


def limit_memory(more: int) -> None:
    """Have allocations fail that take this process's addresses above what it has now by so many bytes."""
    if used := _addresses():
        resource.setrlimit(resource.RLIMIT_AS, (used + more, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _addresses() -> int:
    """Bytes of addresses that this process has; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
