"""Decompositions and solutions agree with MLX's, and are what their names say."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.exact.operations import linalg
from tests.exact.bounds import within
from tests.exact.operations.real import real
from tests.exact.operations.strategies import few, many, normals, shapes

INF = float("inf")


def square(size: int, batch: tuple[int, ...] = (), seed: int = 0) -> np.ndarray:
    """Matrices whose condition number is small: a unit on the diagonal, a fifth of it beside."""
    noise = np.random.default_rng(seed).standard_normal((*batch, size, size)) / (5 * np.sqrt(size))
    return (np.diag(1.0 + np.arange(size)) + noise).astype(np.float32)


def close(actual: np.ndarray, found: np.ndarray, steps: int) -> None:
    """Backward stable methods: as many roundings as the matrix has rows, of the result's largest number."""
    within(actual, lambda: found, [], terms=10 * steps, total=max(1.0, float(np.abs(found).max(initial=0.0))))


@pytest.mark.parametrize("batch", [(), (2, 3)])
@pytest.mark.parametrize("size", [1, 4])
def test_inverses_and_determinants(size: int, batch: tuple[int, ...]) -> None:
    a = square(size, batch)
    for name in ("inv", "pinv", "det"):
        close(real(getattr(mx.linalg, name), a), getattr(linalg, name)(a.astype(np.float64)), size)
    for one, other in zip(real(mx.linalg.slogdet, a), linalg.slogdet(a.astype(np.float64)), strict=True):
        close(one, other, size)
    for upper in (False, True):
        close(real(mx.linalg.tri_inv, a, upper=upper), linalg.tri_inv(a.astype(np.float64), upper), size)


@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (5, 3), (2, 5, 3)])
def test_factors(shape: tuple[int, ...]) -> None:
    a = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    double = a.astype(np.float64)
    for name in ("qr", "lu", "lu_factor"):
        for one, other in zip(real(getattr(mx.linalg, name), a), getattr(linalg, name)(double), strict=True):
            assert one.shape == other.shape
            (np.testing.assert_array_equal if one.dtype == np.uint32 else lambda a, b: close(a, b, 8))(one, other)
    q, r = linalg.qr(double)
    np.testing.assert_allclose(q @ r, double, atol=1e-12)
    rows, lower, upper = linalg.lu(double)
    np.testing.assert_allclose(np.take_along_axis(lower, rows[..., None].astype(int), -2) @ upper, double, atol=1e-12)


@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (5, 3), (2, 5, 3)])
def test_singular_values(shape: tuple[int, ...]) -> None:
    """Each pair of singular vectors is known but for its sign."""
    a = np.random.default_rng(2).standard_normal(shape).astype(np.float32)
    left, values, right = linalg.svd(a.astype(np.float64))
    actual = real(mx.linalg.svd, a)
    count = values.shape[-1]
    close(actual[1], values, 8)
    close(real(lambda a: mx.linalg.svd(a, compute_uv=False), a), linalg.svd(a.astype(np.float64), False)[0], 8)
    sign = np.sign(np.sum(left[..., :count] * actual[0][..., :count], axis=-2, keepdims=True))
    close(actual[0][..., :count] * sign, left[..., :count], 8)
    close(actual[2][..., :count, :] * np.swapaxes(sign, -1, -2), right[..., :count, :], 8)
    whole = (left[..., :count] * values[..., None, :]) @ right[..., :count, :]
    np.testing.assert_allclose(whole, a, atol=1e-12)
    assert left.shape == actual[0].shape
    assert right.shape == actual[2].shape


@pytest.mark.parametrize("batch", [(), (3,)])
def test_symmetric_matrices(batch: tuple[int, ...]) -> None:
    a = square(4, batch)
    positive = a @ np.swapaxes(a, -1, -2)
    for upper in (False, True):
        factor = linalg.cholesky(positive.astype(np.float64), upper)
        close(real(mx.linalg.cholesky, positive, upper=upper), factor, 16)
        single = factor.astype(np.float32)
        found = linalg.cholesky_inv(single.astype(np.float64), upper)
        close(real(mx.linalg.cholesky_inv, single, upper=upper), found, 64)
        np.testing.assert_allclose(found @ positive, np.broadcast_to(np.eye(4), found.shape), atol=1e-4)
    for triangle in "LU":
        values, vectors = linalg.eigh(a.astype(np.float64), triangle)
        actual = real(mx.linalg.eigh, a, triangle)
        close(actual[0], values, 8)
        close(actual[1] * np.sign(np.sum(actual[1] * vectors, axis=-2, keepdims=True)), vectors, 16)
        close(real(mx.linalg.eigvalsh, a, triangle), linalg.eigvalsh(a.astype(np.float64), triangle), 8)


