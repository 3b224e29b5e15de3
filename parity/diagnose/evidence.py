"""What a hypothesis is tested on, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from parity.base.metrics import rms
from parity.judge.floor import noise_floor

FEW = 2.0
"""Bounds that a model may leave of the error it explains: each side's rounding, and that of the inputs."""

LITTLE = 0.25
"""Of an error, what an explanation may leave."""

FEWEST = 4
"""Values of which a model may explain the error: any number is a gain of another one."""

KIND, STEP = 0.6, 0.05
"""Confidence in the family of a value whose computation is known, where its fault is not, and less for each further
family."""

UNEXPLAINED = 0.3
"""Of an error, what a model that leaves more than rounding is said to leave at least."""


@dataclass(frozen=True)
class Finding:
    """A mistake that the error looks like: its family, 0 ... 1 of confidence, and a sentence with the figures."""

    family: str
    confidence: float
    sentence: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Evidence:
    """One value of both sides, in the reference's axes, and what it was made from.

    `exact` is the float64 reference's. `inputs` are values of the reference that were right on the candidate, the
    latest first: earlier taps of the segment, and its state. `labels` are those of the axes that are split in branches.
    `roles` says of an axis what it is (`parity/contract/axes.py`); the contract declares both. `rounded` is the
    reference's with weights rounded as the candidate's are, of a candidate that computes in `dtype`. `known` is the
    noise floor where it was measured and there is no `exact`, `bound` what a right value may be off, in floors.
    `weights` are those of the reference's checkpoint.
    """

    name: str
    candidate: np.ndarray
    reference: np.ndarray
    exact: np.ndarray | None
    axes: tuple[str, ...]
    inputs: Mapping[str, np.ndarray] = field(default_factory=dict)
    labels: Mapping[str, list[str]] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    rounded: np.ndarray | None = None
    dtype: str = "float32"
    known: float = 0.0
    bound: float = 2.0
    weights: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def comparable(self) -> bool:
        """Whether the two are numbers of one shape, all finite, and not integers."""
        same = self.candidate.shape == self.reference.shape and self.reference.size > 0
        return same and self.reference.dtype.kind == "f" and self.candidate.dtype.kind == "f" and self.finite

    @property
    def finite(self) -> bool:
        return bool(np.isfinite(self.candidate).all())

    @cached_property
    def c(self) -> np.ndarray:
        return np.asarray(self.candidate, dtype=np.float64)

    @cached_property
    def r(self) -> np.ndarray:
        """The reference, as exact as it is known: what a float32 mistake is measured against."""
        better = self.exact if self.exact is not None and self.exact.shape == self.reference.shape else self.reference
        return np.asarray(better, dtype=np.float64)

    @cached_property
    def error(self) -> np.ndarray:
        return np.asarray(self.c - self.r)

    @cached_property
    def size(self) -> float:
        return rms(self.error)

    @cached_property
    def floor(self) -> float:
        """The reference's own rounding, RMS."""
        own = noise_floor(self.reference if self.rounded is None else self.rounded, self.r, self.dtype)
        return max(own, self.known)

    @property
    def ratio(self) -> float:
        """The error in noise floors."""
        return self.size / self.floor

    @cached_property
    def wrong(self) -> np.ndarray:
        """Which elements differ by more than rounding."""
        scale = np.maximum(np.abs(self.r), rms(self.r))
        return np.asarray(np.abs(self.error) > np.maximum(6 * self.floor, 1e-6 * scale))

    def left(self, model: np.ndarray) -> float:
        """The share of the error that is left when the candidate is compared with `model`: 0 explains all.

        A model that leaves more than rounding does not explain the error, however near it comes, and is said to leave
        `UNEXPLAINED` of it at least. Where the candidate is small, and any small model near it, the share is of its own
        size; where it is large, so is its rounding.
        """
        if self.size == 0:
            return 1.0
        enough = self.r.size >= FEWEST
        rest, own = rms(self.c - model), rms(self.c)
        left = rest / max(min(self.size, own), 1e-300)
        larger = max(1.0, own / max(rms(self.r), 1e-300))
        return left if enough and rest <= FEW * self.bound * self.floor * larger else max(left, UNEXPLAINED)

    def explains(self, model: np.ndarray) -> bool:
        """Whether a model leaves no more than rounding, and little of the error: of an error of few floors, neither is
        said lightly."""
        return self.left(model) <= LITTLE

    def arranged(self, move: Callable[[np.ndarray], np.ndarray]) -> Evidence:
        """The same with its values moved: their axes in another order, or as rows."""
        exact, rounded = (None if array is None else move(array) for array in (self.exact, self.rounded))
        return replace(
            self, candidate=move(self.candidate), reference=move(self.reference), exact=exact, rounded=rounded
        )

    def alike(self) -> dict[str, np.ndarray]:
        """The inputs that are floats of the reference's shape, but for axes of length 1, in double."""
        shape, lengths = self.r.shape, _lengths(self.r)
        return {
            name: np.asarray(array, np.float64).reshape(shape)
            for name, array in self.inputs.items()
            if array.dtype.kind == "f" and (array.shape == shape or _lengths(array) == lengths)
        }

    def role(self, position: int) -> str:
        """The role of an axis, empty where it has none."""
        return self.roles.get(self.axes[position], "")

    def axis(self, *roles: str) -> int | None:
        """The position of the first axis of the first of these roles that the value has."""
        held = [self.role(position) for position in range(len(self.axes))]
        return next((held.index(role) for role in roles if role in held), None)


def _lengths(array: np.ndarray) -> list[int]:
    """The lengths of all axes that are longer than 1."""
    return [length for length in array.shape if length > 1]


Hypothesis = Callable[[Evidence], Finding | tuple[Finding, ...] | None]
REGISTRY: list[Hypothesis] = []
AGAIN: list[Hypothesis] = []
"""Those that compute a block again, which takes a while: tested only where no other is sure."""


def hypothesis(function: Hypothesis) -> Hypothesis:
    """Have `recognise` test this function. The function returns a finding, or None where the hypothesis does not fit or
    cannot be tested."""
    REGISTRY.append(function)
    return function


def again(function: Hypothesis) -> Hypothesis:
    """As `hypothesis`, of one that computes a block again."""
    AGAIN.append(function)
    return function


def finding(family: str, left: float, simplicity: float, sentence: str, most: float = 0.35) -> Finding | None:
    """A finding when a model leaves at most that share of the error. Models with fewer numbers are likelier."""
    if not left <= most:
        return None
    return Finding(family, round(simplicity * (1 - left), 3), sentence)


def unknown(what: str, family: str, *others: str) -> tuple[Finding, ...]:
    """Findings of a candidate that is computed in no way that is known, where the reference is: `what` it is, and the
    families that its fault may be of, the likeliest first."""
    text = f"{what} makes the reference, and nothing known that is like it the candidate"
    return tuple(Finding(each, round(KIND - STEP * place, 3), text) for place, each in enumerate((family, *others)))


def likeliest(findings: Iterable[Finding | None]) -> Finding | None:
    """The finding of most confidence, the first of equal ones."""
    return max((found for found in findings if found), key=lambda found: found.confidence, default=None)
