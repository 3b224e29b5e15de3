"""What a run ends in, beside the verdicts on its taps."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One figure of what a run ends in, against its bound. `bound` says it in words: `>= 50 dB`."""

    name: str
    value: float
    bound: str
    passed: bool
