"""parity.contract.axes: permuting is by name and nothing else, and splitting leaves nothing out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.base.errors import InputError
from parity.contract.axes import permute, split


@st.composite
def permutations(draw: st.DrawFn) -> tuple[np.ndarray, str, str]:
    """An array of 0 to 4 axes, their names, and the same names in another order."""
    names = draw(st.permutations(list("btcg")))[: draw(st.integers(0, 4))]
    shape = [draw(st.integers(0, 4)) for _ in names]
    array = np.arange(int(np.prod(shape)), dtype=np.float32).reshape(shape)
    return array, " ".join(names), " ".join(draw(st.permutations(names)))


@given(permutations())
def test_there_and_back_is_the_identity(drawn):
    array, have, want = drawn
    there = permute(array, have, want)
    np.testing.assert_array_equal(permute(there, want, have), array)


@given(permutations())
def test_each_axis_keeps_its_length(drawn):
    array, have, want = drawn
    lengths = dict(zip(have.split(), array.shape, strict=True))
    assert permute(array, have, want).shape == tuple(lengths[axis] for axis in want.split())


def test_every_element_goes_where_its_names_say():
    array = np.arange(24).reshape(2, 3, 4)
    moved = permute(array, "b t c", "c b t")
    assert all(moved[c, b, t] == array[b, t, c] for b in range(2) for t in range(3) for c in range(4))
    assert not np.array_equal(moved, array.reshape(4, 2, 3))  # what a reshape would give


@pytest.mark.parametrize(
    ("have", "want"),
    [("b t c", "b c"), ("b c", "b t c"), ("b t c", "b t d"), ("b t t", "b t t"), ("b t c", "b c c")],
)
def test_other_names_are_refused(have, want):
    with pytest.raises(InputError, match="cannot be permuted"):
        permute(np.zeros((2, 3, 4)), have, want)


@pytest.mark.parametrize("shape", [(), (2,), (2, 3), (2, 3, 4, 5)])
def test_another_number_of_axes_is_refused(shape):
    with pytest.raises(InputError, match="declare one axis each"):
        permute(np.zeros(shape), "b t c", "b c t")


def test_split_gives_every_part_with_its_label():
    array = np.arange(24).reshape(4, 3, 2)
    parts = split(array, "g t c", {"g": ["cond", "uncond"]})
    assert [label for label, _ in parts] == ["cond", "uncond"]
    np.testing.assert_array_equal(parts[0][1], array[:2])
    np.testing.assert_array_equal(parts[1][1], array[2:])


def test_split_finds_the_axis_by_name():
    array = np.arange(24).reshape(3, 2, 4)
    (_, left), (_, right) = split(array, "t c g", {"g": ["a", "b"]})
    np.testing.assert_array_equal(left, array[:, :, :2])
    np.testing.assert_array_equal(right, array[:, :, 2:])


def test_what_has_no_split_axis_is_one_part():
    array = np.zeros((4, 3))
    ((label, part),) = split(array, "b t", {"g": ["cond", "uncond"]})
    assert (label, part is array) == ("", True)


def test_a_length_that_does_not_split_is_refused():
    with pytest.raises(InputError, match="length 3, which does not split into 2 equal parts"):
        split(np.zeros((3, 2)), "g c", {"g": ["cond", "uncond"]})
