"""Processes of a survey end with it, whatever they do."""

from __future__ import annotations

import multiprocessing
import os
import time
from contextlib import suppress
from pathlib import Path

import pytest

from parity.mutate.pool import Pool
from tests.mutate.tasks import Interrupting, doubled, told, without_end


def is_there(process: int) -> bool:
    """Whether it runs: one that has ended, and waits for nobody, does not."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_every_task_has_its_result():
    with Pool(2) as pool:
        assert dict(pool.map(doubled, {name: (len(name),) for name in ("a", "bb", "ccc")})) == {
            "a": 2,
            "bb": 4,
            "ccc": 6,
        }
        assert list(pool.map(doubled, {"a": (1,)}, enough=lambda: True)) == []


def test_a_process_that_never_ends_is_ended_with_its_own(tmp_path):
    with suppress(KeyboardInterrupt), Pool(2) as pool:
        pool.executor.submit(without_end, tmp_path)
        assert list(pool.map(told, {"told": (tmp_path,)})) == [("told", None)]
        raise KeyboardInterrupt
    child = int((tmp_path / "child").read_text())
    while is_there(child):  # the system may take a moment
        time.sleep(0.01)
    assert multiprocessing.active_children() == []


def test_an_interrupt_while_a_process_is_made_leaves_none():
    with pytest.raises(KeyboardInterrupt), Pool(2, print, Interrupting()) as pool:
        list(pool.map(doubled, {number: (number,) for number in range(8)}))
    assert multiprocessing.active_children() == []


def test_an_error_of_a_task_is_the_callers():
    with pytest.raises(TypeError), Pool(1) as pool:
        list(pool.map(doubled, {"none": (None,)}))