@pytest.mark.parametrize("batch", [(), (3,)])
def test_eigenvalues(batch: tuple[int, ...]) -> None:
    """Each eigenvector is known but for a factor of size 1."""
    a = np.random.default_rng(3).standard_normal((*batch, 4, 4)).astype(np.float32)
    values, vectors = linalg.eig(a.astype(np.float64))
    actual = real(mx.linalg.eig, a)
    assert values.dtype == np.complex128
    close(actual[0], values, 16)
    close(real(mx.linalg.eigvals, a), linalg.eigvals(a.astype(np.float64)), 16)
    turn = np.sum(np.conj(actual[1]) * vectors, axis=-2, keepdims=True)
    np.testing.assert_allclose(actual[1] * turn / np.abs(turn), vectors, atol=2e-5)
    np.testing.assert_allclose(a @ vectors, vectors * values[..., None, :], atol=1e-12)


@pytest.mark.parametrize("upper", [False, True])
def test_solutions(upper: bool) -> None:
    for batch in [(), (3,)]:
        a, b = square(4, batch), np.random.default_rng(4).standard_normal((*batch, 4, 2)).astype(np.float32)
        close(real(mx.linalg.solve, a, b), linalg.solve(a.astype(np.float64), b), 4)
        actual = real(mx.linalg.solve_triangular, a, b, upper=upper)
        close(actual, linalg.solve_triangular(a.astype(np.float64), b, upper), 4)
    a, b = square(4), np.ones(4, np.float32)
    close(real(mx.linalg.solve, a, b), linalg.solve(a.astype(np.float64), b), 4)


@given(st.data())
@many
def test_norms(data: st.DataObject) -> None:
    a = data.draw(normals(shapes(2, 3, 4)))
    keepdims = data.draw(st.booleans())
    if data.draw(st.booleans()):
        axis = data.draw(st.integers(-a.ndim, a.ndim - 1))
        order = data.draw(st.sampled_from([None, 0, 1, 2, -1, 3, 0.5, INF, -INF]))
    else:
        axis = list(data.draw(st.permutations(range(a.ndim)))[:2])
        order = data.draw(st.sampled_from([None, "fro", "nuc", 1, -1, 2, -2, INF, -INF]))
    actual = real(mx.linalg.norm, a, order, axis, keepdims)
    found = linalg.norm(a.astype(np.float64), order, axis, keepdims)
    close(actual, found, 16)
    close(real(mx.linalg.norm, a, keepdims=keepdims), linalg.norm(a.astype(np.float64), keepdims=keepdims), 16)


@given(st.data())
@few
def test_cross_products(data: st.DataObject) -> None:
    a, b = (data.draw(normals((4, data.draw(st.sampled_from([2, 3]))))) for _ in range(2))
    within(real(mx.linalg.cross, a, b), linalg.cross, [a, b])
    within(real(mx.linalg.cross, a.T, b.T, axis=0), lambda a, b: linalg.cross(a, b, 0), [a.T, b.T])


def test_a_small_singular_value_counts_as_zero() -> None:
    a = np.diag([1.0, 1e-7]).astype(np.float32)
    close(real(mx.linalg.pinv, a), linalg.pinv(a.astype(np.float64)), 4)
    assert linalg.pinv(a.astype(np.float64), 1e-12)[1, 1] == pytest.approx(1e7, rel=1e-6)
    assert linalg.pinv(np.zeros((0, 3))).shape == (3, 0)


def test_a_wrong_triangle_and_order_are_rejected() -> None:
    a, b = square(4), np.ones((4, 1), np.float32)
    actual = real(mx.linalg.solve_triangular, a, b, upper=True)
    close(actual, linalg.solve_triangular(a.astype(np.float64), b, True), 4)
    for fault in (linalg.solve_triangular(a, b), linalg.solve(a, b)):
        with pytest.raises(AssertionError, match="times the bound"):
            close(actual, fault, 4)
    with pytest.raises(AssertionError, match="times the bound"):
        close(real(mx.linalg.cross, np.eye(3, dtype=np.float32), a[:3, :3]), linalg.cross(a[:3, :3], np.eye(3)), 4)
