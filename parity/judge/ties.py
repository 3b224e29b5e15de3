"""Ties: discrete decisions so close that rounding decides them. No other place says what a tie is.

A decision's *margin* is how far its values were from those of another decision, in noise floors of the values. At a
tie either choice is right, and what follows another choice cannot be compared: so a free run goes on with the
reference's choice there, and with its own elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from parity.base.metrics import rms
from parity.contract import Decision, Tap
from parity.contract.implementation import Case, resolve
from parity.judge.floor import TINY
from parity.judge.mathematics import BOUND

TIE = 10.0
"""Noise floors within which a margin is a tie. A floor is a root mean square; the largest of some thousand errors, each
of two roundings, comes to about that."""


def margins(decision: Decision, case: Case, tap: Tap, values: np.ndarray, floor: float) -> np.ndarray:
    """The margin of each decision of a tap, given the `values` that it is made on and their noise floor."""
    return np.asarray(_apart(decision, case, tap, values) / max(floor, TINY))


def tied(margins: np.ndarray) -> np.ndarray:
    """Which decisions are ties in float32. A margin that is NaN is none: there only equal decisions are right."""
    return np.asarray(margins <= TIE)


def tied_in_double(decision: Decision, case: Case, tap: Tap, values: np.ndarray) -> np.ndarray:
    """Which decisions are ties in double: as near to another one as two programs that compute the same may be apart."""
    return np.asarray(_apart(decision, case, tap, values) <= BOUND * rms(values))


def _apart(decision: Decision, case: Case, tap: Tap, values: np.ndarray) -> np.ndarray:
    apart: np.ndarray = np.abs(resolve(decision.margin)(case, tap, np.asarray(values, dtype=np.float64)))
    return apart


@dataclass
class Decisions:
    """How the reference took the discrete decisions of a run, and which of them are ties, by tap."""

    taken: dict[str, np.ndarray] = field(default_factory=dict)
    ties: dict[str, np.ndarray] = field(default_factory=dict)

    def note(self, name: str, taken: np.ndarray, margins: np.ndarray) -> None:
        """A tap's decisions with their margins. Decisions without a tie need not be followed."""
        ties = tied(margins)
        if ties.shape == taken.shape and ties.any():
            self.taken[name], self.ties[name] = np.array(taken), ties

    def __ior__(self, others: Decisions) -> Decisions:
        self.taken |= others.taken
        self.ties |= others.ties
        return self

    def followed(self, name: str, own: np.ndarray) -> dict[str, np.ndarray]:
        """What a free run goes on with in place of its own decisions, by tap: nothing where the tap has no tie."""
        ties = self.ties.get(name)
        if ties is None or ties.shape != own.shape:
            return {}
        return {name: np.where(ties, self.taken[name], own)}
