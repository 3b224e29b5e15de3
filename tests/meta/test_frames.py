"""An exception is told with every line of somebody's own source that it came through."""

from __future__ import annotations

import pytest

from parity.base import frames
from parity.base.makers import makers


def fails(depth: int) -> None:
    if depth:
        fails(depth - 1)
    raise ValueError("no numbers " * 100)


def calls() -> None:
    first()


def first() -> None:
    second()


def second() -> None:
    third()


def third() -> None:
    fails(50)


def test_every_own_line_is_told_once_the_innermost_first():
    with pytest.raises(ValueError, match="no numbers") as caught:
        calls()
    text = frames.told(caught.value)
    chain = text.partition(" at ")[2].partition("; values made at ")[0]
    lines = [int(part.rpartition(":")[2]) for part in chain.split(", called at ")]
    assert lines[:6] == [14, 13, 30, 26, 22, 18]
    assert len(lines) == len(set(lines)) == 7  # and the line of the test
    assert text.startswith("ValueError: no numbers no numbers")
    assert " ... at " in text


def test_paths_are_told_from_another_folder(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="no numbers") as caught:
        third()
    monkeypatch.setattr(frames, "FOLDER", [tmp_path])
    assert f"at {__file__}:" in frames.told(caught.value)


def padded(x: list[int], length: int) -> list[int]:
    more = length - len(x)
    unused = 2 * length
    for place in range(more):
        x.append(place)
    made = [0] * length
    made[0] = unused
    if more < 0:
        raise ValueError("too long")
    return [made[place] for place in x]


def test_the_lines_that_made_the_values_are_told():
    with pytest.raises(IndexError) as caught:
        padded([7], 2)
    first = padded.__code__.co_firstlineno
    text = frames.told(caught.value)
    made = text.partition("; values made at ")[2].split(", ")
    assert [int(place.rpartition(":")[2]) - first for place in made[:3]] == [6, 5, 3]
    assert not any(int(place.rpartition(":")[2]) - first == 7 for place in made)


def test_what_cannot_be_read_made_nothing():
    assert makers("nowhere.py", 3) == []
    assert makers(__file__, 1) == []
