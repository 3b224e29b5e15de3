"""Constants rounded to float32: the reference's where it lies inside, listed with their effect where none does."""

from __future__ import annotations

import numpy as np
import pytest

from parity.exact.constants import half_ulp
from parity.exact.program import Program
from parity.match.matching import Matching, match

from .builder import Builder

LENGTHS = (9, 12, 17)
WIDTH = 16
WEIGHT = np.random.default_rng(0).standard_normal((WIDTH, WIDTH))
FREQUENCIES = 1 / 10000 ** (np.arange(WIDTH // 2) / WIDTH)


def single(array: object) -> np.ndarray:
    return np.asarray(array).astype(np.float32).astype(np.float64)


def inputs() -> list[np.ndarray]:
    draw = np.random.default_rng(1)
    return [draw.standard_normal((2, length, WIDTH)) for length in LENGTHS]


def reference(x: np.ndarray) -> Program:
    b = Builder()
    h = b.input(x) * b.constant(0.1) @ b.constant(WEIGHT, "weight")
    angle = b.constant((np.arange(x.shape[1])[:, None] + 0.3) * np.concatenate([FREQUENCIES, FREQUENCIES]))
    return b.program((h + b.run("sin", np.sin, angle)) @ b.constant(WEIGHT.T))


def candidate(x: np.ndarray, scale: float, frequencies: np.ndarray, rounded: str) -> Program:
    """The scale and the frequencies are float32's; angles are computed from them."""
    b = Builder()
    h = b.input(x) * b.constant(scale, rounded=rounded) @ b.constant(WEIGHT)
    row = b.constant(frequencies, rounded=rounded)
    place = b.constant(np.arange(x.shape[1])[:, None] + 0.3)
    angle = b.run("concatenate", lambda a: np.concatenate([a, a], -1), place * row)
    return b.program((h + b.run("sin", np.sin, angle)) @ b.constant(WEIGHT.T))


def run(scale: float, frequencies: np.ndarray, rounded: str = "float32") -> Matching:
    given = [[x] for x in inputs()]
    candidates = [candidate(x, scale, frequencies, rounded) for x in inputs()]
    return match([reference(x) for x in inputs()], candidates, given, given)


def test_the_references_constant_is_taken_where_it_lies_inside() -> None:
    matching = run(float(single(0.1)), FREQUENCIES)
    assert matching.equal
    assert [one.shape for one in matching.unresolved] == [(WIDTH // 2,)]


def test_what_is_within_the_effect_of_an_unresolved_constant_is_equal_and_listed() -> None:
    matching = run(float(single(0.1)), single(FREQUENCIES))
    assert matching.equal
    assert matching.proven
    (unresolved,) = matching.unresolved
    (use,) = unresolved.uses
    assert 1e-10 < use.error < 1e-6


def test_a_constant_further_away_is_a_departure() -> None:
    matching = run(0.1 * (1 + 1e-6), FREQUENCIES)
    assert [one.kind for one in matching.departures] == ["differs"]
    assert matching.explanations[0].reference.formula == "x · 0.1"
    assert matching.explanations[0].candidate.formula == "x · 0.1000001"
    assert run(0.1, single(FREQUENCIES) * (1 + 2e-6)).departures != []


@pytest.mark.parametrize(("frequencies", "departures"), [(single(FREQUENCIES), 1), (FREQUENCIES * (1 + 2e-6), 2)])
def test_behind_a_departure_the_effect_of_a_rounded_constant_is_none(frequencies, departures) -> None:
    """The factor that is made of the frequencies is no value of the reference: its product with the mended one is."""

    def ours(x: np.ndarray) -> Program:
        b = Builder()
        h = b.input(x) * b.constant(0.1) @ b.constant(WEIGHT, "weight")
        angle = (np.arange(x.shape[1])[:, None] + 0.3) * np.concatenate([FREQUENCIES, FREQUENCIES])
        return b.program((h * b.constant(2.0)) * b.constant(np.sin(angle) / 2) @ b.constant(WEIGHT.T))

    def theirs(x: np.ndarray) -> Program:
        b = Builder()
        h = b.input(x) * b.constant(0.11) @ b.constant(WEIGHT)
        angle = b.constant(np.arange(x.shape[1])[:, None] + 0.3) * b.constant(frequencies, rounded="float32")
        factor = b.run("sin", lambda a: np.sin(np.concatenate([a, a], -1)), angle)
        return b.program(h * factor @ b.constant(WEIGHT.T))

    given = [[x] for x in inputs()]
    matching = match([ours(x) for x in inputs()], [theirs(x) for x in inputs()], given, given)
    assert len(matching.departures) == departures
    assert matching.proven
    (unresolved,) = matching.unresolved
    assert len(unresolved.uses) == 2 - departures


def test_a_constant_that_was_not_rounded_stands_for_itself() -> None:
    matching = run(float(single(0.1)), single(FREQUENCIES), rounded="")
    assert len(matching.departures) == 2
    assert matching.unresolved == []


@pytest.mark.parametrize(("dtype", "bits"), [("float32", 24), ("float16", 11), ("bfloat16", 8)])
def test_half_an_ulp(dtype: str, bits: int) -> None:
    values = np.array([1.0, 1.5, 3.0, -0.25])
    np.testing.assert_array_equal(half_ulp(values, dtype), np.array([1, 1, 2, 0.25]) * 2.0**-bits)


def test_the_largest_number_is_no_interval_of_all_numbers() -> None:
    """Masks hold it. Half an ulp of it is finite, and what needs no rounding stands for itself."""
    largest = float(np.finfo(np.float32).max)
    np.testing.assert_array_equal(half_ulp(np.array([-largest, 0.0, -np.inf]), "float32"), [2.0**103, 0, 0])


@pytest.mark.parametrize(("dtype", "largest"), [("float16", 65504.0), ("bfloat16", 255 * 2.0**120)])
def test_half_an_ulp_of_the_largest_number_would_be_infinite_in_half_precision(dtype: str, largest: float) -> None:
    below = largest * (1 - 2.0**-12) * 0.75
    error, smaller = half_ulp(np.array([-largest, below]), dtype)
    assert error == 0 < smaller


def with_biases(names: tuple[str, str], added: float) -> Matching:
    """The reference adds two biases one after the other; the candidate one, which float32 holds."""
    draw = np.random.default_rng(2)
    first, second = single(draw.standard_normal(WIDTH)), single(draw.standard_normal(WIDTH))
    ours, theirs = [], []
    for x in inputs():
        b = Builder()
        made = (
            b.input(x) @ b.constant(WEIGHT, "lstm.weight") + b.constant(first, names[0]) + b.constant(second, names[1])
        )
        ours.append(b.program(made))
        b = Builder()
        bias = b.constant(single(first + second + added), rounded="float32")
        theirs.append(b.program(b.input(x) @ b.constant(WEIGHT) + bias))
    given = [[x] for x in inputs()]
    return match(ours, theirs, given, given)


def test_two_biases_of_a_module_are_added_in_double() -> None:
    matching = with_biases(("lstm.bias_ih", "lstm.bias_hh"), 0.0)
    assert matching.equal and matching.unresolved == []
    assert with_biases(("lstm.bias_ih", "linear.bias"), 0.0).unresolved != []
    assert not with_biases(("lstm.bias_ih", "lstm.bias_hh"), 1e-6).equal


@pytest.mark.parametrize("parts", [1.0, np.repeat([1.0, 0.0], WIDTH // 2)], ids=["all", "a part"])
def test_a_number_that_lies_near_a_sum_by_chance_is_not_taken_for_it(parts: float | np.ndarray) -> None:
    """A number of the second row is the first sum, rounded to float32: it is nearer to what the port holds."""
    draw = np.random.default_rng(2)
    first, second = single(draw.standard_normal(WIDTH)), single(draw.standard_normal(WIDTH))
    second[-1] = single(first + second)[0]
    assert second[-1] != first[0] + second[0]
    ours, theirs = [], []
    for x in inputs():
        b = Builder()
        made = b.input(x) @ b.constant(WEIGHT, "gru.weight") + b.constant(first, "gru.bias_ih")
        ours.append(b.program(made + b.constant(second, "gru.bias_hh") * b.constant(parts * np.ones(WIDTH))))
        b = Builder()
        bias = b.constant(single(first + parts * second), rounded="float32")
        theirs.append(b.program(b.input(x) @ b.constant(WEIGHT) + bias))
    given = [[x] for x in inputs()]
    matching = match(ours, theirs, given, given)
    assert matching.equal and matching.unresolved == []


def with_a_row(size: int, factor: float) -> Matching:
    """A row that is too short to tell a weight by, stored in float32."""
    row = np.random.default_rng(3).standard_normal(size)
    ours, theirs = [], []
    for x in inputs():
        for programs, held, rounded in ((ours, row, ""), (theirs, single(row * factor), "float32")):
            b = Builder()
            made = b.input(x) @ b.constant(WEIGHT[:, :size])
            programs.append(b.program(made + b.constant(held, rounded=rounded)))
    given = [[x] for x in inputs()]
    return match(ours, theirs, given, given)


@pytest.mark.parametrize("size", [2, 7])
def test_a_short_row_is_taken_where_it_lies_inside(size: int) -> None:
    matching = with_a_row(size, 1.0)
    assert matching.equal and matching.unresolved == []
    assert not with_a_row(size, 1 + 1e-6).equal


def test_a_fused_weight_needs_no_other_value() -> None:
    halves = single(WEIGHT)[:, :8], single(WEIGHT)[:, 8:]
    ours, theirs = [], []
    for x in inputs():
        b = Builder()
        taken = b.input(x)
        made = b.run("concatenate", lambda *a: np.concatenate(a, -1), *(taken @ b.constant(half) for half in halves))
        ours.append(b.program(made))
        b = Builder()
        theirs.append(b.program(b.input(x) @ b.constant(np.concatenate(halves, 1), rounded="float32")))
    given = [[x] for x in inputs()]
    matching = match(ours, theirs, given, given)
    assert matching.equal and matching.unresolved == []
