"""Rounding at random: what a coin may do to a value, and that MLX's float32 lies within what the model draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from parity.base.draws import normal
from parity.base.metrics import rms, rmse
from parity.exact.operations.convolution import convolve
from parity.exact.program import Node, Program, evaluate
from parity.exact.rounding import RUNS, Floors, Rounding, composites
from parity.exact.rounding.programs import floors, rounded

DOUBLES = arrays(np.float64, st.integers(1, 40), elements=st.floats(-1e30, 1e30).filter(lambda x: abs(x) > 1e-30))


def wide(*shape: int) -> np.ndarray:
    return normal("rounding", f"wide {shape}", shape).astype(np.float64)


@settings(deadline=None, max_examples=40)
@given(DOUBLES, st.integers(0, 5))
def test_a_coin_gives_one_of_both_neighbours(values, number):
    below = np.nextafter(values.astype(np.float32), np.float32(-np.inf)).astype(np.float64)
    above = np.nextafter(values.astype(np.float32), np.float32(np.inf)).astype(np.float64)
    found = Rounding("coin", number).once(values)
    assert (found == found.astype(np.float32)).all()
    assert ((below <= found) & (found <= above)).all()
    assert (np.abs(found - values) < np.abs(np.spacing(found.astype(np.float32)))).all()


def test_both_neighbours_are_given_and_a_float32_stays():
    third = np.full(1000, 1 / 3)
    found = Rounding("coin", 0).once(third)
    assert len(np.unique(found)) == 2
    assert abs((found > third).mean() - 0.5) < 0.1
    kept = np.array([np.inf, -np.inf, 0.0, -0.0, 1.0, float(np.float32(0.1))])
    np.testing.assert_array_equal(Rounding("coin", 0).once(kept), kept)
    assert np.isnan(Rounding("coin", 0).once(np.array([np.nan]))).all()
    whole = np.arange(3)
    assert Rounding("coin", 0).once(whole) is whole


@pytest.mark.parametrize("shape", [(), (7,), (40, 50)])
def test_one_number_of_more_bits_is_rounded_wherever_it_is(shape):
    """A look at the first numbers says that all are to be rounded, and never that none is."""
    for place in {0, max(int(np.prod(shape)) - 1, 0)}:
        values = np.ones(shape)
        values.reshape(-1)[place] = 1 / 3
        for laid_out in (values, values.T):
            found = Rounding("a place", 0).once(laid_out)
            assert (found == found.astype(np.float32)).all()
            assert np.count_nonzero(found != laid_out) == 1


def test_a_run_is_the_same_again_and_another_is_not():
    values = normal("rounding", "values", (100,)).astype(np.float64) / 3
    once, again, other = (Rounding("a run", number).once(values) for number in (0, 0, 1))
    np.testing.assert_array_equal(once, again)
    assert (once != other).any()


@pytest.mark.parametrize("terms", [2, 30, 700])
@pytest.mark.parametrize("offset", [0.0, 3.0])
def test_a_sum_has_the_error_of_adding_one_by_one(terms, offset):
    x = (normal("rounding", f"sum {terms} {offset}", (4000, terms)) + np.float32(offset)).astype(np.float64)
    added, r = np.zeros(4000), Rounding("added", 0)
    for term in x.T:
        added = r.once(added + term)
    drawn = Rounding("drawn", 0).sum(x, -1)
    assert 0.85 < rmse(drawn, x.sum(-1)) / rmse(added, x.sum(-1)) < 1.2


@pytest.mark.parametrize("terms", [1, 2, 30])
def test_a_product_has_the_error_of_its_terms_and_of_adding_them(terms):
    a, b = wide(60, terms), wide(terms, 50)
    added, r = np.zeros((60, 50)), Rounding("added", 0)
    for column, row in zip(a.T, b, strict=True):
        added = r.once(added + r.once(np.outer(column, row)))
    for drawn in (Rounding("drawn", 0).matmul(a, b), Rounding("drawn", 0).product(np.matmul, a, b)):
        assert 0.85 < rmse(drawn, a @ b) / rmse(added, a @ b) < 1.2


ROWS = 40, 96
OPERATIONS: dict[str, tuple[Callable[..., mx.array], Callable[..., np.ndarray], tuple[np.ndarray, ...]]] = {
    "matmul": (mx.matmul, Rounding.matmul, (wide(40, 300), wide(300, 20))),
    "conv1d": (
        lambda x, w: mx.conv1d(x, w, padding=2),
        lambda r, x, w: r.product(lambda x, w: convolve(x, w, 1, 2, 2), x, w),
        (wide(2, 30, 24), wide(16, 5, 24)),
    ),
    "exp": (mx.exp, Rounding.exp, (3 * wide(*ROWS),)),
    "sigmoid": (mx.sigmoid, composites.sigmoid, (3 * wide(*ROWS),)),
    "logaddexp": (mx.logaddexp, composites.logaddexp, (wide(*ROWS), wide(*ROWS)[::-1])),
    "softmax": (lambda a: mx.softmax(a, -1), lambda r, a: composites.softmax(r, a, -1), (3 * wide(*ROWS),)),
    "logsumexp": (lambda a: mx.logsumexp(a, -1), lambda r, a: composites.logsumexp(r, a, -1), (wide(*ROWS),)),
    "mean": (lambda a: mx.mean(a, -1), lambda r, a: composites.mean(r, a, -1), (wide(*ROWS),)),
    "var": (lambda a: mx.var(a, -1), lambda r, a: composites.var(r, a, -1), (wide(*ROWS),)),
    "std": (lambda a: mx.std(a, -1), lambda r, a: composites.std(r, a, -1), (wide(*ROWS),)),
    "norm": (lambda a: mx.linalg.norm(a, axis=-1), lambda r, a: composites.norm(r, a, axis=-1), (wide(*ROWS),)),
    "cumsum": (
        lambda a: mx.cumsum(a, -1, reverse=True, inclusive=False),
        lambda r, a: composites.cumsum(r, a, -1, reverse=True, inclusive=False),
        (wide(*ROWS),),
    ),
    "addmm": (mx.addmm, composites.addmm, (wide(40, 20), wide(40, 300), wide(300, 20))),
    "rms_norm": (
        lambda x, w: mx.fast.rms_norm(x, w, 1e-5),
        lambda r, x, w: composites.rms_norm(r, x, w, 1e-5),
        (wide(*ROWS), wide(96)),
    ),
    "layer_norm": (
        lambda x, w, b: mx.fast.layer_norm(x, w, b, 1e-5),
        lambda r, x, w, b: composites.layer_norm(r, x, w, b, 1e-5),
        (wide(*ROWS) + 2, wide(96), wide(96)[::-1]),
    ),
    "rope": (
        lambda a: mx.fast.rope(a, 16, traditional=False, base=10000.0, scale=1.0, offset=100),
        lambda r, a: composites.rope(r, a, 16, traditional=False, base=10000.0, offset=100),
        (wide(2, 3, 20, 24),),
    ),
    "attention": (
        lambda q, k, v: mx.fast.scaled_dot_product_attention(q, k, v, scale=0.25, mask="causal"),
        lambda r, q, k, v: composites.scaled_dot_product_attention(r, q, k, v, scale=0.25, mask="causal"),
        (wide(2, 4, 20, 16), wide(2, 2, 25, 16), wide(2, 2, 25, 16)[::-1]),
    ),
}


class Exactly(Rounding):
    """Rounds nothing: what a composite function comes to in double."""

    def once(self, value: np.ndarray) -> np.ndarray:
        return np.asarray(value)

    def _normal(self, shape: tuple[int, ...]) -> np.ndarray:
        return np.zeros(shape)


@pytest.mark.parametrize("name", OPERATIONS)
def test_mlx_rounds_as_the_model_draws(name):
    device, model, inputs = OPERATIONS[name]
    single = [array.astype(np.float32) for array in inputs]
    double = [array.astype(np.float64) for array in single]
    exact = model(Exactly("", 0), *double)
    own = Floors({"": exact})
    for number in range(RUNS):
        own.add({"": model(Rounding(name, number), *double)})
    error = rmse(np.array(device(*map(mx.array, single))), exact)
    assert 1e-9 < own.largest()[""] / rms(exact) < 3e-6
    assert 0.05 < error / own.largest()[""] < 2


@pytest.mark.parametrize("name", ["matmul", "conv1d"])
def test_products_of_ten_bits_are_far_beyond_it(name):
    _, model, inputs = OPERATIONS[name]
    double = [array.astype(np.float32).astype(np.float64) for array in inputs]
    exact = model(Exactly("", 0), *double)
    own = Floors({"": exact})
    own.add({"": model(Rounding(name, 0), *double)})
    cut = [(array.astype(np.float32).view(np.int32) & ~0x1FFF).view(np.float32).astype(np.float64) for array in double]
    assert rmse(model(Exactly("", 0), *cut), exact) > 100 * own.largest()[""]


def chain() -> Program:
    """Two products, one behind the other: value 3 and, of value 3, value 4."""

    def multiply(a: np.ndarray, b: np.ndarray) -> list[np.ndarray]:
        return [a @ b]

    nodes = Node("Matmul", (0, 1), (3,), multiply), Node("Matmul", (3, 2), (4,), multiply)
    return Program((0, 1, 2), {}, nodes, (4,), dtypes=dict.fromkeys(range(5), "float32"))


def test_the_floor_of_a_value_is_its_own_where_the_one_before_it_is_given():
    inputs = wide(20, 50), wide(50, 50), wide(50, 20)
    inputs = tuple(array.astype(np.float32).astype(np.float64) for array in inputs)
    given = {3: (inputs[0] @ inputs[1]).astype(np.float32).astype(np.float64)}
    free, local = (floors(chain(), inputs, [3, 4], values) for values in ({}, given))
    assert free[3] == local[3] > 0
    assert 0 < local[4] < 0.9 * free[4]


@pytest.mark.parametrize(("dtype", "bits"), [("float16", 11), ("bfloat16", 8)])
def test_half_precision_is_rounded_to(dtype, bits):
    inputs = wide(20, 50), wide(50, 50), wide(50, 20)
    half = replace(chain(), dtypes=dict.fromkeys(range(5), dtype))
    found = evaluate(rounded(half, Rounding("half", 0)), inputs)[4]
    mantissa, _ = np.frexp(found)
    np.testing.assert_array_equal(mantissa * 2**bits, np.rint(mantissa * 2**bits))
