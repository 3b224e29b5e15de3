"""Values whose rows the other program holds among others, or with the numbers of each row in another order."""

from __future__ import annotations

import numpy as np
import pytest

from parity.match.rows import gathered, reordered
from parity.match.values import Pooled

LENGTHS = (9, 12, 17)


def values(width: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    return tuple(np.random.default_rng((seed, n)).standard_normal((2, n, width)) for n in LENGTHS)


def tokens(pooled: tuple[np.ndarray, ...], seed: int = 1) -> tuple[np.ndarray, ...]:
    """Some rows of each length, in no order: what one expert takes."""
    draw = np.random.default_rng(seed)
    rows = (array.reshape(-1, array.shape[-1]) for array in pooled)
    return tuple(array[draw.permutation(len(array))[:5]] for array in rows)


def changed(pooled: tuple[np.ndarray, ...], change: float) -> Pooled:
    """The same with one number of the second length moved."""
    arrays = [array.copy() for array in pooled]
    arrays[1][-1, -1] += change
    return tuple(arrays)


def test_rows_among_others() -> None:
    held, other = values(16), values(16, seed=2)
    expert = tokens(held)
    assert gathered(expert, [[(3, other)], [(5, held)]]) == (5,)
    assert gathered((expert[0], None, expert[2]), [[(5, held)]]) == (5,)
    assert gathered(changed(expert, 1e-12), [[(5, held)]]) == (5,)


def test_rows_of_all_steps_of_a_loop() -> None:
    whole = values(16)
    steps = [
        (place, tuple(array[:, place] if place < array.shape[1] else None for array in whole))
        for place in range(max(LENGTHS))
    ]
    assert gathered(whole, [steps]) == tuple(range(max(LENGTHS)))
    assert gathered(whole, [steps[:-1]]) == ()
    assert gathered(whole, [[step] for step in steps]) == ()


@pytest.mark.parametrize("change", [1e-8, -0.1, np.nan, np.inf])
def test_a_row_with_one_other_number_is_none_of_them(change: float) -> None:
    held = values(16)
    expert = tokens(held)
    assert gathered(changed(expert, change), [[(5, held)]]) == ()
    assert gathered(expert, [[(5, tuple(array + 1e-8 for array in held))]]) == ()


def test_rows_that_are_cut_or_put_together_are_no_rows() -> None:
    held = values(16)
    assert gathered(tuple(array[..., :8] for array in tokens(held)), [[(5, held)]]) == ()
    mixed = tuple(np.concatenate([rows[1:, :8], rows[:-1, 8:]], -1) for rows in tokens(held))
    assert gathered(mixed, [[(5, held)]]) == ()


def test_single_numbers_and_indices_are_not_looked_for_among_others() -> None:
    one = values(1)
    assert gathered(tokens(one), [[(5, one)]]) == ()
    indices = tuple(np.random.default_rng(n).integers(0, 4, (2, n, 2)) for n in LENGTHS)
    assert gathered(tokens(indices), [[(5, indices)]]) == ()
    few = tuple(array.astype(float) for array in indices)
    assert gathered(tokens(few), [[(5, few)]]) == ()


@pytest.mark.parametrize("whole_numbers", [False, True])
def test_the_chosen_of_each_row_in_another_order(whole_numbers: bool) -> None:
    held = values(4)
    if whole_numbers:
        held = tuple(np.argsort(array, -1)[..., :3] for array in held)
    draw = np.random.default_rng(3)
    mine = tuple(draw.permuted(array.reshape(-1, array.shape[-1]), axis=-1) for array in held)
    assert reordered(mine, [(2, values(4, seed=1)), (7, held)]) == 7
    moved = tuple(np.roll(array, 1, 0) for array in mine)
    assert reordered(moved, [(7, held)]) is None
    assert reordered(changed(mine, 1), [(7, held)]) is None
    assert reordered(tuple(array[:, :-1] for array in mine), [(7, held)]) is None
