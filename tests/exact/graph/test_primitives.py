"""Each primitive's definition against MLX itself on the CPU: the same function, once run and once exported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parity.exact.graph import program
from parity.exact.mlx.events import from_events
from parity.exact.primitives import TABLE
from parity.exact.program import Program, evaluate
from tests.exact.bounds import within
from tests.exact.graph import cases_of_parts, cases_of_sums  # noqa: F401 - they enter their cases
from tests.exact.graph.cases import CASES, Case
from tests.exact.operations.real import to_mlx, to_numpy

EXAMPLES = 6
"""Of each primitive: its definition has its own tests, so here its arguments and their order are at stake."""


@pytest.mark.parametrize("name", CASES)
@given(data=st.data())
@settings(deadline=None, max_examples=EXAMPLES, derandomize=True)
def test_a_primitive_is_what_mlx_computes(name: str, data: Any) -> None:
    compare(name, data)


def compare(name: str, data: Any) -> None:
    case = CASES[name](data)
    arrays = to_mlx(list(case.inputs))
    result = case.function(*arrays)
    actual = [to_numpy(each) for each in (result if isinstance(result, list) else [result])]
    events: list[Any] = []
    mx.export_function(events.append, case.function, *arrays, shapeless=case.shapeless)
    graph = from_events(events)
    assert name.split()[0] in {call.name for call in graph.calls}
    made = program(graph)
    assert [made.dtypes[number] for number in made.outputs] == [
        str(each.dtype).rpartition(".")[2] for each in (result if isinstance(result, list) else [result])
    ]
    check(made, actual, case.inputs, case.terms, case.ulps, case.apart)


def check(
    made: Program, actual: Sequence[np.ndarray], inputs: Sequence[np.ndarray], terms: int, ulps: float, apart: bool
) -> None:
    """Assert that results of single precision are within the bound of a program's outputs in double."""
    for place, each in enumerate(actual):

        def definition(*inputs: np.ndarray, place: int = place) -> np.ndarray:
            return evaluate(made, inputs)[made.outputs[place]]

        with np.errstate(all="ignore"):
            total = definition(*[np.abs(x) if x.dtype.kind == "f" else x for x in inputs]) if terms else 0.0
        sizes = np.abs(total) if terms >= 0 else _scale(inputs)
        within(each, definition, inputs, ulps=ulps, terms=abs(terms), total=sizes, apart=apart)


def _scale(inputs: Any) -> float:
    """An upper bound of the size of each product of a bilinear operation, whatever is quantised or masked."""
    return float(np.prod([max(1.0, np.abs(x).max()) for x in inputs[:2] if x.dtype.kind == "f"]))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("Softmax", lambda x, *, precise: np.exp(x) / (np.exp(x).sum(-1, keepdims=True) + 1e-5)),
        ("Greater", np.greater_equal),
        ("Gather", lambda x, *indices, axes, sizes: np.zeros((*indices[0].shape, *sizes))),
        ("Transpose", lambda x, *, axes: x.reshape([x.shape[axis] for axis in axes])),
    ],
)
def test_a_wrong_definition_is_noticed(monkeypatch: pytest.MonkeyPatch, name: str, wrong: Any) -> None:
    monkeypatch.setitem(TABLE, name, replace(TABLE[name], definition=wrong))
    inputs = [np.arange(12, dtype=np.float32).reshape(3, 4) / 4]
    function = {
        "Softmax": lambda x: mx.softmax(x, -1),
        "Greater": lambda x: x > x,
        "Gather": lambda x: mx.take(x, mx.array([2, 0]), 0),
        "Transpose": mx.transpose,
    }[name]
    monkeypatch.setitem(CASES, name, lambda data: Case(function, inputs))
    with pytest.raises(AssertionError):
        compare(name, None)
