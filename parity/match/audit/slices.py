"""Tensors made of entries of others: fused projections, stacked experts, one that is split, rows in another order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from parity.match.audit.lying import arranged
from parity.match.audit.tensor import LEAST

_HITS = 8
"""Places of the reference that are looked at for one entry, at most."""

_BLOCKS = 8
"""Blocks that a layout exchanges, or entries of a block, at most."""

WHOLE = -1
"""The axis of a tensor that is one entry itself."""

Key = tuple[int, float, float]
"""Size of an entry, its first and its last number."""


@dataclass(frozen=True)
class Part:
    """Entries `start` to `stop` along an axis of a tensor: entries `rows` along an axis of another one, `number`."""

    start: int
    stop: int
    number: int
    axis: int
    rows: tuple[int, ...]

    @property
    def text(self) -> str:
        """Which entries, in words."""
        first, last, count = self.rows[0], self.rows[-1], len(self.rows)
        steps = set(np.diff(self.rows).tolist())
        if count == 1:
            return f"entry {first} of axis {self.axis}"
        if steps == {1}:
            return f"entries {first} to {last} of axis {self.axis}"
        if len(steps) == 1:
            return f"{count} entries of axis {self.axis} from {first} in steps of {steps.pop()}"
        return f"{count} entries of axis {self.axis}"


@dataclass(frozen=True)
class Cut:
    """A tensor along an axis, or two of them as one, as parts of others; `lost` are its entries that are in none."""

    axes: tuple[int, ...]
    count: int
    parts: tuple[Part, ...]
    lost: tuple[int, ...]

    @property
    def rows(self) -> list[int]:
        """Which entry of another tensor each of its entries is, where the parts are all of one."""
        return [row for part in self.parts for row in part.rows]

    @property
    def along(self) -> str:
        """The axes in words."""
        if self.axes == (WHOLE,):
            return ""
        return f"along {'axis' if len(self.axes) == 1 else 'axes'} {' and '.join(map(str, self.axes))}"


class Slices:
    """The entries of tensors along all their axes, by their size and ends."""

    def __init__(self, arrays: Sequence[np.ndarray], sizes: frozenset[int]) -> None:
        """`sizes` are those of the entries that will be asked for."""
        self.arrays = arrays
        self.ends: dict[tuple[int, int], tuple[int, np.ndarray]] = {}
        self.places: dict[Key, list[tuple[int, int, int]]] = {}
        for number, array in enumerate(arrays):
            for axis in (WHOLE, *range(array.ndim)):
                size, ends = _ends(array, axis)
                if size not in sizes:
                    continue
                self.ends[number, axis] = size, ends
                for row, (first, last) in enumerate(ends.tolist()):
                    places = self.places.setdefault((size, first, last), [])
                    if len(places) < _HITS:
                        places.append((number, axis, row))
        self.sizes = {size for size, _ in self.ends.values()}

    def cut(self, array: np.ndarray) -> Cut | None:
        """The tensor as parts of these, along the axes along which the most of it is found; None for nothing."""
        best: Cut | None = None
        for axes in _axes(array):
            found = self._along(array, axes)
            if found and (best is None or len(found.lost) * best.count < len(best.lost) * found.count):
                best = found
            if best is not None and not best.lost:
                break
        return best

    def _along(self, array: np.ndarray, axes: tuple[int, ...]) -> Cut | None:
        moved = merged(array, axes)
        size, ends = _ends(moved, 0)
        if size not in self.sizes:
            return None
        parts = list[Part]()
        for place in [place for place, (first, last) in enumerate(ends.tolist()) if (size, first, last) in self.places]:
            before = parts[-1].stop if parts else 0
            part = self._longest(size, ends, place, before) if place >= before else None
            if part is not None and self._holds(moved, part, size):
                parts.append(part)
        if not parts:
            return None
        held = {row for part in parts for row in range(part.start, part.stop)}
        return Cut(axes, len(ends), tuple(parts), tuple(row for row in range(len(ends)) if row not in held))

    def _longest(self, size: int, ends: np.ndarray, place: int, before: int) -> Part | None:
        """The longest run of entries of one tensor from this place on; back to `before` where it goes on that way."""
        first, last = ends[place].tolist()
        if size > 1 and first == last and place + 1 < len(ends):
            return None  # one of many: zeros of padding, which a run from the next place takes in
        best: Part | None = None
        for number, axis, row in self.places.get((size, first, last), ()):
            theirs = self.ends[number, axis][1]
            step = _step(ends, theirs, place, row)
            rows = [row]
            while (
                place + len(rows) < len(ends)
                and 0 <= rows[-1] + step < len(theirs)
                and np.array_equal(theirs[rows[-1] + step], ends[place + len(rows)])
            ):
                rows.append(rows[-1] + step)
            start = place
            while start > before and rows[0] >= step > 0 and np.array_equal(theirs[rows[0] - step], ends[start - 1]):
                rows.insert(0, rows[0] - step)
                start -= 1
            if best is None or len(rows) > len(best.rows):
                best = Part(start, start + len(rows), number, axis, tuple(rows))
        return best

    def _holds(self, moved: np.ndarray, part: Part, size: int) -> bool:
        """The part is that of the other tensor to its last number, and has enough of them to be told from others."""
        other = self.arrays[part.number]
        theirs = other if part.axis == WHOLE else other.take(part.rows, part.axis)
        enough = len(part.rows) * size >= LEAST or theirs.size == other.size or theirs.size == moved.size > 2
        return enough and arranged(moved[part.start : part.stop], theirs, whole=True) is not None


def regular(rows: Sequence[int]) -> bool:
    """Entries are in an order that a layout has, and each is there once.

    A few blocks are exchanged as wholes, as the gates of a recurrent layer, or each of many blocks has its few entries
    in the same order.
    """
    order, count = np.array(rows), len(rows)
    if not np.array_equal(np.sort(order), np.arange(count)):
        return False
    for few in (n for n in range(2, min(_BLOCKS, count // 2) + 1) if count % n == 0):
        blocks, groups = order.reshape(few, -1), order.reshape(-1, few)
        if (np.diff(blocks, axis=1) == 1).all() or (groups - groups[:1] == few * np.arange(len(groups))[:, None]).all():
            return True
    return False


def entry_sizes(arrays: Sequence[np.ndarray]) -> frozenset[int]:
    """The sizes of entries of these along all the axes along which they are looked for."""
    return frozenset(array.size // len(merged(array, axes)) for array in arrays for axes in _axes(array))


def merged(array: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """The array with these axes as one in front; itself as one entry."""
    if axes == (WHOLE,):
        return array[None]
    moved = np.moveaxis(array, axes, range(len(axes)))
    return moved if len(axes) == 1 else moved.reshape(-1, *moved.shape[len(axes) :])


def _axes(array: np.ndarray) -> Iterator[tuple[int, ...]]:
    """Itself, each axis, and of three axes two as one."""
    yield (WHOLE,)
    yield from ((axis,) for axis in range(array.ndim))
    if array.ndim == 3:
        yield from permutations(range(3), 2)


def runs(rows: Sequence[int], most: int = 6) -> Iterator[str]:
    """Numbers in words: the first few."""
    yield from (str(row) for row in rows[:most])
    if len(rows) > most:
        yield "..."


def _ends(array: np.ndarray, axis: int) -> tuple[int, np.ndarray]:
    """The size of an entry, and the first and last number of each (entries, 2)."""
    if axis == WHOLE:
        return array.size, np.array([[array.flat[0], array.flat[-1]]])
    moved = np.moveaxis(array, axis, 0)
    inner = moved.ndim - 1
    return array.size // len(moved), np.stack([moved[(slice(None), *(end,) * inner)] for end in (0, -1)], axis=1)


def _step(ours: np.ndarray, theirs: np.ndarray, place: int, row: int) -> int:
    """How far apart neighbours of one tensor are in the other; 1 where that cannot be told."""
    if place + 1 == len(ours):
        return 1
    if row + 1 < len(theirs) and np.array_equal(theirs[row + 1], ours[place + 1]):
        return 1
    same = np.flatnonzero((theirs == ours[place + 1]).all(axis=1)) - row
    return int(same[0]) if len(same) == 1 and same[0] else 1
