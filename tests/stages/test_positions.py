"""Position tables and the time embedding: both sides take the same sines of the same angles.

A rounding of an angle of 1000 rad is worth 3e-5 of its sine. Neither library's exp is correctly rounded: a few
frequencies are an ulp apart, and all angles of the others must agree to the bit.
"""

import mlx.core as mx
import numpy as np
import pytest
import torch

from mlx_impl.decoder import SinusoidalPosEmb as MlxTimeEmbedding
from mlx_impl.encoder import RelativePositions as MlxPositions
from reference.decoder import SinusoidalPosEmb as TorchTimeEmbedding
from reference.encoder import RelativePositions as TorchPositions
from spec.config import FULL, time_grid

TIMES = time_grid(10)


def ulps(array: np.ndarray, expected: np.ndarray) -> float:
    """The largest distance in units in the last place of `expected`."""
    return float((np.abs(array.astype(np.float64) - expected) / np.spacing(np.abs(expected))).max())


def from_torch(tensor: torch.Tensor) -> np.ndarray:
    return tensor.numpy().copy()


def of_sine(monkeypatch, owner, to_numpy):
    """Records every argument of a framework's `sin`."""
    seen, sine = [], owner.sin

    def recording(x, *rest, **more):
        seen.append(to_numpy(x))
        return sine(x, *rest, **more)

    monkeypatch.setattr(owner, "sin", recording)
    return seen


FEW = 12  # frequencies of either table, 160 and 256 of them


def test_time_embedding_takes_the_sine_of_the_same_angles(monkeypatch):
    ours = of_sine(monkeypatch, mx, np.array)
    theirs = of_sine(monkeypatch, torch.Tensor, from_torch)
    mx.eval(MlxTimeEmbedding(FULL.decoder_in)(mx.array(TIMES)))
    TorchTimeEmbedding(FULL.decoder_in)(torch.from_numpy(TIMES))
    (ours,), (theirs,) = ours, theirs
    assert ours.shape == theirs.shape == (11, FULL.decoder_in // 2)
    assert different_columns(ours, theirs) <= FEW
    assert ulps(ours[1:], theirs[1:]) <= 2  # one of the frequency, and the rounding of the product; at t = 0 all are 0
    assert ours.max() == 1000
    # The other order of the two products is another angle: 1000 (t f) in place of (1000 t) f.
    frequencies = theirs[-1:] / np.float32(1000)
    assert different_columns(np.float32(1000) * (TIMES[:, None] * frequencies), theirs) > FEW


def different_columns(ours: np.ndarray, theirs: np.ndarray) -> int:
    """Columns with a number that is not equal to the bit."""
    return int((ours != theirs).any(axis=0).sum())


def test_time_embedding_is_the_sine_and_cosine_of_its_angle():
    ours = np.array(MlxTimeEmbedding(FULL.decoder_in)(mx.array(TIMES)))
    theirs = TorchTimeEmbedding(FULL.decoder_in)(torch.from_numpy(TIMES)).numpy()
    assert ours.shape == theirs.shape == (11, FULL.decoder_in)
    apart = (np.abs(ours - theirs) > 2**-23).any(axis=0)  # each library's sine is within an ulp of 1 of the exact one
    assert apart.sum() <= 2 * FEW
    exact = TorchTimeEmbedding(FULL.decoder_in)(torch.from_numpy(TIMES.astype(np.float64))).numpy()
    assert 1e-6 < np.abs(theirs - exact).max() < 1e-4  # the float32 angle itself is the noise


@pytest.mark.parametrize("frames", [1, 2, 37, 500])
def test_position_tables_are_equal_within_an_ulp(monkeypatch, frames):
    """Where the frequencies are equal; an ulp of a frequency times the position is how far other angles are."""
    width = FULL.encoder.width
    our_angle, their_angle = of_sine(monkeypatch, mx, np.array), of_sine(monkeypatch, torch.Tensor, from_torch)
    ours = np.array(MlxPositions(width)(mx.zeros((1, frames, width))))
    theirs = TorchPositions(width)(torch.zeros(1, frames, width)).numpy()
    assert ours.shape == theirs.shape == (1, 2 * frames - 1, width)
    assert ours.dtype == theirs.dtype == np.float32
    (our_angle,), (their_angle,) = our_angle, their_angle

    position = np.abs(np.arange(frames - 1, -frames, -1))[:, None]
    frequency = np.exp(np.arange(0, width, 2) * -(np.log(10000) / width)).astype(np.float32)
    apart = np.abs(our_angle.astype(np.float64) - their_angle)
    # Two ulps of the frequency, one of either library, and the rounding of the product.
    assert (apart <= 2 * position * np.spacing(frequency) + np.spacing(np.abs(their_angle))).all()
    equal = (our_angle == their_angle).all(axis=0)  # by frequency
    assert equal.sum() >= width // 2 - FEW

    columns = np.repeat(equal, 2)  # sine and cosine
    assert np.abs(ours - theirs)[..., columns].max() <= 2**-23
    assert (np.abs(ours - theirs)[0] <= np.repeat(apart, 2, axis=1) + 2**-23).all()
    assert np.abs(np.roll(ours, 1, axis=2) - theirs).max() > 2**-23  # cosine where sine belongs


def test_a_position_table_has_the_dtype_of_the_input():
    layer, width = MlxPositions(FULL.encoder.width), FULL.encoder.width
    table = np.array(layer(mx.zeros((2, 37, width))))
    half = np.array(layer(mx.zeros((2, 37, width), dtype=mx.float16)))
    assert half.dtype == np.float16
    assert np.array_equal(half, table.astype(np.float16))


def test_positions_run_from_the_furthest_past_to_the_furthest_future():
    table = TorchPositions(2)(torch.zeros(1, 4, 2)).numpy()[0]
    positions = np.array([3, 2, 1, 0, -1, -2, -3], np.float32)
    np.testing.assert_allclose(table, np.stack([np.sin(positions), np.cos(positions)], axis=1), atol=1e-6)
