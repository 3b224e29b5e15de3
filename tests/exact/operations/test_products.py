"""Gathered, segmented and masked products, and Hadamard's transform, agree with MLX's."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.base.errors import InputError
from parity.exact.operations import products
from tests.exact.bounds import within
from tests.exact.operations.real import real
from tests.exact.operations.strategies import few, integers, many, normals


@given(st.data())
@many
def test_gather_mm(data: st.DataObject) -> None:
    rows, inner, columns = (data.draw(st.integers(1, 4)) for _ in range(3))
    batches = [data.draw(st.sampled_from([(), (3,), (2, 2)])) for _ in range(2)]
    a, b = data.draw(normals((*batches[0], rows, inner))), data.draw(normals((*batches[1], inner, columns)))
    count = [int(np.prod(each)) for each in batches]
    left = data.draw(integers("uint32", (2, 1), 0, count[0] - 1))
    right = data.draw(integers("uint32", (3,), 0, count[1] - 1))
    pairs = [(left, right)]
    if batches[0] == batches[1]:
        pairs += [(None, None)]
    if batches[0] == (3,):
        pairs += [(None, right)]
    if batches[1] == (3,):
        pairs += [(left, None)]
    for lhs, rhs in pairs:
        actual = real(mx.gather_mm, a, b, lhs, rhs)
        found = products.gather_mm(a.astype(np.float64), b, lhs, rhs)
        total = products.gather_mm(np.abs(a), np.abs(b), lhs, rhs)
        within(actual, lambda found=found: found, [], terms=inner, total=total)


@given(st.data())
@many
def test_segmented_mm(data: st.DataObject) -> None:
    a, b = data.draw(normals((3, 7))), data.draw(normals((7, 2)))
    segments = data.draw(integers("uint32", (data.draw(st.integers(1, 4)), 2), 0, 7))
    actual = real(mx.segmented_mm, a, b, segments)
    found = products.segmented_mm(a.astype(np.float64), b, segments)
    within(actual, lambda: found, [], terms=7, total=products.segmented_mm(np.abs(a), np.abs(b), segments))


@given(st.data())
@few
def test_block_masked_mm(data: st.DataObject) -> None:
    block = data.draw(st.sampled_from([32, 64]))
    a, b = data.draw(normals((2, 70, 90))), data.draw(normals((2, 90, 40)))
    shapes = [[-(-n // block) for n in pair] for pair in [(70, 40), (70, 90), (90, 40)]]
    numbers = data.draw(st.booleans())
    masks = []
    for shape in shapes:
        mask = data.draw(normals((2, *shape)))
        mask = mask * (mask > -0.5) if numbers else mask > 0
        masks.append(data.draw(st.sampled_from([None, mask])) if not numbers else mask)
    actual = real(mx.block_masked_mm, a, b, block, *masks)
    found = products.block_masked_mm(a.astype(np.float64), b, block, *masks)
    sizes = [None if mask is None else np.abs(mask) for mask in masks]
    total = products.block_masked_mm(np.abs(a), np.abs(b), block, *sizes)
    within(actual, lambda: found, [], terms=90, total=total)


@pytest.mark.parametrize("size", [1, 2, 8, 64, 12, 24, 96, 20, 40, 28, 56, 112])
def test_hadamard(size: int) -> None:
    x = np.random.default_rng(size).standard_normal((3, size)).astype(np.float32)
    found = products.hadamard_transform(x.astype(np.float64))
    total = np.abs(x).sum(-1, keepdims=True) / np.sqrt(size)
    within(real(mx.hadamard_transform, x), lambda: found, [], terms=np.log2(size) + 20, total=total)
    scaled = products.hadamard_transform(x.astype(np.float64), 3.0)
    np.testing.assert_allclose(scaled, found * 3.0 * np.sqrt(size), atol=1e-12)
    matrix = products.hadamard_transform(np.eye(size))
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(size), atol=1e-12)


@pytest.mark.parametrize("size", [3, 60, 36])
def test_a_size_without_a_matrix_is_refused(size: int) -> None:
    """MLX 0.32.4 takes some of them; after one of 60 the process crashed, so none is asked for here."""
    with pytest.raises(InputError, match=f"got {size}"):
        products.hadamard_transform(np.ones(size))


def test_a_wrong_index_mask_and_order_are_rejected() -> None:
    random = np.random.default_rng(0)
    a, b = random.standard_normal((2, 3, 4)).astype(np.float32), random.standard_normal((2, 4, 5)).astype(np.float32)
    index = np.array([1, 0], np.uint32)
    actual = real(mx.gather_mm, a, b, None, index)
    total = products.gather_mm(np.abs(a), np.abs(b), None, index)
    within(actual, lambda: products.gather_mm(a.astype(np.float64), b, None, index), [], terms=4, total=total)
    with pytest.raises(AssertionError, match="times the bound"):
        within(actual, lambda: products.gather_mm(a, b, index, None), [], terms=4, total=total)

    left, right = np.ones((32, 64), np.float32), np.ones((64, 32), np.float32)
    mask = np.array([[True, False]])
    actual = real(mx.block_masked_mm, left, right, 32, None, mask)
    within(actual, lambda: products.block_masked_mm(left, right, 32, None, mask), [])
    with pytest.raises(AssertionError, match="times the bound"):
        within(actual, lambda: products.block_masked_mm(left, right, 32, None, None, mask.T * 2.0), [])

    x = random.standard_normal(8).astype(np.float32)
    with pytest.raises(AssertionError, match="times the bound"):
        within(real(mx.hadamard_transform, x), lambda: products.hadamard_transform(x[::-1]), [], terms=8, total=4.0)
