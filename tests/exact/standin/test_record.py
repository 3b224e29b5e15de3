"""A run in the stand-in becomes a program: the same values again, and what follows from others put in their place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from parity.base.errors import InputError
from parity.exact.program import Program, evaluate
from parity.exact.standin import installed
from parity.exact.standin.record import Recording, observe, record, recording


def model(mx: Any) -> Any:
    """Two calls of each part, a table, a cache that is updated in place, a choice that depends on values."""
    import mlx.nn as nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.linear = nn.RMSNorm(4), nn.Linear(4, 4)
            self.linear.weight = mx.array(np.random.default_rng(0).normal(size=(4, 4)))
            self.linear.bias = mx.array([0.1, 0.2, 0.3, 0.4])
            self._table = mx.array(np.float32([1.1, 1.2, 1.3, 1.4]))

        def __call__(self, x: Any) -> Any:
            cache = mx.zeros((2, 4, 4))
            for step in range(2):
                x = x + nn.gelu(self.linear(self.norm(x))) * self._table
                cache[:, 2 * step : 2 * step + 2] = x[:, :2]
            cache += np.float32(0.1)
            doubled = x * mx.array(np.float32(0.7)) if x.sum().item() > 0 else -x
            return observe("doubled", doubled), {"rows": [mx.array([cache[0], cache[1]])], "none": None}

    return Block()


X = np.random.default_rng(1).normal(size=(2, 3, 4)) + 1


@pytest.fixture(scope="module")
def recorded() -> Recording:
    with installed() as mx:
        return recording(model(mx), [X])


@pytest.fixture(scope="module")
def program(recorded: Recording) -> Program:
    return recorded.program


def test_the_program_gives_the_values_of_the_run(recorded: Recording) -> None:
    values = evaluate(recorded.program, [X])
    assert set(values) == set(recorded.values)
    for number, value in values.items():
        np.testing.assert_array_equal(value, recorded.values[number])
        assert value.shape == recorded.program.shapes[number]
    outputs = [recorded.result[0], *recorded.result[1]["rows"]]
    assert [np.array_equal(values[number], np.array(made)) for number, made in zip(
        recorded.program.outputs, outputs, strict=True
    )] == [True, True]  # fmt: skip


def test_other_inputs_give_what_the_model_gives(program: Program) -> None:
    other = X * 1.5
    with installed() as mx:
        doubled, rest = model(mx)(mx.array(other))
    values = evaluate(program, [other])
    np.testing.assert_array_equal(values[program.outputs[0]], np.array(doubled))
    np.testing.assert_array_equal(values[program.outputs[1]], np.array(rest["rows"][0]))


def test_a_value_put_in_place_changes_what_follows(program: Program) -> None:
    number = program.taps["linear"]
    before = evaluate(program, [X])
    moved = evaluate(program, [X], replace={number: before[number] + 1e-3})
    assert not np.array_equal(moved[program.outputs[0]], before[program.outputs[0]])
    assert np.array_equal(moved[program.taps["norm"]], before[program.taps["norm"]])
    assert not np.array_equal(moved[program.taps["norm#1"]], before[program.taps["norm#1"]])


def test_functions_are_one_operation_each_with_place_module_and_arguments(program: Program) -> None:
    names = [node.operation for node in program.nodes]
    assert names.count("fast.rms_norm") == names.count("addmm") == names.count("erf") == 2
    assert names.count("setitem") == 2
    assert {"zeros", "getitem", "array", "sum"} <= set(names)
    norm = next(node for node in program.nodes if node.operation == "fast.rms_norm")
    assert (norm.module, norm.arguments["eps"]) == ("norm", 1e-5)
    assert norm.place is not None
    assert norm.place.file == __file__  # where the model asks for it, not the line of mlx.nn behind that
    assert "self.norm(x)" in norm.place.text
    again = [node for node in program.nodes if node.module == "linear#1"]
    assert [node.operation for node in again] == ["transpose", "addmm"]
    table = next(number for number, constant in program.constants.items() if constant.name == "_table")
    product = next(node for node in program.nodes if table in node.inputs)
    assert product.module == ""
    assert product.place is not None
    assert "_table" in product.place.text


def test_constants_have_the_names_of_parameters(program: Program) -> None:
    constants = {constant.name: constant for constant in program.constants.values() if constant.name}
    assert set(constants) == {"norm.weight", "linear.weight", "linear.bias", "_table"}
    assert constants["linear.bias"].array.tolist() == [0.1, 0.2, 0.3, 0.4]
    unnamed = [constant for constant in program.constants.values() if not constant.name]
    assert [(constant.array.item(), constant.rounded) for constant in unnamed] == [(float(np.float32(0.7)), "float32")]
    assert set(program.taps) == {"norm", "norm#1", "linear", "linear#1", "doubled"}
    assert {program.dtypes[number] for number in program.outputs} == {"float32"}


def test_without_values_none_are_kept() -> None:
    with installed() as mx:
        made = recording(model(mx), [X], values=False)
        program = record(model(mx), [X], source="a block")
    assert made.values == {}
    assert program.source == "a block"
    assert len(program.nodes) == len(made.program.nodes)


def test_outside_a_recording_nothing_is_recorded() -> None:
    with installed() as mx:
        x = mx.array([1.0])
        assert observe("x", x) is x
        made = record(lambda a: a * 2, [np.ones(2)])
        (x * 3).item()
    assert len(made.nodes) == 1


def test_after_an_error_recording_ends() -> None:
    with installed() as mx:

        def fails(x: Any) -> Any:
            raise KeyError

        with pytest.raises(KeyError):
            record(fails, [np.ones(2)])
        again = record(lambda x: x + 1, [np.ones(2)])
        assert (mx.ones(2) + 1).tolist() == [2.0, 2.0]
    assert [node.operation for node in again.nodes] == ["add"]


def test_what_is_no_array_is_handed_over() -> None:
    with installed():
        program = record(lambda x, scale, mask: x * scale if mask is None else x, [np.ones(2), 3.0, None])
    assert len(program.inputs) == 1
    assert evaluate(program, [np.full(2, 2.0)])[program.outputs[0]].tolist() == [6.0, 6.0]
    with pytest.raises(InputError, match="shape"):
        evaluate(program, [np.ones(3)])


def test_functions_of_several_results_and_of_numpy_arrays() -> None:
    def function(x: Any) -> Any:
        first, second = x.split(2, axis=1)
        return first * np.array([[1.5], [2.5]]), second

    with installed():
        program = record(function, [np.arange(8.0).reshape(2, 4)])
    assert [len(node.outputs) for node in program.nodes] == [2, 1]
    values = evaluate(program, [np.ones((2, 4))])
    assert values[program.outputs[0]].tolist() == [[1.5, 1.5], [2.5, 2.5]]
    assert values[program.outputs[1]].tolist() == [[1.0, 1.0], [1.0, 1.0]]
