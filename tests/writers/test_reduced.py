"""Reduced records of NumPy against their definition in docs/dumps.md, number by number, in Python's integers."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from writers.parity_reduced import record

PROJECTIONS = 16
EIGHT = (np.arange(8, dtype=np.float32) / 4).reshape(2, 4)


def mix(z: int) -> int:
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
    return z ^ z >> 31


def bits(value: Any) -> int:
    """A float's own bits, an integer's as a signed number of 64."""
    if isinstance(value, np.floating):
        return int.from_bytes(value.tobytes(), "little")
    return int.from_bytes(struct.pack("<q", int(value)), "little")


def defined(array: np.ndarray, leading: int) -> dict[str, Any]:
    """The record of an array, one number after the other."""
    slices, flat = math.prod(array.shape[:leading]), array.ravel()
    whole = array.dtype.kind != "f"
    sums = [[0.0] * PROJECTIONS for _ in range(0 if whole else slices)]
    total, finite = 0, [float(value) for value in flat if np.isfinite(value)]
    for i, value in enumerate(flat):
        u = mix((i + 1) * 0x9E3779B97F4A7C15 % 2**64)
        total += mix(u ^ bits(value))
        for j in range(PROJECTIONS if not whole and np.isfinite(value) else 0):
            sums[i * slices // flat.size][j] += -float(value) if u >> j & 1 else float(value)
    return {
        "reduced": 1,
        "shape": list(array.shape),
        "dtype": array.dtype.name,
        "leading": leading,
        "projections": PROJECTIONS,
        "hash": f"{total % 2**64:016x}",
        "rms": math.sqrt(math.fsum(value * value for value in finite) / len(finite)) if finite else 0,
        "min": min(finite, default=0),
        "max": max(finite, default=0),
        "nonfinite": flat.size - len(finite),
        "values": [number for slice_ in sums for number in slice_],
    }


def assert_record(text: bytes, array: np.ndarray, leading: int) -> None:
    """Equal, but for the order in which numbers were summed."""
    found, expected = json.loads(text), defined(array, leading)
    size = float(np.abs(array[np.isfinite(array)], dtype=np.float64).sum()) if array.dtype.kind == "f" else 0
    assert found.pop("rms") == pytest.approx(expected.pop("rms"), rel=1e-12)
    np.testing.assert_allclose(found.pop("values"), expected.pop("values"), rtol=0, atol=1e-14 * size)
    assert found == expected


def arrays() -> st.SearchStrategy[np.ndarray]:
    """Floats of moderate size, some of them not finite, integers and bools, of one to three axes."""
    odd = st.sampled_from([math.nan, math.inf, -math.inf, -0.0])
    elements = {
        "f4": st.floats(-1e6, 1e6, width=32) | odd,
        "f8": st.floats(-1e6, 1e6) | odd,
        "i4": st.integers(-(2**31), 2**31 - 1),
        "i8": st.integers(-(2**53), 2**53),
        "?": st.booleans(),
    }
    shapes = hnp.array_shapes(max_dims=3, min_side=0, max_side=5)
    return st.sampled_from(list(elements)).flatmap(lambda d: hnp.arrays(d, shapes, elements=elements[d]))


def test_the_example_of_the_definition():
    """Both the writer and the definition above give the numbers that the page states."""
    for found in (json.loads(record(EIGHT, 1)), defined(EIGHT, 1)):
        assert found["hash"] == "ad6b902f04049cbb"
        assert found["values"][:4] == [0.5, 0.5, -1.5, -1]
        assert found["values"][16:20] == [0.5, 1, 2, -2.5]


@settings(deadline=None, max_examples=100)
@given(array=arrays(), order=st.sampled_from("CF"), data=st.data())
def test_a_record_is_what_the_definition_says(array, order, data):
    leading = data.draw(st.integers(0, array.ndim))
    assert_record(record(np.array(array, order=order), leading), array, leading)


def test_half_precision_is_recorded_as_floats_of_the_same_values():
    half = json.loads(record(EIGHT.astype(np.float16), 1))
    assert half == json.loads(record(EIGHT, 1)) | {"dtype": "float16"}
    assert json.loads(record(EIGHT, 1, "bfloat16")) == half | {"dtype": "bfloat16"}


@pytest.mark.parametrize("leading", [-1, 3])
def test_axes_that_are_not_there_are_refused(leading):
    with pytest.raises(ValueError, match=r"leading axes for the shape \(2, 4\)"):
        record(EIGHT, leading)
