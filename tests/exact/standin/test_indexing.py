"""Reading and updating parts of arrays, as MLX does it: any index that it takes, and what it refuses."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.exact.standin.both import STANDIN, reported, to_numpy

EXAMPLES = settings(max_examples=150)


@st.composite
def shaped(draw: st.DrawFn) -> tuple[int, ...]:
    return tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))


@st.composite
def part(draw: st.DrawFn, size: int) -> Any:
    """An index of one axis; arrays are NumPy's here, for either module makes its own of them."""
    number = st.integers(-size, size - 1)
    kind = draw(st.sampled_from(["number", "slice", "array", "all"]))
    if kind == "number":
        return draw(number)
    if kind == "array":
        rows = draw(st.lists(number, min_size=1, max_size=3))
        return np.array(rows, draw(st.sampled_from([np.int32, np.int64]))) if len(rows) < 3 else rows
    if kind == "slice":
        ends = st.one_of(st.none(), st.integers(-size - 1, size + 1))
        return slice(draw(ends), draw(ends), draw(st.sampled_from([None, 1, 2, -1, -2])))
    return slice(None)


@st.composite
def indexed(draw: st.DrawFn) -> tuple[tuple[int, ...], Any]:
    """A shape, and an index of an array of that shape."""
    shape = draw(shaped())
    count = draw(st.integers(0, len(shape)))
    parts = [draw(part(size)) for size in shape[:count]]
    lengths = {len(one) for one in parts if isinstance(one, np.ndarray | list)}
    if len(lengths) > 1:  # arrays that do not broadcast
        parts = [one if not isinstance(one, np.ndarray | list) else one[:1] for one in parts]
    for _ in range(draw(st.integers(0, 2))):
        parts.insert(draw(st.integers(0, len(parts))), None)
    if draw(st.booleans()):
        parts.append(Ellipsis)
    return shape, parts[0] if len(parts) == 1 and draw(st.booleans()) else tuple(parts)


def of(module: Any, index: Any) -> Any:
    """The index with arrays of the module."""
    if isinstance(index, tuple):
        return tuple(of(module, one) for one in index)
    return module.array(index) if isinstance(index, np.ndarray) else index


def numbers(shape: tuple[int, ...]) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


@EXAMPLES
@given(indexed())
def test_a_part_is_read_as_mlx_reads_it(case: tuple[tuple[int, ...], Any]) -> None:
    shape, index = case
    theirs = mx.array(numbers(shape))[of(mx, index)]
    ours = STANDIN.array(numbers(shape))[of(STANDIN, index)]
    assert reported(ours) == reported(theirs)
    np.testing.assert_array_equal(np.array(ours), to_numpy(theirs))


@EXAMPLES
@given(indexed(), st.sampled_from(["scalar", "array", "row"]))
def test_a_part_is_assigned_as_mlx_assigns_it(case: tuple[tuple[int, ...], Any], kind: str) -> None:
    shape, index = case
    results = []
    taken = _target(shape, index)
    empty = 0 in taken
    for module in (mx, STANDIN) if not empty else (STANDIN,):  # MLX divides by 0 where nothing is assigned
        a = module.array(numbers(shape))
        value: Any = -7.5
        if kind == "array":
            value = module.array(np.float32(100) + numbers(taken))
        elif kind == "row":
            value = module.array(numbers(taken[-1:]) - 50)
        if empty:
            value, results = -7.5, [numbers(shape)]
        b = a
        try:
            a[of(module, index)] = value
        except ValueError:  # MLX takes no value with more axes than the part has, and few parts with new axes
            assert module is mx
            return
        assert b is a
        results.append(np.array(a))
    if not _repeated(shape, index):  # which one of several stays is not promised
        np.testing.assert_array_equal(results[1], results[0])


def _target(shape: tuple[int, ...], index: Any) -> tuple[int, ...]:
    """The shape of the values that an update takes. Integers are taken first, so that arrays meet their axes alone."""
    parts = index if isinstance(index, tuple) else (index,)
    if not any(isinstance(one, np.ndarray | list) for one in parts):
        return numbers(shape)[index].shape
    whole = slice(None)
    first = (one if isinstance(one, int) or one is Ellipsis else whole for one in parts if one is not None)
    places = numbers(shape)[tuple(first)]
    return places[tuple(one for one in parts if not isinstance(one, int))].shape


