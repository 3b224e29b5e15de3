"""A certificate: what adopting a checkpoint found, as JSON that its owner can send to others.

It has hashes, versions, counts and worst ratios. It has no weights, no values of a tap, no name of a host and no path;
files go by the names that they have in their own folder. `seal` is a hash of all the rest: it shows that a certificate
was altered, not who wrote it.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from parity.base.errors import InputError
from parity.base.jsonfile import nan_to_none
from parity.judge.verdict import Verdict
from parity.run.adoption import Adoption
from parity.run.report import Report

KIND, SCHEMA = "certificate", 1
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


def seal(certificate: Mapping[str, Any]) -> str:
    """SHA-256 of a certificate without its seal: of its JSON with sorted keys and no blanks.

    >>> made = {"kind": "certificate", "passed": True}
    >>> seal(made) == seal(made | {"seal": "any"}), seal(made) == seal(made | {"passed": False})
    (True, False)
    """
    rest = {name: value for name, value in certificate.items() if name != "seal"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def require_sealed(certificate: Mapping[str, Any], path: Path) -> None:
    """Raises `InputError` for a certificate of another schema, for one that was altered or that contradicts itself."""
    if (schema := certificate.get("certificate_schema")) != SCHEMA:
        raise InputError(f"{path}: certificate of schema {schema!r}, expected {SCHEMA}; write it again: `parity adopt`")
    try:
        right = seal(certificate) == certificate["seal"]
        consistent = certificate["passed"] is passed(certificate["audits"].values(), certificate["runs"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        text = f"{path}: no whole certificate ({type(error).__name__}: {error}); ask for the file itself"
        raise InputError(text) from error
    if not right:
        raise InputError(
            f"{path}: was altered after it was made: its seal is of other contents; ask for the file itself, or write "
            "it again with `parity adopt`"
        )
    if not consistent:
        raise InputError(f"{path}: says passed: {certificate['passed']}, and what it lists says otherwise")


def passed(audits: Any, runs: Sequence[Mapping[str, Any]]) -> bool:
    """Whether what a certificate lists adds up to a pass: two audits without a finding, and runs that passed.

    A run passed where it had every verdict that was expected, and none of them, no swap and no check failed.
    """
    found = list(audits)
    clean = len(found) == 2 and all(audit["passed"] and not audit["counts"] for audit in found)
    return clean and bool(runs) and all(run["passed"] and _adds_up(run) for run in runs)


def _adds_up(run: Mapping[str, Any]) -> bool:
    given = run["verdicts"] == run["expected_verdicts"] == sum(stage["verdicts"] for stage in run["stages"])
    checked = all(check["passed"] for check in run["checks"])
    return given and run["verdicts"] > 0 and not run["failures"] and not run["swaps"]["failed"] and checked


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
