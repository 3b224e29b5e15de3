"""parity.judge.snapshots: the pictures show where and how large an error is, and the worst are the ones kept."""

from __future__ import annotations

import base64
from dataclasses import replace

import numpy as np
import pytest

from parity.contract import ACCUMULATED, LOCAL
from parity.judge.snapshots import BINS, COLUMNS, ROWS, Gallery, picture, sounds
from parity.judge.verdict import Verdict


def verdict(
    tap: str = "x", mode: str = ACCUMULATED, ratio32: float = 1.0, where: tuple[int, ...] = (0, 2, 3)
) -> Verdict:
    passed = ratio32 <= 2
    return Verdict(
        tap, "", mode, passed, "", (2, 3, 5), 2.0, 2.0, floor=1e-3, ratio32=ratio32, ratio64=1.0, where=where
    )


def levels(drawn) -> np.ndarray:
    return np.frombuffer(base64.b64decode(drawn.map), np.uint8).reshape(drawn.rows, drawn.columns)


def test_the_map_shows_the_place_and_the_size():
    reference = np.zeros((2, 3, 5))
    candidate = reference.copy()
    candidate[1, 2, 3] = 1e-3
    candidate[0, 0, 0] = np.nan
    drawn = picture(verdict(), "b c t", candidate, reference)
    assert (drawn.axes, drawn.lengths, drawn.rows, drawn.columns) == (("c", "t"), (3, 5), 3, 5)
    seen = levels(drawn)
    assert seen[2, 3] == 1 + 253 * 3 // 9  # one floor: 3 of 9 decades
    assert seen[0, 0] == 255
    seen = seen.copy()
    seen[2, 3] = seen[0, 0] = 0
    assert not seen.any()
    assert sum(drawn.counts) == 29
    assert drawn.limit == 1.0


def test_a_large_array_is_pooled_by_its_largest_errors():
    reference = np.zeros((1000, 3001))
    candidate = reference.copy()
    candidate[999, 3000] = 1.0
    seen = levels(picture(verdict(where=(999, 3000)), "c t", candidate, reference))
    assert seen.shape == (ROWS, COLUMNS)
    assert np.argwhere(seen).tolist() == [[ROWS - 1, COLUMNS - 1]]


@pytest.mark.parametrize(("shape", "axes", "where"), [((), "", ()), ((1,), "k", (0,)), ((4, 1, 1), "b c t", (2, 0, 0))])
def test_every_shape_has_a_picture(shape, axes, where):
    drawn = picture(verdict(where=where), axes, np.ones(shape), np.zeros(shape))
    assert sum(drawn.counts) == np.ones(shape).size
    assert drawn.counts[BINS - 1] == np.ones(shape).size
    assert (0.0, 1.0) in [pair[1:] for pair in drawn.near]


def test_values_beside_the_worst_position():
    reference = np.arange(30.0).reshape(2, 3, 5)
    drawn = picture(verdict(where=(1, 2, 4)), "b c t", reference + 1, reference)
    assert drawn.near == tuple((i, 25.0 + i, 26.0 + i) for i in range(5))


def test_the_worst_and_the_first_failures_are_kept():
    gallery = Gallery(2)
    ones = np.ones((2, 3, 5))
    for tap, mode, ratio32 in [
        ("a", ACCUMULATED, 1.0), ("b", ACCUMULATED, 3.0), ("c", LOCAL, 2.5), ("d", LOCAL, 9.0), ("e", ACCUMULATED, 8.0),
        ("f", ACCUMULATED, 0.5),
    ]:  # fmt: skip
        gallery.see(verdict(tap, mode, ratio32), "b c t", ones, 0 * ones)
    assert [drawn.key[0] for drawn in gallery.pictures] == ["c", "b", "d", "e"]


def test_what_cannot_be_subtracted_has_no_picture():
    gallery = Gallery()
    bad = replace(verdict(), passed=False)
    for ours, theirs in ((np.ones(2), np.ones(3)), (np.ones(0), np.ones(0)), (np.ones(2, complex), np.ones(2))):
        gallery.see(bad, "k", ours, theirs)
    assert gallery.pictures == []


def test_sounds_are_each_item_of_each_wave():
    table = [{"state": "wave", "rate": 8000}, {"state": "other", "rate": 1}]
    waves = np.arange(6, dtype=np.float32).reshape(2, 3)
    found = sounds(table, {"wave": waves}, {"wave": waves + 1})
    assert [sound.name for sound in found] == ["wave, item 0", "wave, item 1"]
    text = found[1].as_dict()
    assert np.frombuffer(base64.b64decode(text["candidate"]), "<f4").tolist() == [4.0, 5.0, 6.0]
    assert sounds(table, {"wave": waves}, {"wave": waves[:, :2]}) == []
    assert sounds(table, {"wave": waves}, {"mel": waves}) == []  # the candidate stopped before it
    assert sounds(table, {"mel": waves}, {"wave": waves}) == []
