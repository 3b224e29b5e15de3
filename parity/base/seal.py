"""The seal of a certificate: what shows that one was altered, and whether what it lists adds up to what it says.

`parity/run/certificate.py` makes certificates, and says what they hold.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from parity.base.errors import InputError

KIND, SCHEMA = "certificate", 1


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