def _repeated(shape: tuple[int, ...], index: Any) -> bool:
    places = np.arange(np.prod(shape)).reshape(shape)[index]
    return len(np.unique(places)) < places.size


@EXAMPLES
@given(indexed(), st.sampled_from(["add", "subtract", "multiply", "divide", "maximum", "minimum"]), st.booleans())
def test_at_updates_every_occurrence(case: tuple[tuple[int, ...], Any], name: str, whole: bool) -> None:
    shape, index = case
    results = [numbers(shape)]
    empty = 0 in _target(shape, index)
    for module in (mx, STANDIN) if not empty else (STANDIN,):
        a = module.array(numbers(shape))
        value = module.array(numbers(_target(shape, index)) + 2) if whole else 3.0
        try:
            results.append(np.array(getattr(a.at[of(module, index)], name)(value)))
        except ValueError:
            assert module is mx
            return
        np.testing.assert_array_equal(np.array(a), numbers(shape))
    np.testing.assert_allclose(results[-1], results[-2], rtol=2e-6)


STATEMENTS = (
    "a[0] = 5", "a[0] = 1.7", "a[:, 1] = mx.array([7, 8])", "a[a > 2] = 0", "a[a > 2] = mx.array([1, 2, 3])",
    "f[a > 2] = mx.array([1.0, 2, 3])", "f[a > 2] = a[1].astype(mx.float32)", "a[0] += 1", "a += 1.5", "a *= 2",
    "b = a; b += 1", "b = a[0]; b += 1", "b = a; b[0] = 9", "b = a[0]; b[0] = 9", "a[...] = 3", "a[None] = 3",
    "a[0, None] = mx.array([1, 2, 3])", "a[:, mx.array([0, 2])] = 9", "f[0] = True", "f[0] = np.array([1, 2, 3])",
    "a[True] = 1", "a[[0, 1]] = 4", "a //= 2", "a -= 1.5", "a **= 2", "a |= 1", "a %= 2", "f /= 2", "a ^= 3",
    "f @= mx.eye(3)", "a = mx.array(3); a[...] = 1", "a = a.at[0].divide(2)", "a = a.at[0].subtract(9)",
    "a[mx.array(1)] = 8", "a[0] = mx.array([[1, 2, 3]])", "a[0] = mx.array([[[1, 2, 3]]])", "a <<= 1", "a &= 1",
    "a = a.at[mx.array([0, 0])].add(1)", "c[0, :, mx.array([1, 2])] = mx.zeros((3, 2))", "a >>= 1",
    "c[mx.array([0, 1]), 0] = mx.array([5.0])", "b = c.swapaxes(0, 1); b[0] = 0", "b = mx.array(a); b[0] = 0",
    "b = a.reshape(-1); b[0] = 50", "b = mx.broadcast_to(f[:1], (2, 3)); b[0] = 1; a = b", "x, y = f; x += 1",
    "import copy; b = copy.deepcopy(a); b += 1", "b = copy_of(a); b += 1", "b = a.T; a[0, 0] = 77; a = b",
    "b = np.array(a); a[0, 0] = 77; a = mx.array(b)", "a = mx.array([x * 2 for x in a])", "b = [a]; b[0] += 1",
)  # fmt: skip


@pytest.mark.parametrize("statement", STATEMENTS)
def test_updates_in_place(statement: str) -> None:
    """What every name of an array shows afterwards."""
    results = []
    for module in (mx, STANDIN):
        names: dict[str, Any] = {
            "mx": module, "np": np, "copy_of": copy.copy, "a": module.arange(6).reshape(2, 3),
            "f": module.zeros((2, 3)), "c": module.arange(24.0).reshape(2, 3, 4),
        }  # fmt: skip
        exec(statement, names)
        results.append([(reported(names[name]), names[name].tolist()) for name in "afc"])
    assert results[1] == results[0]


