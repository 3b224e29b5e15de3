"""Anchors: arrays of both programs that do not depend on the inputs and are the same, in any layout.

Operations that take the same weight are counterparts whatever they compute.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from parity.exact.constants import half_ulp
from parity.match.arrangement import BOUND, find, root_mean_square
from parity.match.values import Index, Pooled, Runs, alike, distinct, moments

LEAST = 8
"""Different numbers that a weight needs to be told from others by its values."""


def telling(pooled: Pooled) -> bool:
    """A floating-point array of enough different numbers to be a weight or a table."""
    first = pooled[0]
    return first is not None and first.dtype.kind in "fc" and first.size >= LEAST and distinct(pooled[:1]) >= LEAST


def statics(runs: Runs, values: Mapping[int, Pooled]) -> dict[int, Pooled]:
    """Constants, and what is made of constants alone, that can be told from each other."""
    return {key: pooled for key, pooled in values.items() if key not in runs.dynamic and telling(pooled)}


class Anchors:
    """Of each constant value of the candidate, the reference's that hold the same numbers.

    What is made of a weight alone, and is no constant of the reference, counts as that weight. A rounded constant holds
    the same where the reference's lies within half an ulp at every element. `same[key]` are the reference's keys; of a
    fused array, all its parts. `exact[key]` is the reference's value for a rounded constant, in the candidate's layout.
    """

    def __init__(self, reference: Runs, candidate: Runs, ours: Mapping[int, Pooled], theirs: Mapping[int, Pooled]):
        self.same: dict[int, list[int]] = {}
        self.exact: dict[int, Pooled] = {}
        self.ours = statics(reference, ours)
        index = Index()
        for key, pooled in self.ours.items():
            index.add(key, pooled)
        for key, pooled in statics(candidate, theirs).items():
            rounded = ""
            if key not in candidate.makers:
                constant = candidate.constants(key)[0]
                rounded = constant.rounded if constant is not None else ""
            partners = self._whole(index, key, pooled, rounded)
            if not partners and key in candidate.makers:
                step = candidate.steps[candidate.makers[key]]
                partners = [one for taken in step.inputs for one in self.same.get(taken, ())]
            elif not partners:
                partners = self._fused(index, pooled)
            if partners:
                self.same[key] = partners

    def _whole(self, index: Index, key: int, pooled: Pooled, rounded: str) -> list[int]:
        first = pooled[0]
        assert first is not None
        slack = half_ulp(first, rounded) * 1.0001 if rounded else None
        bound = BOUND
        if slack is not None and (scale := root_mean_square(first)):
            bound = max(BOUND, float(slack.max()) / scale)
        partners = []
        for partner in index.near(first, bound):
            whole = index.pooled[partner][0]
            assert whole is not None
            arrangement = find(first, whole, bound)
            if arrangement is None:
                continue
            if slack is not None:
                exact = []
                for array, other in zip(pooled, self.ours[partner], strict=True):
                    if array is None or other is None or array.size != other.size:
                        break
                    there = arrangement if array is first and other is whole else find(array, other, bound)
                    if there is None:
                        break
                    exact.append(there.apply(other, array.shape))
                if len(exact) < len(pooled) or np.any(np.abs(exact[0] - first) > slack):
                    continue
                self.exact.setdefault(key, tuple(exact))
            partners.append(partner)
        return partners

    def _fused(self, index: Index, pooled: Pooled) -> list[int]:
        """Parts along an axis, one after the other, each a whole array of the reference."""
        fused = pooled[0]
        assert fused is not None
        for axis in range(fused.ndim):
            row = fused.size // fused.shape[axis]
            sizes = sorted({size // row for size in index.rows if size % row == 0 and size < fused.size})
            start, parts = 0, []
            while start < fused.shape[axis]:
                for count in sizes:
                    part = fused.take(range(start, min(start + count, fused.shape[axis])), axis)
                    if part.size != count * row:
                        continue
                    hit = next((k for k in index.near(part, BOUND) if self._equal(part, index, k)), None)
                    if hit is not None:
                        parts.append(hit)
                        start += count
                        break
                else:
                    break
            if start == fused.shape[axis] and len(parts) > 1:
                return parts
        return []

    @staticmethod
    def _equal(part: np.ndarray, index: Index, key: int) -> bool:
        whole = index.pooled[key][0]
        assert whole is not None
        return alike(moments(part), moments(whole), BOUND) and find(part, whole) is not None
