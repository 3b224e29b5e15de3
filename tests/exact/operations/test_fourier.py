"""Fourier transforms of any axes, sizes and norms agree with `mx.fft`."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.base.errors import InputError
from parity.exact.operations.fourier import istft, stft, transform
from tests.exact.bounds import within
from tests.exact.operations.real import real
from tests.exact.operations.strategies import many, normals, shapes

NORMS = ["backward", "ortho", "forward"]


def close(actual: np.ndarray, found: np.ndarray, x: np.ndarray, terms: int, factor: float = 1.0) -> None:
    """Within the bound of a sum, whose terms are as large as the inputs; a fast transform adds log2 n at a time."""
    within(actual, lambda: found, [], terms=np.log2(terms) + 1, total=float(np.abs(x).sum()) * factor)


@given(st.data())
@many
def test_any_transform(data: st.DataObject) -> None:
    x = data.draw(normals(shapes(1, 3, 6)))
    axes = data.draw(st.permutations(range(x.ndim)))[: data.draw(st.integers(1, x.ndim))]
    axes = [data.draw(st.sampled_from([axis, axis - x.ndim])) for axis in axes]
    real_axis, inverse, norm = data.draw(st.booleans()), data.draw(st.booleans()), data.draw(st.sampled_from(NORMS))
    if inverse or (not real_axis and data.draw(st.booleans())):
        x = (x + 1j * data.draw(normals(x.shape))).astype(np.complex64)
    sizes = data.draw(st.lists(st.integers(1, 8), min_size=len(axes), max_size=len(axes)))
    if not (inverse and real_axis and x.shape[axes[-1]] == 1):
        sizes = data.draw(st.sampled_from([None, sizes]))
    name = f"{'i' if inverse else ''}{'r' if real_axis else ''}fftn"
    actual = real(getattr(mx.fft, name), x, s=sizes, axes=axes, norm=norm)
    found = transform(x, sizes, axes, inverse, real_axis, norm)
    count = int(np.prod([max(found.shape[axis], x.shape[axis]) for axis in axes]))
    close(actual, found, x, max(count, 2))


@pytest.mark.parametrize("n", [1, 2, 7, 8, 1920])
def test_one_axis_and_its_inverse(n: int) -> None:
    x = np.random.default_rng(n).standard_normal((3, n)).astype(np.float32)
    found = transform(x, n, [-1], real=True)
    close(real(mx.fft.rfft, x), found, x[0], max(n, 2))
    np.testing.assert_allclose(transform(found, n, [-1], inverse=True, real=True), x, atol=1e-12)


def test_without_axes_nothing_is_transformed() -> None:
    x = np.ones((2, 3))
    assert transform(x, None, []) is x


def test_a_wrong_norm_and_direction_are_rejected() -> None:
    x = np.random.default_rng(0).standard_normal((2, 8)).astype(np.complex64)
    actual = real(mx.fft.ifft, x)
    close(actual, transform(x, None, [-1], inverse=True), x, 8)
    for fault in (transform(x, None, [-1], inverse=True, norm="ortho"), transform(x, None, [-1]) / 8):
        with pytest.raises(AssertionError, match="times the bound"):
            close(actual, fault, x, 8)


@given(st.data())
@many
def test_short_time_transforms(data: st.DataObject) -> None:
    n = data.draw(st.sampled_from([8, 9, 16]))
    length = data.draw(st.integers(2 * n, 40))
    x = data.draw(normals((2, length)))
    if data.draw(st.booleans()):
        x = (x + 1j * data.draw(normals(x.shape))).astype(np.complex64)
    size = data.draw(st.integers(n // 2, n))
    window = data.draw(st.sampled_from([None, (np.hanning(size + 2)[1:-1] + 0.1).astype(np.float32)]))
    arguments = {
        "hop_length": data.draw(st.sampled_from([None, 2, 5])),
        "win_length": size if window is not None else None,
        "window": window,
        "center": data.draw(st.booleans()),
        "norm": data.draw(st.sampled_from(NORMS)),
        "onesided": data.draw(st.sampled_from([None, False])),
    }
    mode = data.draw(st.sampled_from(["reflect", "constant", "edge"]))
    actual = real(mx.fft.stft, x, n, pad_mode=mode, **arguments)
    found = stft(x, n, pad_mode=mode, **arguments)
    close(actual, found, x, n, 2.0)
    if x.dtype == np.complex64:
        arguments["onesided"] = False
    cut = data.draw(st.sampled_from([None, 12, 60]))
    back = istft(actual, n, length=cut, **arguments)
    close(real(mx.fft.istft, actual, n, length=cut, **arguments), back, actual, n, 4.0)


def test_where_hardly_a_window_reaches_the_weight_has_a_least_value() -> None:
    x = np.random.default_rng(0).standard_normal(32).astype(np.float32)
    for value in (1e-2, 1e-4, 1e-5):
        window = np.full(8, value, np.float32)
        frames = real(mx.fft.stft, x, 8, 8, window=window, center=False)
        back = istft(frames, 8, 8, window=window, center=False)
        np.testing.assert_allclose(real(mx.fft.istft, frames, 8, 8, window=window, center=False), back, rtol=1e-4)
        np.testing.assert_allclose(back, x * min(1.0, value**2 / 1e-8), rtol=1e-4, atol=1e-6)
    with pytest.raises(InputError, match="a window of 9 values is longer"):
        stft(x, 8, window=np.ones(9))
