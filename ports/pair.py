"""A pair: a port that somebody wrote, the model that it is of, and what `parity.compare` says of the two."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import parity
from ports.confirmed import false_matches
from ports.corrected import Correction

ARITHMETIC = ("equal", "rounding", "device", "wrong")
"""The words of a verdict on the device, the worst last."""

ROUNDED = 2.0**-23
"""How far apart tensors are, in RMS, of which one was computed in single precision and the other in double."""

EXPECTED = ("equal", "departs", "cannot run", "absent")
"""The words of pairs that are as the repository says of them."""


@dataclass(frozen=True)
class Sides:
    """What `parity.compare` takes: both models, sets of inputs in the reference's layout, and options.

    They are made and compared within `around`, as where a port is imported with its lines corrected.
    """

    reference: Any
    candidate: Any
    inputs: list[dict[str, np.ndarray]]
    options: Mapping[str, Any] = field(default_factory=dict)
    around: Callable[[], AbstractContextManager[object]] = nullcontext


@dataclass(frozen=True)
class Departure:
    """A known difference: a sentence, what either side's formula says of it, and what of the port's source mends it.

    `readings` are the names that people who read the port's source gave it.
    """

    sentence: str
    reference: str
    candidate: str
    corrections: tuple[Correction, ...] = ()
    readings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pair:
    """A port and its reference.

    `packages` are those whose versions the verdict is about, the port's first. `make` builds both sides; the folder is
    empty and is theirs. `departures` are known. `mended` builds the sides with all of them corrected, or with what
    keeps the pair from running, and `correction` says how. `refused` is a part of the sentence with which a pair cannot
    run, `reason` the cause. `absent` says why the port has nothing to be judged here. What is found is `confirmed` on
    inputs that no search has seen, which takes as long as the comparison.
    """

    name: str
    packages: tuple[str, ...]
    make: Callable[[Path], Sides]
    departures: tuple[Departure, ...] = ()
    mended: Callable[[Path], Sides] | None = None
    correction: str = ""
    refused: str = ""
    reason: str = ""
    absent: str = ""
    confirmed: bool = True

    @property
    def versions(self) -> list[str]:
        """`package version` of each that is installed here."""
        return [f"{package} {version(package)}" for package in self.packages]


@dataclass
class Judged:
    """What was found of a pair. `error` is why it could not be judged; `mended` the pair with its departures corrected.

    `matches` are the values that were found in an equal port, and those of them that are not equal on unseen inputs.
    `seconds` is the wall time of the first comparison, models and imports included.
    """

    pair: Pair
    comparison: parity.Comparison | None = None
    mended: parity.Comparison | None = None
    matches: tuple[int, int] | None = None
    error: str = ""
    seconds: float = 0.0

    @cached_property
    def healed(self) -> bool:
        """With the reference's values in the places of all departures, every output is equal."""
        found = self.comparison.proof.found if self.comparison else None
        return found is not None and bool(found.departures) and found.proven

    @property
    def causes(self) -> list[str]:
        """What the harness prints of each known departure, the first place of several; empty where it finds none."""
        found = self.comparison.departures if self.comparison else []
        return [next((text for text in found if _says(text, one)), "") for one in self.pair.departures]

    @property
    def unknown(self) -> list[str]:
        """Departures that the pair does not name, and named ones that are not there.

        Weights that a loader computes, in double in the stand-in, are the reference's but for its rounding.
        """
        if self.comparison is None:
            return []
        weights, found = self.comparison.weights, self.comparison.departures
        if all(row.apart is not None and row.apart <= ROUNDED for row in weights.rows if row.others):
            found = [text for text in found if text not in weights.departures]
        known = self.pair.departures
        odd = [text for text in found if not any(_says(text, one) for one in known)]
        return odd + [one.sentence for one in known if not any(_says(text, one) for text in found)]

    @property
    def word(self) -> str:
        """`equal`; `departs`, named and proven; `unexplained`; `cannot run`, for the reason that is known; `failed`.

        `absent` is what the port does not have.
        """
        if self.pair.absent:
            return "absent"
        right = self.mended is not None and self.mended.proof.proven
        if self.comparison is None:
            known = self.pair.refused and self.pair.refused in self.error
            return "cannot run" if known and (right or not self.pair.mended) else "failed"
        if self.comparison.proof.proven:
            return "unexplained" if self.pair.departures else "equal"
        proven = right if self.pair.mended else self.healed
        return "departs" if proven and self.pair.departures and not self.unknown else "unexplained"

    @property
    def arithmetic(self) -> str:
        """The worst word of the outputs on the device: of the mended pair where there is one."""
        judged = self.mended or self.comparison
        return max((one.word for one in judged.verdicts), key=ARITHMETIC.index, default="") if judged else ""


def judge(pair: Pair) -> Judged:
    """Both questions about a pair, by `parity.compare`; with its departures corrected once more."""
    judged = Judged(pair)
    if pair.absent:
        return judged
    for attempt in (_as_it_is, _corrected):
        try:
            attempt(judged)
        except (Exception, SystemExit) as error:  # whatever a port raises, or the engine on what it has never met
            judged.error = judged.error or f"{type(error).__name__}: {error}"
    return judged


def _as_it_is(judged: Judged) -> None:
    start = time.perf_counter()
    with TemporaryDirectory() as folder:
        sides = judged.pair.make(Path(folder))
        comparison = _compared(sides, exact=judged.pair.mended is not None)
        judged.seconds = time.perf_counter() - start
        found = comparison.matching  # made here, where an error of the search has a verdict
        if comparison.proof.proven and judged.pair.confirmed:
            wrong = false_matches(comparison, sides.reference, sides.candidate, **sides.options)
            judged.matches = len(found.pairs), len(wrong)
    judged.comparison = comparison


def _corrected(judged: Judged) -> None:
    if judged.pair.mended:
        with TemporaryDirectory() as folder:
            judged.mended = _compared(judged.pair.mended(Path(folder)))


def _compared(sides: Sides, exact: bool = False) -> parity.Comparison:
    """Both questions, or `exact` the mathematics alone: on the device a pair is judged as it is corrected."""
    with sides.around():
        return parity.compare(sides.reference, sides.candidate, sides.inputs, exact=exact, **sides.options)


def _says(text: str, known: Departure) -> bool:
    return known.reference in text and known.candidate in text
