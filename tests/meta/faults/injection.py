"""How a command is hurt. What needs a privilege has another means without it, so that nothing is left out."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BLOCK = 2**16  # bytes of the disk that is full, and of a pipe
END = b"the end"


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """A file system without a free byte at `folder`; who may not mount one gets a limit of no bytes a file."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={BLOCK}", "none", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
        try:
            with suppress_full(), (folder / "filler").open("wb", buffering=0) as file:
                while file.write(b"\0" * 512):
                    pass
            yield
        finally:
            subprocess.run(["umount", str(folder)], check=True)
    else:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def suppress_full() -> Iterator[None]:
    try:
        yield
    except OSError:
        return


@contextmanager
def device(path: Path) -> Iterator[None]:
    """A device that takes all; who may not make one gets a pipe with a reader."""
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        os.close(os.open(path, os.O_WRONLY))
        yield
    except PermissionError:
        path.unlink(missing_ok=True)
        os.mkfifo(path)
        pipe = os.open(path, os.O_RDWR)
        reader = threading.Thread(target=drain, args=[pipe])
        reader.start()
        try:
            yield
        finally:
            os.write(pipe, END)
            reader.join()
            os.close(pipe)


def drain(pipe: int) -> None:
    while not os.read(pipe, BLOCK).endswith(END):
        pass


@contextmanager
def closed_pipe(monkeypatch: Any) -> Iterator[None]:
    """Standard output that nobody reads."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        yield
        monkeypatch.undo()


def unreadable(path: Path) -> None:
    """Put a file in the place of another whose every read fails, for root as well."""
    path.unlink()
    path.symlink_to("/proc/self/mem")


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


_moment: list[tuple[str, str]] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _moment and event == _moment[0][0] and _moment[0][1] in str(arguments[0]):
        _moment.clear()
        signal.raise_signal(signal.SIGINT)


@contextmanager
def interrupted(event: str, name: str) -> Iterator[None]:
    """Ctrl-C at an event of Python's audit whose first argument holds `name`."""
    if not getattr(sys, "_faults_hooked", False):
        sys.addaudithook(_hook)
        sys._faults_hooked = True  # type: ignore[attr-defined]
    _moment[:] = [(event, name)]
    try:
        yield
        assert not _moment, f"{event} of {name} was never reached"
    finally:
        _moment.clear()
