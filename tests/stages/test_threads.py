"""mlx_impl.ops.cpu.threads: what the BLAS is told, and that it is told back."""

import os
from threading import Thread

import pytest

from mlx_impl.ops.cpu import threads
from mlx_impl.ops.cpu.threads import half_the_threads, one_thread
from parity.base.runtime import prepare


class Told:
    """Stands for a BLAS, and keeps what it was told."""

    def __init__(self):
        self.threads = [5]

    def set(self, count: int) -> None:
        self.threads.append(count)

    def get(self) -> int:
        return self.threads[-1]


@pytest.fixture
def told(monkeypatch):
    told = Told()
    monkeypatch.setattr(threads, "_set", told.set)
    monkeypatch.setattr(threads, "_get", told.get)
    return told


def test_one_inside_and_the_same_as_before_outside(told):
    with one_thread():
        assert told.threads == [5, 1]
    assert told.threads == [5, 1, 5]


def test_after_an_error_too(told):
    with pytest.raises(RuntimeError, match="inside"), one_thread():
        raise RuntimeError("inside")
    assert told.threads == [5, 1, 5]


def test_only_the_last_to_leave_tells_it_back(told):
    """Each would otherwise take the other's 1 for what was before."""
    inner = one_thread()
    with one_thread():
        other = Thread(target=inner.__enter__)
        other.start()
        other.join()
    assert told.threads == [5, 1]
    inner.__exit__(None, None, None)
    assert told.threads == [5, 1, 5]


def test_half_of_them_and_one_at_least(told):
    with half_the_threads():
        assert told.threads == [5, 2]
        with one_thread(), half_the_threads():  # not half of 1, nor of 2
            assert told.get() == 1
        assert told.get() == 2
    assert told.get() == 5
    told.set(1)
    with half_the_threads():
        assert told.get() == 1


def test_a_blas_that_cannot_be_told_is_left_alone(monkeypatch):
    monkeypatch.setattr(threads, "_set", None)
    with one_thread():
        pass


@pytest.mark.skipif(prepare() != "torch" or threads._get is None, reason="needs PyTorch's library with MKL under MLX")
def test_mkl_does_as_it_is_told():
    asked = threads._get()
    threads._set(os.cpu_count() or 1)  # the environment may have asked for one, whose half is one
    before = threads._get()
    try:
        with half_the_threads():
            assert threads._get() == max(1, before // 2)
            with one_thread():
                assert threads._get() == 1
        assert threads._get() == before
    finally:
        threads._set(asked)
