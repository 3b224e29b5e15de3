"""The report as files to look at: one HTML file that needs nothing else, its data, a summary and JUnit XML."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from parity.base.errors import InputError
from parity.base.files import write_text
from parity.base.jsonfile import nan_to_none
from parity.show.results import REPORT_SCHEMA, Result

FILES = ("index.html", "report.json", "summary.md", "junit.xml")


def write(results: list[Result], out: Path, extras: dict[str, Any]) -> bool:
    """Write `index.html`, `report.json`, `summary.md` and `junit.xml` to the folder `out`, each whole or not at all.

    `extras`: `audits`, `benchmarks` (JSON of each, by its name) and `trends` (of `parity.show.history`). Returns
    whether every result passed that is more than informative. Raises `InputError` without results, without the
    `report` extra, or where it cannot write.
    """
    if not results:
        raise InputError("no result to report on; name files that `parity verify --json` wrote")
    require_extra()
    from parity.show.page import html, texts

    results = [nan_to_none(result) for result in results]
    passed = all(result["passed"] for result in results if not result["informative"])
    data = {"report_schema": REPORT_SCHEMA, "passed": passed, "results": results} | nan_to_none(extras)
    made = (
        html.page(results, extras),
        json.dumps(data, separators=(",", ":"), allow_nan=False),
        texts.summary(results, extras),
        texts.junit(results),
    )
    for name, text in zip(FILES, made, strict=True):
        write_text(text, out / name)
    return passed


def require_extra() -> None:
    """Raises `InputError` without the `report` extra."""
    try:
        from parity.show.page import html  # noqa: F401
    except ImportError as error:
        raise InputError(f"{error}; a report needs `pip install chatterbox-parity[report]`") from error