REFUSED = (
    "a[True]", "a[a > 2]", "a['x']", "a[np.array([0, 1])]", "a[0, 0, 0]", "a[..., ...]", "a[mx.array([1.0])]",
    "a[1.5]", "a.__setitem__(0, mx.array([1, 2]))", "a.__setitem__(0, [1, 2, 3])", "a.__itruediv__(2)", "a == None",
    "bool(a)", "int(a)", "len(mx.array(1))", "list(mx.array(1))", "a.item()", "a + [1]", "a + 'x'", "-(a > 2)",
    "f & f", "~f", "a @ a.T", "a.reshape(5)", "mx.concatenate([a, a[0]])", "mx.concatenate([])", "mx.split(a, 4)",
    "mx.concatenate([f, np.ones((2, 3))])", "mx.stack([f, np.ones((2, 3))])", "mx.concatenate([f, 1.0])",
    "mx.stack([a, a[0]])", "a.squeeze(0)", "mx.sum(a, axis=5)", "a[0].__index__()", "mx.expand_dims(a, 5)",
    "mx.broadcast_to(a, (2, 4))", "mx.add(a, a[:, :2])", "mx.clip(a, None, None)", "f @ f", "mx.matmul(f, f[0, 0])",
    "f.flatten(1, 0)", "f.swapaxes(0, 2)", "mx.take_along_axis(a, a[0], axis=0)", "mx.arange(3, dtype=mx.bool_)",
    "mx.pad(a, 1, mode='wrong')", "mx.conv1d(f, f)", "mx.fast.scaled_dot_product_attention(f, f, f, scale=1.0)",
    "mx.issubdtype('float32', mx.floating)", "mx.searchsorted(a[0], a[0], side='x')",
)  # fmt: skip


@pytest.mark.parametrize("expression", REFUSED)
def test_what_mlx_refuses_is_refused(expression: str) -> None:
    for module in (mx, STANDIN):
        names = {"mx": module, "np": np, "a": module.arange(6).reshape(2, 3), "f": module.ones((2, 3))}
        with pytest.raises((ValueError, TypeError, IndexError, AttributeError, RuntimeError)):
            exec(f"mx.eval({expression})", names)


def test_an_index_beyond_the_end_is_refused_where_mlx_reads_any_memory() -> None:
    a = STANDIN.arange(6).reshape(2, 3)
    for index in (5, STANDIN.array([5]), (0, -4)):
        with pytest.raises(IndexError):
            a[index]


EXPRESSIONS: dict[str, Callable[[Any, Any], Any]] = {
    "comparison with a text": lambda mx, a: [a == "x", a != "x"],
    "reflected operators": lambda mx, a: [1 - a, 6 / (a * 0 + 4), 2**a, 7 // a, 7 % a, 3 * a, 1 + a],
    "shapes": lambda mx, a: [a.shape, a.ndim, a.size, a.nbytes, a.itemsize, a.T.shape, a.mT.shape, len(a)],
    "numbers": lambda mx, a: [int(a[0, 0]), float(a[0, 1]), bool(a[0, 1]), a[0, 1].__index__(), complex(a[0, 1])],
    "iteration": lambda mx, a: [row.tolist() for row in a],
    "numpy": lambda mx, a: [np.asarray(a).tolist(), np.array(a, np.float64).dtype.name, np.array(a).dtype.name],
    "numpy arithmetic": lambda mx, a: [(a * np.ones(3, np.float32)).tolist(), (a + np.arange(3)).tolist()],
    "another library": lambda mx, a: np.from_dlpack(a).tolist(),
    "pickle": lambda mx, a: pickle.loads(pickle.dumps(a)).tolist(),
    "copies": lambda mx, a: [copy.copy(a).tolist(), copy.deepcopy(a).tolist()],
    "hash": lambda mx, a: [hash(a) == hash(a), a in {a: 1}],
    "format": lambda mx, a: [f"{a[0, 0].item()}", f"{mx.float32}", repr(mx.int8), repr(mx.Device(mx.gpu))],
}  # fmt: skip


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_what_an_array_says_of_itself(name: str) -> None:
    ours, theirs = (EXPRESSIONS[name](module, module.arange(1, 7).reshape(2, 3)) for module in (STANDIN, mx))
    assert str(_plain(ours)) == str(_plain(theirs))


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value.tolist() if hasattr(value, "tolist") else value
