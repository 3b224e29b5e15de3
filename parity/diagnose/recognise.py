"""Which mistake an error looks like: every hypothesis is tested, the likeliest first."""

from __future__ import annotations

import warnings

import numpy as np

from parity.diagnose import hypotheses
from parity.diagnose.evidence import REGISTRY, Evidence, Finding

LEAST = 0.25
"""Confidence below which a finding says nothing."""

__all__ = ["hypotheses", "recognise"]


def recognise(evidence: Evidence) -> list[Finding]:
    """The findings of all hypotheses, the likeliest first, one of each family."""
    found: dict[str, Finding] = {}
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for test in REGISTRY:
            finding = test(evidence)
            if finding is None or finding.confidence < LEAST:
                continue
            known = found.get(finding.family)
            if known is None or known.confidence < finding.confidence:
                found[finding.family] = finding
    return sorted(found.values(), key=lambda finding: -finding.confidence)
