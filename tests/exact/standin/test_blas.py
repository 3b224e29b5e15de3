"""Small products take one thread, and what was set is there again."""

from __future__ import annotations

import numpy as np
import pytest

from parity.exact.operations import blas


def test_small_products_take_one_thread_and_large_ones_all() -> None:
    found = blas._threads()
    if found is None:  # another BLAS: nothing is set, and products are what they are
        with blas.threads_for(1):
            assert (np.eye(2) @ np.eye(2)).tolist() == [[1.0, 0.0], [0.0, 1.0]]
        return
    say, _ = found
    before = say()
    with blas.threads_for(1):
        assert say() == 1
        with blas.threads_for(blas.LARGE):
            assert say() == 1
    assert say() == before
    with blas.threads_for(blas.LARGE):
        assert say() == before
    with pytest.raises(KeyError), blas.threads_for(1):
        raise KeyError
    assert say() == before
