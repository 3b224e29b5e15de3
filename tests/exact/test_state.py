"""Models that keep something from one call to the next: judged by their first call, and said."""

from __future__ import annotations

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
import torch

import parity

SETS = [{"x": np.random.default_rng(n).standard_normal((2, n)).astype(np.float32)} for n in (5, 8)]


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls, self.seen = 0, []

    def __call__(self, x):
        self.calls += 1
        self.seen.append(x)
        return mx.tanh(x) * self.calls


class Caching(nn.Module):
    """Keys of the calls before stay in front of the new ones."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(5, 5)
        self.kept = None

    def __call__(self, x):
        self.inner.kept = x if "kept" not in self.inner else mx.concatenate([self.inner.kept, x])
        return mx.tanh(self.inner.kept)


class Tabled(nn.Module):
    """A table that is made once, and does not change what is computed."""

    def __init__(self):
        super().__init__()
        self._table = None

    def __call__(self, x):
        if self._table is None or self._table.shape != x.shape:
            self._table = mx.ones(x.shape)
        return mx.tanh(x) * self._table


class Reference(torch.nn.Module):
    def forward(self, x):
        return torch.tanh(x)


class CountingReference(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = 0
        self.register_buffer("last", torch.zeros(1))

    def forward(self, x):
        self.calls += 1
        self.last = x
        return torch.tanh(x) * self.calls


def notes(found):
    return [note for note in found.proof.notes if "is called again" in note]


@pytest.mark.parametrize(
    ("reference", "port", "sets", "said"),
    [
        (Reference, Counting, SETS, "the port gives something else when it is called again"),
        (Reference, Caching, SETS[:1], "the port gives something else"),
        (CountingReference, lambda x: mx.tanh(x), SETS, "the reference gives something else"),
    ],
)
def test_a_model_that_keeps_something_is_judged_by_its_first_call(reference, port, sets, said):
    model = port() if isinstance(port, type) else port
    found = parity.compare(reference(), model, sets)
    assert found.passed, found
    (note,) = notes(found)
    assert said in note
    assert getattr(model, "calls", 0) == 0
    assert getattr(model, "seen", []) == []
    if "inner" in dir(model):
        assert "kept" not in model.inner


def test_a_table_that_is_made_once_is_no_state():
    found = parity.compare(Reference(), Tabled(), SETS)
    assert found.passed
    assert notes(found) == []
