"""An exception is told with every line of somebody's own source that it came through."""

from __future__ import annotations

import pytest

from parity.base import frames


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
    lines = [int(part.rpartition(":")[2]) for part in text.partition(" at ")[2].split(", called at ")]
    assert lines[:6] == [13, 12, 29, 25, 21, 17]
    assert len(lines) == len(set(lines)) == 7  # and the line of the test
    assert text.startswith("ValueError: no numbers no numbers")
    assert " ... at " in text


def test_paths_are_told_from_another_folder(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="no numbers") as caught:
        third()
    monkeypatch.setattr(frames, "FOLDER", [tmp_path])
    assert f"at {__file__}:" in frames.told(caught.value)
