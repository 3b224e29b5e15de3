"""Nothing is drawn: draws are handed over, or refused; weights that are to be loaded are NaN until they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mlx.core as real
import numpy as np
import pytest

from parity.exact.program import NoProgram
from parity.exact.standin import installed
from tests.exact.standin.both import STANDIN, reported

CALLS: dict[str, Callable[[Any], Any]] = {
    "uniform": lambda mx: mx.random.uniform(0, 1, (2, 3)),
    "uniform of bounds": lambda mx: mx.random.uniform(mx.zeros(3), 1, (2, 3)),
    "normal": lambda mx: mx.random.normal((2, 3)),
    "normal in half precision": lambda mx: mx.random.normal((2,), mx.float16, key=mx.random.key(0)),
    "truncated_normal": lambda mx: mx.random.truncated_normal(mx.zeros(2), 1.0),
    "gumbel": lambda mx: mx.random.gumbel((4,)),
    "laplace": lambda mx: mx.random.laplace((4,)),
    "multivariate_normal": lambda mx: mx.random.multivariate_normal(mx.zeros(2), mx.eye(2), (3,)),
    "bernoulli": lambda mx: mx.random.bernoulli(0.5, (3,)),
    "bernoulli of chances": lambda mx: mx.random.bernoulli(mx.ones((2, 2)) * 0.5),
    "randint": lambda mx: mx.random.randint(0, 5, (3, 1)),
    "categorical": lambda mx: mx.random.categorical(mx.zeros((2, 5))),
    "categorical samples": lambda mx: mx.random.categorical(mx.zeros((2, 5)), num_samples=3),
    "categorical shape": lambda mx: mx.random.categorical(mx.zeros((1, 5)), shape=(4, 1)),
    "permutation": lambda mx: mx.random.permutation(5),
    "permutation of rows": lambda mx: mx.random.permutation(mx.zeros((3, 2))),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_draw_is_refused_or_given_in_the_shape_and_dtype_of_mlx(name: str) -> None:
    with pytest.raises(NoProgram, match=rf"mx\.random\.{name.split()[0]} draws numbers .* an argument of both"):
        CALLS[name](STANDIN)
    with real.stream(real.cpu):
        expected = reported(CALLS[name](real))
    asked: list[tuple[int, ...]] = []

    def give(shape: tuple[int, ...]) -> np.ndarray:
        asked.append(shape)
        return np.ones(shape)

    with installed(draws=give) as mx:
        drawn = CALLS[name](mx)
        assert reported(drawn) == expected
        assert np.array(drawn).all()
    assert asked == [expected[1]]


def test_draws_are_given_in_order_and_to_the_last() -> None:
    with installed(draws=[np.array([0.25]), np.array([[1 / 3, 0.5]])]) as mx:
        assert mx.random.uniform(shape=(1,)).item() == 0.25
        assert mx.random.normal((1, 2)).tolist() == [[1 / 3, 0.5]]
        with pytest.raises(NoProgram, match="no given draw is left"):
            mx.random.normal((1,))
    with installed(draws=[np.zeros(3)]) as mx, pytest.raises(NoProgram, match=r"the given draw has \(3,\)"):
        mx.random.normal((2,))


def test_a_module_is_constructed_and_what_is_not_loaded_shows() -> None:
    with installed() as mx:
        import mlx.nn as nn

        layer = nn.Linear(3, 2)
        assert np.isnan(np.array(layer.weight)).all()
        assert np.isnan(np.array(layer(mx.ones((1, 3))))).all()
        layer.load_weights([("weight", mx.ones((2, 3))), ("bias", mx.zeros(2))], strict=True)
        assert layer(mx.ones((1, 3))).tolist() == [[3.0, 3.0]]
        assert mx.random.state[0].dtype is mx.uint32
