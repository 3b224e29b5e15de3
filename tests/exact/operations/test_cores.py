"""parity.exact.operations.cores: pieces of work beside each other."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from parity.exact.operations import cores
from parity.exact.operations.cores import MUCH, each

ITEMS = range(100)


@pytest.fixture
def pool(monkeypatch):
    """Two cores, whatever this machine has."""
    with ThreadPoolExecutor(2) as made:
        monkeypatch.setattr(cores, "CORES", 2)
        monkeypatch.setattr(cores, "_pool", lambda: made)
        yield made


@pytest.mark.parametrize("multiplications", [0, MUCH])
def test_every_item_is_worked_on_once(pool, multiplications):
    done: list[int] = []
    each(done.append, ITEMS, multiplications)
    assert Counter(done) == Counter(ITEMS)


@pytest.mark.parametrize(("multiplications", "threads"), [(0, 1), (MUCH, 2)])
def test_items_go_to_another_thread_where_there_is_much_to_do(pool, multiplications, threads):
    at_work: set[int] = set()
    both = threading.Event()

    def work(item: int) -> None:
        at_work.add(threading.get_ident())
        if len(at_work) == threads:
            both.set()
        both.wait()

    each(work, ITEMS, multiplications)
    assert len(at_work) == threads and threading.get_ident() in at_work


def test_nobody_waits_for_a_core_that_is_taken(pool):
    free, done = threading.Event(), list[int]()
    taken = [pool.submit(free.wait) for _ in range(2)]
    each(done.append, ITEMS, MUCH)
    assert done == list(ITEMS) and not any(one.done() for one in taken)
    free.set()


def test_work_may_share_its_own_work(pool):
    done: list[tuple[int, int]] = []

    def work(item: int) -> None:
        each(lambda inner: done.append((item, inner)), range(5), MUCH)

    each(work, ITEMS, MUCH)
    assert Counter(done) == Counter((item, inner) for item in ITEMS for inner in range(5))


@pytest.mark.parametrize("mine", [True, False], ids=["of this thread", "of another"])
def test_what_an_item_raises_is_raised(pool, mine):
    caller, begun = threading.get_ident(), threading.Event()

    def work(item: int) -> None:
        if (threading.get_ident() == caller) == mine:
            begun.set()
            raise ValueError(f"item {item}")
        begun.wait()  # the other thread has one, too

    with pytest.raises(ValueError, match="item "):
        each(work, ITEMS, MUCH)


def test_the_number_of_threads_is_put_back_whoever_leaves_last(monkeypatch):
    """The second comes in before the first leaves, and leaves after it."""
    number = [4]
    monkeypatch.setattr(cores, "_threads", lambda: (lambda: number[0], lambda wanted: number.__setitem__(0, wanted)))
    first, second = cores.one_thread(), cores.one_thread()
    first.__enter__()
    second.__enter__()
    assert number == [1]
    first.__exit__(None, None, None)
    assert number == [1]
    second.__exit__(None, None, None)
    assert number == [4]
