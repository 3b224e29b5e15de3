"""A program in double is run as it stands, with values replaced for all uses or for one."""

import numpy as np
import pytest

from parity.base.errors import InputError
from parity.exact.places import caller
from parity.exact.program import Constant, Node, Program, evaluate


def double(x):
    return (2 * x,)


def total(x, y):
    return (x + y,)


@pytest.fixture
def program() -> Program:
    """y = 2 x + c, out = y + x."""
    return Program(
        inputs=(0,),
        constants={1: Constant(np.array([10.0, 20.0]), "c")},
        nodes=(
            Node("Double", (0,), (2,), double),
            Node("Add", (2, 1), (3,), total),
            Node("Add", (3, 0), (4,), total),
        ),
        outputs=(4,),
        taps={"y": 3},
        shapes={0: (2,)},
    )


def test_a_program_is_run_in_double(program):
    values = evaluate(program, [np.array([0.1, 1.0], np.float32)])
    assert values[0].dtype == np.float64
    np.testing.assert_array_equal(values[4], 3 * np.array([0.1, 1.0], np.float32).astype(np.float64) + [10, 20])
    assert set(values) == {0, 1, 2, 3, 4}


def test_without_keep_outputs_and_taps_alone_stay(program):
    assert set(evaluate(program, [np.ones(2)], keep=False)) == {0, 3, 4}


def test_a_value_is_replaced_for_all_that_take_it(program):
    values = evaluate(program, [np.ones(2)], replace={2: np.zeros(2)})
    np.testing.assert_array_equal(values[4], [11, 21])
    np.testing.assert_array_equal(evaluate(program, [np.ones(2)], replace={1: np.zeros(2)})[4], [3, 3])


def test_an_edge_is_replaced_for_one_use(program):
    values = evaluate(program, [np.ones(2)], edges={(2, 1): np.full(2, 100.0)})
    np.testing.assert_array_equal(values[4], [112, 122])


def test_what_comes_after_an_operation_is_gone_on_with(program):
    seen = []
    values = evaluate(program, [np.ones(2)], after=lambda node, number, value: seen.append(number) or value + 1)
    assert seen == [2, 3, 4]
    np.testing.assert_array_equal(values[4], [16, 26])


@pytest.mark.parametrize("inputs", [[], [np.ones(3)], [np.ones(2), np.ones(2)]])
def test_inputs_that_do_not_fit_are_refused(program, inputs):
    with pytest.raises(InputError, match=r"inputs, got|shape"):
        evaluate(program, inputs)


def test_users_and_makers(program):
    assert [node.outputs for node in program.users()[0]] == [(2,), (4,)]
    assert program.makers()[3].inputs == (2, 1)


def asks(*skipped):
    return caller(*skipped)


def test_the_caller_is_found_outside_of_what_is_skipped():
    place = asks("parity")
    assert place.file == __file__
    assert place.text == 'place = asks("parity")'
    assert asks(__name__).file != __file__


def test_the_line_that_asked_is_the_next_outside_of_libraries():
    library = {"asks": asks, "__name__": "mlx.nn.layers.activations"}
    exec(compile("def gelu():\n    return asks('parity')\n", "activations.py", "exec"), library)
    place = library["gelu"]()
    assert (place.file, place.line, place.function) == ("activations.py", 2, "gelu")
    assert place.asked.text == 'place = library["gelu"]()'
    assert place.asked.asked.file != __file__
