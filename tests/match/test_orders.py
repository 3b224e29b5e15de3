"""What one tensor is to another, in words, and that nothing is said where no rule holds."""

from __future__ import annotations

import numpy as np
import pytest

from parity.match.orders import how

WANTED = np.random.default_rng(0).standard_normal((8, 8))
KERNEL = np.random.default_rng(1).standard_normal((6, 3, 6))


def changed(array: np.ndarray, rows: list[int]) -> np.ndarray:
    made = array.copy()
    made[rows] *= 1.01
    return made


@pytest.mark.parametrize(
    ("held", "wanted", "said"),
    [
        (WANTED.T, WANTED, "transposed: transpose it when it is converted"),
        (KERNEL.transpose(2, 1, 0), KERNEL, "transposed, its axes in the order 2, 1, 0: turn them"),
        (KERNEL[:, ::-1], KERNEL, "with axis 1 reversed"),
        (-WANTED, WANTED, "with the other sign"),
        (WANTED[[0, 1, 5, 3, 4, 2, 6, 7]], WANTED, "with entries 2 and 5 of axis 0 exchanged"),
        (np.roll(WANTED, 4, 1), WANTED, "with the halves of axis 1 exchanged"),
        (WANTED[[0, 4, 1, 5, 2, 6, 3, 7]], WANTED, "axis 0 interleaved otherwise, read as 2 x 4 and turned to the ord"),
        (WANTED[[3, 1, 0, 2, 7, 5, 6, 4]], WANTED, "with the entries of axis 0 in another order, 3, 1, 0, 2, 7, 5, ."),
        (changed(WANTED, [3]), WANTED, "but for entry 3 of axis 0, of 8: convert the tensor anew"),
        (np.float32(WANTED.T).astype(float), WANTED, "transposed"),
        (WANTED * 1.01, WANTED, ""),
        (changed(WANTED, [1, 3, 4]), WANTED, ""),
        (np.random.default_rng(2).standard_normal((8, 8)), WANTED, ""),
        (WANTED[:4], WANTED, ""),
        (np.full_like(WANTED, np.nan), WANTED, ""),
    ],
)
def test_what_a_tensor_is_to_another(held, wanted, said):
    assert how(held, wanted).startswith(said) if not said.startswith("axis") else said in how(held, wanted)
    assert bool(how(held, wanted)) == bool(said)
