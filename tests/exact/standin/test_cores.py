"""Work in pieces: every item is done once, with one thread of the BLAS, and what was set is there again."""

from __future__ import annotations

import numpy as np
import pytest

from parity.exact.operations import cores


@pytest.mark.parametrize("multiplications", [0, cores.MUCH])
def test_every_item_is_worked_on_once(multiplications: int) -> None:
    seen: list[int] = []
    cores.each(seen.append, range(50), multiplications)
    assert sorted(seen) == list(range(50))


@pytest.mark.parametrize("multiplications", [0, cores.MUCH])
def test_what_fails_in_a_piece_is_raised(multiplications: int) -> None:
    def fail(item: int) -> None:
        raise KeyError(item)

    with pytest.raises(KeyError):
        cores.each(fail, range(4), multiplications)


@pytest.mark.parametrize("length", [0, 1, 2, 3, 1000])
def test_pieces_are_the_whole(length: int) -> None:
    found = [place for part in cores.pieces(length) for place in range(length)[part]]
    assert found == list(range(length))
    assert len(cores.pieces(length)) <= cores.CORES


def test_products_take_one_thread_inside() -> None:
    found = cores._threads()
    if found is None:  # another BLAS: nothing is set, and products are what they are
        with cores.one_thread():
            assert (np.eye(2) @ np.eye(2)).tolist() == [[1.0, 0.0], [0.0, 1.0]]
        return
    say, _ = found
    before = say()
    with cores.one_thread():
        assert say() == 1
    assert say() == before
    with pytest.raises(KeyError), cores.one_thread():
        raise KeyError
    assert say() == before
