"""A fault of 12 noise floors in one frame, channel or head is caught at every tap of the whole pipeline, and named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures import cases
from parity import contract as contracts
from parity.judge import segment
from parity.judge.floor import half_ulp_rms
from parity.judge.verdict import Verdict, distinct, judge
from parity.run.verify import Verifier

CONTRACT = contracts.load(Path(cases.__file__).parents[1] / "contract.toml")
FEW = 10
"""Values of a tap up to which its floor tells nothing from a fault (docs/report.md): sines of the time 0, say."""


def floor_of(reference: np.ndarray, exact: np.ndarray, tap: float) -> float:
    """The floor of a slice: of its tap, its own, and one rounding of each value, the largest."""
    noise, scale = (float(np.sqrt(np.mean(np.square(each)))) for each in (reference - exact, exact))
    return max(tap, noise, scale * half_ulp_rms("float32"))


class Planted:
    """Judges each tap as it is, and again with an error in one slice along each axis, drawn anew."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(0)
        self.taps: set[tuple[str, str]] = set()
        self.faults = 0
        self.missed: list[str] = []
        self.alarms: list[str] = []

    def __call__(self, *given: Any, **named: Any) -> Verdict:
        clean = judge(*given, **named)
        *what, candidate, reference, exact, floor, margins = given
        if not clean.slice or distinct(reference) <= FEW or np.abs(exact).max() > 1e8:
            return clean
        self.taps.add((clean.label, clean.mode))
        for axis, name in enumerate(named["axes"].split()):
            if reference.shape[axis] > 1:
                index = int(self.random.integers(reference.shape[axis]))
                place = (slice(None),) * axis + (index,)
                error = floor_of(reference[place].astype(float), exact[place], clean.floor)
                error = error * self.random.choice([-1.0, 1.0], exact[place].shape)
                wrong, slight = candidate.astype(float), candidate.astype(float)
                wrong[place] = exact[place] + 12 * error
                slight[place] += 0.5 * error
                found = judge(*what, wrong, reference, exact, floor, margins, **named)
                self.faults += 1
                if found.passed or found.slice != (name, index, reference.shape[axis]):
                    self.missed.append(f"{found.label} {found.mode} {name} {index}: {found.slice} {found.ratio_slice}")
                found = judge(*what, slight, reference, exact, floor, margins, **named)
                if not found.passed:
                    self.alarms.append(f"{found.label} {found.mode} {name} {index}: {found.reason}")
        return clean


def test_a_fault_in_one_slice_is_caught_at_every_tap_and_half_a_floor_at_none(monkeypatch: pytest.MonkeyPatch):
    case, planted = cases.load("tiny"), Planted()
    monkeypatch.setattr(segment, "judge", planted)
    report = Verifier(CONTRACT, case, cases.synthetic_checkpoint(case)).run()
    assert report.passed
    assert planted.missed == []
    assert planted.alarms == []
    judged = {(verdict.label, verdict.mode) for verdict in report.verdicts if verdict.slice}
    assert planted.taps <= judged
    assert len(planted.taps) > 0.98 * len(judged)
    assert planted.faults > 7000
