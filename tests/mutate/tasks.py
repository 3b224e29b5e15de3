"""What the processes of `test_pool.py` do."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from parity.mutate.forked import forked


def doubled(number: int) -> int:
    return 2 * number


def without_end(folder: Path) -> None:
    """A forked process that never ends, which has left its number in a file."""

    def work(say: Any) -> None:
        (folder / "child").write_text(str(os.getpid()))
        (folder / "ready").touch()
        while True:
            signal.pause()

    forked(work)


def told(folder: Path) -> None:
    """Nothing, as soon as the process that never ends is there."""
    while not (folder / "ready").exists():
        pass


class Interrupting:
    """What interrupts the process that packs it for another."""

    def __reduce__(self) -> tuple[Any, ...]:
        signal.raise_signal(signal.SIGINT)
        return Interrupting, ()
