"""Entries of a batch that one program runs apart, and the other together."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

import numpy as np

from parity.match.arrangement import BOUND
from parity.match.quantities import Quantities
from parity.match.values import Index, Pooled, informative, neutral, whole

_MOST = 64
"""Entries of a batch or steps of time, at most."""

_AXES = (0, 1)
"""Batch and time are the first two axes, either before the other."""


Place = tuple[int, int]
"""An axis and a place along it."""


class Entries:
    """Which values of the candidate are an entry of a quantity of the reference, or have such quantities as entries.

    Neither program holds what the other does, so quantities that the candidate has are no answer: a part of one of
    those may be the wrong part.
    """

    def __init__(self, reference: Quantities) -> None:
        self.reference = reference
        self.by_size: dict[int, list[int]] = {}
        for quantity in dict.fromkeys(reference.of.values()):
            pooled = reference.values[quantity]
            if whole(pooled) and quantity in reference.made and (first := pooled[0]) is not None and first.size:
                self.by_size.setdefault(first.size, []).append(quantity)
        self.cut: dict[int, tuple[Index, Index]] = {}
        self.origin: list[tuple[int, Place]] = []

    def around(
        self, pooled: Pooled, made_of: frozenset[int], lengths: tuple[int, ...], seen: Container[int]
    ) -> tuple[int, Place] | None:
        """The quantity of which the value is an entry, and which entry it is."""
        if (first := pooled[lengths[0]]) is None or not first.size:
            return None
        for index, small in zip(self._cut(first.size), (False, True), strict=True):
            for number, _, _ in index.find(pooled, BOUND, lengths):
                quantity, place = self.origin[number]
                if quantity not in seen and (not small or self.reference.made_from(quantity, made_of)):
                    return quantity, place
        return None

    def inside(
        self, pooled: Pooled, made_of: frozenset[int], lengths: tuple[int, ...], seen: Container[int]
    ) -> frozenset[int]:
        """The quantities that are the value's entries, one for each; none if empty."""
        for axis in _AXES:
            counts = {a.shape[axis] for n in lengths if (a := pooled[n]) is not None and a.ndim > axis}
            if len(counts) != 1 or not 1 < (count := counts.pop()) <= _MOST:
                continue
            found: set[int] = set()
            for entry in _entries(pooled, axis):
                quantity = self._whole(entry, made_of, lengths)
                if quantity is None or quantity in seen or quantity in found:
                    break
                found.add(quantity)
            if len(found) == count:
                return frozenset(found)
        return frozenset()

    def places(self, quantity: int) -> Iterator[Place]:
        """Axes and places of a quantity's entries."""
        pooled = self.reference.values[quantity]
        for axis in _AXES:
            counts = {array.shape[axis] for array in pooled if array is not None and array.ndim > axis}
            if len(counts) == 1 and 1 < (count := counts.pop()) <= _MOST:
                yield from ((axis, place) for place in range(count))

    def _whole(self, pooled: Pooled, made_of: frozenset[int], lengths: tuple[int, ...]) -> int | None:
        for key, _, _ in self.reference.index.find(pooled, BOUND, lengths):
            return key
        for key, _, _ in self.reference.small.find(pooled, BOUND, lengths):
            if self.reference.made_from(key, made_of):
                return key
        return None

    def _cut(self, size: int) -> tuple[Index, Index]:
        """Entries of so many numbers of all quantities, those of enough numbers and those of few."""
        if size not in self.cut:
            self.cut[size] = Index(), Index()
            for count in range(2, _MOST + 1):
                for quantity in self.by_size.get(size * count, ()):
                    for axis in _AXES:
                        pooled = self.reference.values[quantity]
                        if (first := pooled[0]) is None or first.ndim <= axis or first.shape[axis] != count:
                            continue
                        for place, entry in enumerate(_entries(pooled, axis)):
                            if not neutral(entry):
                                self.cut[size][not informative(entry)].add(len(self.origin), entry)
                                self.origin.append((quantity, (axis, place)))
        return self.cut[size]


def _entries(pooled: Pooled, axis: int) -> Iterator[Pooled]:
    """The entries along an axis that every length has which is there; none where one does not have the axis."""
    present = [array for array in pooled if array is not None]
    if all(array.ndim > axis for array in present):
        for place in range(min(array.shape[axis] for array in present)):
            yield tuple(None if array is None else np.take(array, [place], axis) for array in pooled)


def together(entries: Sequence[Pooled]) -> Pooled:
    """Values as the entries of one, along their axis of one entry, or a new one where they have none."""
    made: list[np.ndarray | None] = []
    for arrays in zip(*entries, strict=True):
        present = [array for array in arrays if array is not None]
        if len(present) < len(arrays):
            made.append(None)
            continue
        axis = next((axis for axis in _AXES if all(a.ndim > axis and a.shape[axis] == 1 for a in present)), None)
        made.append(np.stack(present) if axis is None else np.concatenate(present, axis))
    return tuple(made)
