"""Which mistake an error looks like: every hypothesis is tested, the likeliest first."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from parity.diagnose import hypotheses
from parity.diagnose.evidence import AGAIN, REGISTRY, Evidence, Finding

SURE = 0.9
LEAST = 0.25
"""Confidence below which a finding says nothing."""

__all__ = ["hypotheses", "recognise"]


def recognise(evidence: Evidence) -> list[Finding]:
    """The findings of all hypotheses, the likeliest first, one of each family."""
    found: dict[str, Finding] = {}
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for test in [*REGISTRY, *AGAIN]:
            if test in AGAIN and any(finding.confidence >= SURE for finding in found.values()):
                break
            said = test(evidence)
            for finding in said if isinstance(said, tuple) else [said]:
                if finding is None or finding.confidence < LEAST:
                    continue
                known = found.get(finding.family)
                if known is None or known.confidence < finding.confidence:
                    found[finding.family] = finding
    return shared(found.values())


def shared(findings: Iterable[Finding]) -> list[Finding]:
    """The likeliest first. What is likely for one is not for the others: of two explanations at most one is right."""
    ranked = sorted(findings, key=lambda finding: -finding.confidence)
    if not ranked:
        return []
    first, *others = ranked
    most = round(1 - first.confidence / 2, 3)
    return [first, *(replace(other, confidence=min(other.confidence, most)) for other in others)]
