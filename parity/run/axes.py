"""Axes of a contract as sites: whether any tap of a stage has one that is longer than 1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from parity.base.exercise import AXIS, WANTED, Site
from parity.contract import Contract, Segment


class Axes:
    """The lengths of the axes that the taps of each stage name."""

    def __init__(self, contract: Contract):
        self.roles = contract.roles
        self.found: dict[tuple[str, str], Site] = {}

    def see(self, segment: Segment, trace: Mapping[str, np.ndarray]) -> None:
        """Take in a run of a segment."""
        for tap in segment.taps:
            for axis, length in zip(tap.axes.split(), trace[tap.name].shape, strict=False):
                site = self.found.setdefault((segment.stage, axis), self._site(segment.stage, axis))
                site.ways.add(WANTED[AXIS][0] if length > 1 else "1")

    def _site(self, stage: str, axis: str) -> Site:
        role = f" ({self.roles[axis]})" if axis in self.roles else ""
        return Site(f"stage {stage}", 0, 0, "", AXIS, f"axis {axis}{role}", WANTED[AXIS])

    @property
    def sites(self) -> Iterable[Site]:
        return self.found.values()
