"""The report as files to look at: one HTML file that needs nothing else, its data, a summary and JUnit XML."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from parity.base.errors import InputError, MissingModuleError
from parity.base.files import write_text
from parity.base.jsonfile import nan_to_none
from parity.run.report import Report
from parity.show.results import REPORT_SCHEMA

FILES = ("index.html", "report.json", "summary.md", "junit.xml")
OF_A_COMPARISON = ("index.html", "junit.xml", "comparison.json")
"""The files of a comparison of two models (`parity.show.comparison`)."""
OF_A_SURVEY = ("index.html",)
"""The file of a survey of mutants (`parity.show.page.mutation`)."""


def write(reports: list[Report], out: Path, extras: dict[str, Any]) -> bool:
    """Write `index.html`, `report.json`, `summary.md` and `junit.xml` to the folder `out`, each whole or not at all.

    `extras`: `audits`, `benchmarks` (JSON of each, by its name), `trends` (of `parity.show.history`) and `since`: of
    each report what has changed since the run before it, None where none is known. Returns whether every report passed
    that is more than informative. Raises `InputError` without reports, without the `report` extra, or where it cannot
    write.
    """
    if not reports:
        raise InputError("no result to report on; name files that `parity verify --json` wrote")
    require_extra()
    from parity.show.page import html, texts

    passed = all(report.passed for report in reports if not report.informative)
    extras = {"audits": {}, "benchmarks": {}, "trends": [], "since": [None] * len(reports)} | extras
    data = {"report_schema": REPORT_SCHEMA, "passed": passed, "results": [report.as_dict() for report in reports]}
    made = (
        html.page(reports, extras),
        json.dumps(nan_to_none(data | extras), separators=(",", ":"), allow_nan=False),
        texts.summary(reports, extras),
        texts.junit(reports),
    )
    for name, text in zip(FILES, made, strict=True):
        write_text(text, out / name)
    return passed


def require_extra() -> None:
    """Raises `InputError` without the `report` extra."""
    try:
        from parity.show.page import html  # noqa: F401
    except ImportError as error:
        raise MissingModuleError(f"{error}; a report needs `pip install chatterbox-parity[report]`") from error
