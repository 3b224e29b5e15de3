"""A report's verdicts in the shape that the page needs: stages and parts to look at, and a compact table."""

from __future__ import annotations

import math
from typing import Any

from parity.contract import ACCUMULATED, LOCAL
from parity.contract.parts import merged, part
from parity.judge.verdict import Verdict
from parity.run.report import Report

COLUMNS = (
    "tap", "mode", "passed", "bound_ratio64", "bound_ratio32", "rmse", "relative", "floor", "ratio32", "ratio64",
    "headroom", "max_abs", "gain", "reference_rms", "nonfinite", "margin", "ties", "shape", "where", "part",
    "reason", "word", "mathematics", "own", "slice", "ratio_slice", "bound_ratio_slice",
)  # fmt: skip
"""Of the compact table, in its order. `tap`, `shape` and `part` are numbers of a list of texts beside it."""


def parts(report: Report) -> list[dict[str, Any]]:
    """The stages in order, each with its parts and the part of every verdict; the part's name is its own in the run.

    Parts of one stage that differ in their number alone are one where they are many.
    """
    stages: list[dict[str, Any]] = []
    first = report.first_failure
    for name, verdicts in _stages(report):
        groups: dict[str, list[int]] = {}
        for index, verdict in verdicts:
            groups.setdefault(part(verdict.tap), []).append(index)
        rows = merged(groups)
        found = [_part(row, [report.verdicts[index] for index in members], first) for row, members in rows.items()]
        for entry, members in zip(found, rows.values(), strict=True):
            entry["members"] = members
        stages.append({"name": name, "parts": found} | _stage(found))
    return stages


def _stages(report: Report) -> list[tuple[str, list[tuple[int, Verdict]]]]:
    """Each stage once, with its verdicts; by the first name of a tap where the report does not say."""
    verdicts = list(enumerate(report.verdicts))
    stages: dict[str, list[tuple[int, Verdict]]] = {}
    start = 0
    for name, count in report.places:
        stages.setdefault(name, []).extend(verdicts[start : start + count])
        start += count
    rest = "not declared" if report.places else ""
    for index, verdict in verdicts[start:]:
        stages.setdefault(rest or part(verdict.tap).partition(".")[0], []).append((index, verdict))
    return list(stages.items())


def _part(name: str, verdicts: list[Verdict], first: Verdict | None) -> dict[str, Any]:
    shares = [verdict.used for verdict in verdicts if verdict.nearest]
    return {
        "name": name,
        "verdicts": len(verdicts),
        "failed": sum(not v.passed for v in verdicts),
        "local": sum(not v.passed and v.mode == LOCAL for v in verdicts),
        "used": max(shares, default=None),
        "first": any(verdict is first for verdict in verdicts),
    }


def _stage(found: list[dict[str, Any]]) -> dict[str, Any]:
    shares = [entry["used"] for entry in found if entry["used"] is not None]
    sums = {name: sum(entry[name] for entry in found) for name in ("verdicts", "failed", "local")}
    return sums | {"used": max(shares, default=None)}


def decisions(report: Report) -> list[dict[str, Any]]:
    """Discrete decisions by part: how many, the nearest to another in noise floors, and how many were ties."""
    groups: dict[str, list[Verdict]] = {}
    for verdict in report.decisions:
        if verdict.mode == ACCUMULATED:
            groups.setdefault(part(verdict.tap), []).append(verdict)
    return [
        {
            "part": name,
            "count": sum(math.prod(v.shape) for v in verdicts),
            "margin": min(v.margin for v in verdicts),
            "ties": sum(v.ties for v in verdicts),
        }
        for name, verdicts in merged(groups).items()
    ]


def table(report: Report, stages: list[dict[str, Any]]) -> dict[str, Any]:
    """The compact table: `COLUMNS`, a row for each verdict, the lists of texts, and the stages' parts by number."""
    texts: dict[str, dict[str, int]] = {"tap": {}, "shape": {}}
    places: dict[int, int] = {}
    names: list[str] = []
    for stage in stages:
        for entry in stage["parts"]:
            entry["number"] = len(names)
            names.append(f"{stage['name']}: {entry['name']}")
            places |= dict.fromkeys(entry["members"], entry["number"])
    rows = []
    for index, verdict in enumerate(report.verdicts):
        row: list[Any] = []
        for column in COLUMNS:
            if column == "tap":
                row.append(texts["tap"].setdefault(verdict.label, len(texts["tap"])))
            elif column == "shape":
                text = " x ".join(map(str, verdict.shape)) or "scalar"
                row.append(texts["shape"].setdefault(text, len(texts["shape"])))
            elif column == "part":
                row.append(places[index])
            elif column in ("mode", "passed"):
                row.append(int(getattr(verdict, column) in (True, LOCAL)))
            else:
                row.append(_short(getattr(verdict, column)))
        rows.append(row)
    lists = {name: list(known) for name, known in texts.items()}
    return {"columns": COLUMNS, "rows": rows, "part": names, **lists}


def _short(value: Any) -> Any:
    """Numbers with five digits, and nothing where there is none: the page holds ten thousands of them."""
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else None
    return value
