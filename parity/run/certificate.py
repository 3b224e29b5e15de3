"""A certificate: what adopting a checkpoint found, as JSON that its owner can send to others.

It has hashes, versions, counts and worst ratios. It has no weights, no values of a tap, no name of a host and no path;
files go by the names that they have in their own folder. `seal` is a hash of all the rest (`parity/base/seal.py`): it
shows that a certificate was altered, not who wrote it.
"""

from __future__ import annotations

import importlib.metadata
import platform
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from parity.base.jsonfile import nan_to_none
from parity.base.seal import KIND, SCHEMA, seal
from parity.judge.verdict import Verdict
from parity.run.adoption import Adoption
from parity.run.report import Report

FILE = "certificate.json"
PROJECT = "chatterbox-parity"
KEPT_OF_AN_AUDIT = ("passed", "tensors", "compared", "naming", "layout", "dtype", "counts")


def certificate(adoption: Adoption) -> dict[str, Any]:
    """The certificate of an adoption, sealed."""
    made: dict[str, Any] = {
        "kind": KIND,
        "certificate_schema": SCHEMA,
        "passed": adoption.passed,
        "weights": adoption.weights,
        "files": adoption.files,
        "converted": adoption.converted,
        "audits": {name: _of_audit(audit) for name, audit in adoption.audits.items()},
        "runs": [_of_run(report) for report in adoption.reports],
        "versions": {"python": platform.python_version(), "numpy": importlib.metadata.version("numpy")} | _own(),
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    written: dict[str, Any] = nan_to_none(made)
    return written | {"seal": seal(written)}


def _of_audit(audit: Mapping[str, Any]) -> dict[str, Any]:
    """What an audit found, without its sentences: those name paths."""
    return {name: audit[name] for name in KEPT_OF_AN_AUDIT if name in audit}


def _of_run(report: Report) -> dict[str, Any]:
    """A run without its taps: their worst ratios for each stage, and what failed first."""
    first = report.first_failure
    return {
        "case": report.case,
        "passed": report.passed,
        "in_double": not report.program,
        "expected_verdicts": report.expected,
        "verdicts": len(report.verdicts),
        "failures": len(report.failures),
        "ties": report.ties,
        "words": report.words(),
        "stages": _stages(report),
        "swaps": {"verdicts": len(report.swaps), "failed": sum(not swap.verdict.passed for swap in report.swaps)},
        "checks": [{"name": c.name, "value": c.value, "bound": c.bound, "passed": c.passed} for c in report.checks],
        "first_failure": {name: getattr(first, name) for name in ("tap", "branch", "mode", "word")} if first else None,
        "subject": report.subject,
        "environment": {n: v for n, v in report.environment.items() if n != "host" and not set(v) & set("/\\")},
        "when": report.when,
    }


def _stages(report: Report) -> list[dict[str, Any]]:
    """Of each stage, as the run has them: how many verdicts, of which words, and the worst figures of any."""
    of: dict[str, list[Verdict]] = {}
    start = 0
    for stage, count in report.places:
        of.setdefault(stage, []).extend(report.verdicts[start : start + count])
        start += count
    return [
        {
            "stage": stage,
            "verdicts": len(verdicts),
            "failures": sum(not verdict.passed for verdict in verdicts),
            "words": dict(Counter(verdict.word for verdict in verdicts if verdict.word)),
            "ratio64": _largest(verdict.ratio64 for verdict in verdicts),
            "ratio32": _largest(verdict.ratio32 for verdict in verdicts),
            "mathematics": _largest(verdict.mathematics for verdict in verdicts),
        }
        for stage, verdicts in of.items()
    ]


def _largest(ratios: Any) -> float | None:
    """None where none is known, as of integers alone."""
    return max((ratio for ratio in ratios if ratio == ratio), default=None)


def _own() -> dict[str, str]:
    try:
        return {PROJECT: importlib.metadata.version(PROJECT)}
    except importlib.metadata.PackageNotFoundError:
        return {}
