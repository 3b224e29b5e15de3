"""Models that keep something from one call to the next: judged by their first call, and said."""

from __future__ import annotations

from functools import partial

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
import torch
from torch.nn.utils.prune import random_unstructured

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


class Normed(torch.nn.Module):
    """The older weight norm: the folded weight is a tensor that was computed from two parameters."""

    def __init__(self, width):
        super().__init__()
        with pytest.warns(FutureWarning):
            self.inner = torch.nn.utils.weight_norm(torch.nn.Linear(width, 40, bias=False))
        self.inner.weight_g.data *= 1.5
        self.inner(torch.zeros(1, width))

    def forward(self, x):
        return self.inner(x)


class Pruned(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.inner = random_unstructured(torch.nn.Linear(width, 40, bias=False), "weight", 0.5)

    def forward(self, x):
        return self.inner(x)


class Remembering(torch.nn.Module):
    """It has been called once, outside of a proof."""

    def __init__(self, width):
        super().__init__()
        self.inner, self.outputs = torch.nn.Linear(width, 40, bias=False), []
        self(torch.zeros(1, width))

    def forward(self, x):
        self.outputs.append(self.inner(x))
        return self.outputs[-1]


@pytest.mark.parametrize("kind", [Normed, Pruned, Remembering])
@pytest.mark.parametrize("scale", [1.0, 1.001])
def test_a_model_may_hold_tensors_computed_from_its_parameters(kind, scale):
    torch.manual_seed(0)
    model = kind(5)
    port = nn.Linear(5, 40, bias=False)
    port.weight = mx.array(model.inner.weight.detach().numpy() * np.float32(scale))
    assert parity.compare(model, port, SETS[0], exact=True).passed == (scale == 1)
    assert len(getattr(model, "outputs", [0])) == 1


class Writing(torch.nn.Module):
    """Its parameter is what `forward` writes to."""

    def __init__(self, step=1.0):
        super().__init__()
        self.count, self.step = torch.nn.Parameter(torch.zeros(1)), step

    def forward(self, x):
        with torch.no_grad():
            self.count.add_(self.step)
        return x + self.count


class Replacing(Writing):
    """Its parameter gets other memory."""

    def forward(self, x):
        self.count.data = self.count.data + self.step
        return x + self.count


@pytest.mark.parametrize("kind", [Writing, Replacing])
@pytest.mark.parametrize("step", [1.0, 1.001])
def test_parameters_that_a_model_writes_are_put_back_after_each_run(kind, step):
    model = kind(step)
    assert parity.compare(model, lambda x: x + 1, SETS).passed == (step == 1)
    assert model.count.item() == 0


MODEL = Caching()


def of_a_global(x):
    return MODEL(x)


def around_a_closure(model=None):
    model = model or Caching()
    return lambda x: model(x)


def counting():
    seen = []

    def port(x):
        seen.append(x)
        return mx.tanh(x) * len(seen)

    return port


def rebinding():
    before = None

    def port(x):
        nonlocal before
        before = x if before is None else mx.concatenate([before, x])
        return mx.tanh(before)

    return port


class Around:
    """No module: what it holds is one."""

    def __init__(self):
        self.models = {"inner": Caching()}

    def __call__(self, x):
        return self.models["inner"](x)


def in_place():
    total = mx.zeros((2, 5))

    def port(x):
        total[:] = total + x
        return mx.tanh(total)

    return port


@pytest.mark.parametrize(
    "port",
    [
        of_a_global,
        around_a_closure(),
        partial(lambda model, x: model(x), Caching()),
        Caching().__call__,
        counting(),
        rebinding(),
        in_place(),
        Around().__call__,
    ],
    ids=["global", "closure", "partial", "method", "list", "rebinding", "in_place", "object"],
)
def test_what_a_function_reaches_is_as_it_was_before(port):
    for scale in (1, 1.001):
        found = parity.compare(lambda x, scale=scale: torch.tanh(x) * scale, port, SETS[0])
        assert found.passed == (scale == 1), found
    assert port(mx.ones((2, 5))).shape == (2, 5)


def test_tensors_that_a_function_writes_to_are_put_back():
    total = torch.zeros(1)
    assert parity.compare(lambda x: x + total.add_(1), lambda x: x + 1, SETS).passed
    assert total.item() == 0
