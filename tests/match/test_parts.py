"""Values that the other program holds in pieces, or as a piece of a larger one."""

from __future__ import annotations

import numpy as np

from parity.match.parts import Piece, Pieces

LENGTHS = (9, 12, 17)


def values(*shape: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    """One quantity of shape (2, length, *shape) at each length."""
    return tuple(np.random.default_rng((seed, n)).standard_normal((2, n, *shape)) for n in LENGTHS)


def test_projections_that_are_joined() -> None:
    query, key, value = values(16, seed=1), values(8, seed=2), values(8, seed=3)
    fused = tuple(np.concatenate(arrays, -1) for arrays in zip(query, key, value, strict=True))
    turned = tuple(array.transpose(0, 2, 1) for array in key)
    pieces = Pieces({5: query, 6: turned, 7: value, 8: values(8, seed=4)})
    assert pieces.joined(fused) == (Piece(5, 2, 0, 16), Piece(6, 2, 16, 24), Piece(7, 2, 24, 32))
    assert Pieces({5: query, 7: value}).joined(fused) == ()


def test_a_projection_inside_of_a_fused_one() -> None:
    fused = values(32)
    key = tuple(array[..., 16:24].transpose(2, 0, 1) for array in fused)
    assert Pieces({3: fused}).inside(key) == Piece(3, 2, 16, 24)
    moved = tuple(array + 1e-8 * (n == 1) for n, array in enumerate(key))
    assert Pieces({3: fused}).inside(moved) is None


def test_beside_infinity_no_piece_is_looked_for() -> None:
    fused = values(32)
    masked = tuple(np.concatenate([np.full_like(array[..., :1], -np.inf), array], -1) for array in fused)
    key = tuple(array[..., 16:24] for array in fused)
    assert Pieces({3: fused, 4: masked}).inside(key) == Piece(3, 2, 16, 24)
    assert Pieces({4: masked}).inside(key) is None


def test_batch_entries_apart() -> None:
    both = values(16)
    one, two = (tuple(array[n] for array in both) for n in (0, 1))
    assert Pieces({1: one, 2: two}).joined(both) == (Piece(1, 0, 0, 1), Piece(2, 0, 1, 2))
    assert Pieces({9: both}).inside(two) == Piece(9, 0, 1, 2)


def test_complex_numbers_of_real_and_imaginary_parts() -> None:
    angles = values(16)
    cosine, sine = (tuple(wave(array) for array in angles) for wave in (np.cos, np.sin))
    turns = tuple(np.exp(1j * array) for array in angles)
    assert Pieces({1: sine, 2: cosine}).joined(turns) == (Piece(2, 3, 0, 1), Piece(1, 3, 1, 2))
    assert Pieces({1: tuple(-array for array in sine), 2: cosine}).joined(turns) == ()
