"""parity.capture.waiting: many values are computed at a time, and each is seen once, in order, as it was."""

from __future__ import annotations

import numpy as np
import torch

from parity.capture.runner import adapter
from parity.capture.waiting import MOST, MOST_BYTES, Waiting
from parity.contract import Tap

LAZY = adapter("mlx")
import mlx.core as mx  # noqa: E402 - the adapter prepares the process


def tap(number: int) -> Tap:
    return Tap(f"tap {number}", "path", "n")


def waiting_for(seen: list[tuple[str, list[float]]], framework: str = "mlx") -> Waiting:
    module = adapter(framework)
    return Waiting(module, lambda tap, value: seen.append((tap.name, module.view(value).tolist())))


def test_each_is_seen_once_in_order():
    seen: list[tuple[str, list[float]]] = []
    waiting, count = waiting_for(seen), 3 * MOST + 1
    for number in range(count):
        waiting.add(tap(number), mx.full((2,), number))
        assert len(seen) <= number, "the last one is not waited for"
        assert number + 1 - len(seen) <= 2 * MOST, "too many are held"
    waiting.flush()
    assert seen == [(f"tap {number}", [number, number]) for number in range(count)]
    waiting.flush()
    assert len(seen) == count


def test_big_values_are_not_held_for_long():
    seen: list[tuple[str, list[float]]] = []
    waiting = Waiting(LAZY, lambda tap, value: seen.append((tap.name, [])))
    for number in range(3):
        waiting.add(tap(number), mx.zeros((MOST_BYTES // 4,)))
    assert len(seen) == 2


def test_what_is_assigned_into_a_value_later_is_not_seen():
    seen: list[tuple[str, list[float]]] = []
    waiting, value = waiting_for(seen), mx.zeros((3,))
    waiting.add(tap(0), value)
    value[1] = 7
    waiting.add(tap(1), value)
    waiting.flush()
    assert seen == [("tap 0", [0, 0, 0]), ("tap 1", [0, 7, 0])]


def test_a_view_outlives_the_value_and_what_is_assigned_into_it():
    value = mx.arange(4.0)
    array = LAZY.view(LAZY.hold(value))
    value[:] = 7
    mx.eval(value)
    del value
    mx.eval(mx.zeros((1000,)) + 1)
    np.testing.assert_array_equal(array, [0, 1, 2, 3])


def test_a_framework_that_overwrites_in_place_is_seen_at_once():
    seen: list[tuple[str, list[float]]] = []
    waiting, value = waiting_for(seen, "torch"), torch.zeros(2)
    waiting.add(tap(0), value)
    value += 1
    waiting.flush()
    assert seen == [("tap 0", [0, 0])]
