"""Result dtypes of operators and functions are MLX's, for every pair of dtypes and for scalars of Python."""

from __future__ import annotations

import itertools
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from parity.exact.program import NoProgram
from parity.exact.standin import dtypes
from tests.exact.standin.both import STANDIN, reported

NAMES = [dtype.name if dtype.name != "bool" else "bool_" for dtype in dtypes.ALL]
BINARY = (
    "add", "subtract", "multiply", "divide", "floor_divide", "remainder", "power", "maximum", "minimum", "logaddexp",
    "arctan2", "equal", "less", "logical_and", "bitwise_and", "left_shift", "where", "matmul", "outer", "inner",
)  # fmt: skip
UNARY = (
    "abs", "exp", "sign", "square", "floor", "round", "sqrt", "rsqrt", "sigmoid", "erf", "isnan", "logical_not",
    "negative", "reciprocal", "sum", "prod", "mean", "max", "all", "var", "argmax", "cumsum", "cumprod", "softmax",
    "logsumexp", "sort", "argsort", "real", "imag", "conjugate", "degrees", "zeros_like", "median", "expm1", "trunc",
    "cummax", "logcumsumexp", "stop_gradient", "bitwise_invert", "count_nonzero", "std", "linalg.norm",
)  # fmt: skip
SCALARS: tuple[Any, ...] = (True, 2, -1, 2.5, 1 + 2j)


def outcome(module: Any, name: str, *arguments: Any) -> Any:
    """The dtype and shape of a result, or that the call was refused."""
    function = module
    for part in name.split("."):
        function = getattr(function, part)
    if name == "where":
        arguments = (module.array([True, False]), *arguments)
    try:
        return reported(function(*arguments))
    except (ValueError, TypeError, RuntimeError):
        return "refused"


def of(module: Any, dtype: str) -> Any:
    return module.array([1, 0]).astype(getattr(module, dtype))


@pytest.mark.parametrize("name", BINARY)
def test_two_arrays(name: str) -> None:
    differ = [
        f"{a}, {b}: {ours}, MLX gives {theirs}"
        for a, b in itertools.product(NAMES, NAMES)
        if (ours := outcome(STANDIN, name, of(STANDIN, a), of(STANDIN, b)))
        != (theirs := outcome(mx, name, of(mx, a), of(mx, b)))
    ]
    assert not differ


@pytest.mark.parametrize("name", [name for name in BINARY if name not in ("matmul", "inner", "outer")])
def test_an_array_and_a_scalar_on_either_side(name: str) -> None:
    differ = []
    for dtype, value in itertools.product(NAMES, SCALARS):
        for order in ((0, 1), (1, 0)):
            both = [[(of(module, dtype), value)[place] for place in order] for module in (STANDIN, mx)]
            ours, theirs = outcome(STANDIN, name, *both[0]), outcome(mx, name, *both[1])
            if ours != theirs:
                differ.append(f"{dtype} and {value!r} in order {order}: {ours}, MLX gives {theirs}")
    assert not differ


@pytest.mark.parametrize("name", UNARY)
def test_one_array(name: str) -> None:
    differ = [
        f"{dtype}: {ours}, MLX gives {theirs}"
        for dtype in NAMES
        if (name, dtype) != ("logcumsumexp", "complex64")  # refused by name, see the next test
        if (ours := outcome(STANDIN, name, of(STANDIN, dtype))) != (theirs := outcome(mx, name, of(mx, dtype)))
    ]
    assert not differ


def test_what_has_no_definition_in_double_is_refused_by_name() -> None:
    with pytest.raises(NoProgram, match="logcumsumexp"):
        STANDIN.logcumsumexp(STANDIN.array([1j]))


def test_promotion_and_categories() -> None:
    for a, b in itertools.product(NAMES, NAMES):
        ours = STANDIN.result_type(getattr(STANDIN, a), getattr(STANDIN, b))
        assert repr(ours) == repr(mx.result_type(getattr(mx, a), getattr(mx, b)))
        if a != "float64" and b != "float64":
            can = mx.can_cast(getattr(mx, a), getattr(mx, b))
            assert STANDIN.can_cast(getattr(STANDIN, a), getattr(STANDIN, b)) == can, (a, b)
    categories = [name for name, value in vars(STANDIN).items() if isinstance(value, dtypes.DtypeCategory)]
    for name, category in itertools.product([*NAMES, *categories], categories):
        ours = STANDIN.issubdtype(getattr(STANDIN, name), getattr(STANDIN, category))
        assert ours == mx.issubdtype(getattr(mx, name), getattr(mx, category)), (name, category)


@pytest.mark.parametrize("name", NAMES)
def test_limits_and_sizes(name: str) -> None:
    ours, theirs = getattr(STANDIN, name), getattr(mx, name)
    assert ours.size == theirs.size
    for kind in ("finfo", "iinfo"):
        try:
            expected = getattr(mx, kind)(theirs)
        except (ValueError, TypeError, RuntimeError):
            with pytest.raises(ValueError, match="must be"):
                getattr(STANDIN, kind)(ours)
            continue
        found = getattr(STANDIN, kind)(ours)
        for key in [key for key in ("min", "max", "bits", "eps", "smallest_normal") if hasattr(expected, key)]:
            assert getattr(found, key) == getattr(expected, key), key
        assert repr(found.dtype) == repr(expected.dtype)


VALUES: tuple[Any, ...] = (
    True, 3, 2**40, 2.5, 1j, [], [[], []], [1, 2], [1, 2.5], [True, 2], [[True], [False]], [1 + 2j, 1.0], (1, 2),
    np.arange(3), np.arange(3.0), np.zeros(2, np.float16), np.zeros(2, np.uint8), np.array(3), np.float32(1.5),
    np.float64(1.5), np.int64(3), np.zeros((2, 0)), np.ones((2, 3))[:, ::2], np.array([1j]), np.bool_(True),
)  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda value: f"{type(value).__name__}-{value}".replace("\n", ""))
def test_arrays_are_made_as_mlx_makes_them(value: Any) -> None:
    ours, theirs = STANDIN.array(value), mx.array(value)
    assert reported(ours) == reported(theirs)
    np.testing.assert_array_equal(np.array(ours), np.array(theirs))
    for dtype in ("float16", "bfloat16", "int32", "bool_", "uint8"):
        assert reported(STANDIN.array(value, getattr(STANDIN, dtype))) == reported(mx.array(value, getattr(mx, dtype)))


@pytest.mark.parametrize("value", [[[1], [1, 2]], ["a"], [np.float32(1)], np.array(["a"]), [None]])
def test_what_no_array_is_made_of(value: Any) -> None:
    for module in (mx, STANDIN):
        with pytest.raises((ValueError, TypeError, RuntimeError)):
            module.array(value)


def test_arrays_of_arrays_are_stacked() -> None:
    for module in (mx, STANDIN):
        x = module.array([1.0, 2.0])
        made = module.array([x, x, [3, 4]])
        assert reported(made) == ("float32", (3, 2))
        assert made.tolist() == [[1, 2], [1, 2], [3, 4]]
