"""The own floor of a port at each of its taps: how far its own order of operations lets float32 results scatter."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

import numpy as np

from parity.base.metrics import rmse

RUNS = 8
"""How often a program is run with random rounding; the largest error of so many is its own floor."""

Name = TypeVar("Name", bound=Hashable)


class Floors(Generic[Name]):
    """Collects, of each tap, the largest RMSE of the runs added against the values in double."""

    def __init__(self, exact: Mapping[Name, np.ndarray]):
        self._exact, self._largest = exact, dict.fromkeys(exact, 0.0)

    def add(self, run: Mapping[Name, np.ndarray]) -> None:
        """One run rounded at random. Raises KeyError where it lacks a tap that the run in double has."""
        for name, exact in self._exact.items():
            self._largest[name] = max(self._largest[name], rmse(run[name], exact))

    def largest(self) -> dict[Name, float]:
        """The own floor at each tap, in the tap's unit."""
        return dict(self._largest)
