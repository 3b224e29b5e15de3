"""parity.capture.trace: a file gives back what was stored without a copy; what is kept in memory is a copy."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

from parity.capture import trace as module
from parity.capture.trace import DiskTrace, copied, keep
from parity.contract import Tap

ARRAYS = [
    np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    np.arange(24, dtype=np.float64).reshape(2, 3, 4).transpose(2, 0, 1),
    np.arange(24).reshape(4, 6)[::2, 1:],
    np.array(2.5),
    np.array([True, False]),
    np.zeros((0, 3), np.float32),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_a_file_gives_back_what_was_stored(tmp_path, array):
    trace = DiskTrace(tmp_path / "new")
    trace["first"] = np.arange(3)
    trace["tap"] = array
    read = trace["tap"]
    assert (read.dtype, read.shape, list(trace)) == (array.dtype, array.shape, ["first", "tap"])
    np.testing.assert_array_equal(read, array)
    assert np.argsort(read.strides).tolist() == np.argsort(array.strides).tolist(), "in another memory order"
    trace["later"] = np.ones(1000)
    np.testing.assert_array_equal(trace["later"], np.ones(1000))
    np.testing.assert_array_equal(read, array)
    del trace["first"]
    assert list(trace) == ["tap", "later"]


def test_what_is_read_is_the_file_and_cannot_be_written_to(tmp_path):
    trace = DiskTrace(tmp_path / "new")
    trace["tap"] = np.arange(4.0)
    assert np.shares_memory(trace["tap"], trace["tap"])
    with pytest.raises(ValueError, match="read-only"):
        trace["tap"][0] = 1


def test_what_is_stored_anew_takes_the_place_of_what_was(tmp_path):
    trace = DiskTrace(tmp_path / "new")
    trace["tap"] = np.arange(4.0)
    before = trace["tap"]
    trace["tap"] = np.arange(6)
    assert (before.tolist(), trace["tap"].tolist(), len(trace)) == ([0, 1, 2, 3], [0, 1, 2, 3, 4, 5], 1)


def test_a_folder_that_is_there_is_refused(tmp_path):
    with pytest.raises(FileExistsError):
        DiskTrace(tmp_path)


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_what_is_kept_is_as_it_was_seen(tmp_path, kind):
    trace = {} if kind == "memory" else DiskTrace(tmp_path / "new")
    seen = np.arange(4.0)
    keep(trace)(Tap("tap", "tap", "n"), seen)
    seen[:] = 7
    assert trace["tap"].tolist() == [0, 1, 2, 3]


def test_a_state_that_is_copied_may_be_written_to(tmp_path):
    trace = DiskTrace(tmp_path / "new")
    trace["state"] = np.arange(6.0).reshape(2, 3).T
    state = copied(trace)
    state["state"][:] = 7
    assert trace["state"].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_what_was_read_takes_memory_no_longer_than_it_is_held_but_for_the_last(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "HELD", 3 * np.arange(4.0).nbytes)
    trace = DiskTrace(tmp_path / "new")
    trace["tap"], trace["large"] = np.arange(4.0), np.arange(13.0)
    held = trace["tap"]
    first = weakref.ref(trace.mapped)
    for _ in range(2):
        assert np.shares_memory(held, trace["tap"])
    assert not np.shares_memory(held, trace["tap"])
    np.testing.assert_array_equal(held, np.arange(4.0))
    assert first() is not None
    del held
    assert first() is None
    last = trace.mapped
    np.testing.assert_array_equal(trace["large"], np.arange(13.0))
    assert trace.mapped is last
