"""A result's verdicts in the shape that the page needs: stages and parts to look at, and a compact table."""

from __future__ import annotations

import math
from typing import Any

from parity.contract import ACCUMULATED, LOCAL
from parity.contract.parts import label, merged, part
from parity.show.results import Result

COLUMNS = (
    "tap", "mode", "passed", "bound_ratio64", "bound_ratio32", "rmse", "relative", "floor", "ratio32", "ratio64",
    "headroom", "max_abs", "gain", "reference_rms", "nonfinite", "margin", "ties", "shape", "where", "part",
    "reason", "word", "mathematics", "own",
)  # fmt: skip
"""Of the compact table, in its order. `tap`, `shape` and `part` are numbers of a list of texts beside it."""


def parts(result: Result) -> list[dict[str, Any]]:
    """The stages in order, each with its parts and the part of every verdict; the part's name is its own in the run.

    Parts of one stage that differ in their number alone are one where they are many.
    """
    stages: list[dict[str, Any]] = []
    for name, verdicts in _stages(result):
        groups: dict[str, list[int]] = {}
        for index, verdict in verdicts:
            groups.setdefault(part(verdict["tap"]), []).append(index)
        rows = merged(groups)
        found = [_part(row, [result["verdicts"][index] for index in members]) for row, members in rows.items()]
        for entry, members in zip(found, rows.values(), strict=True):
            entry["members"] = members
        stages.append({"name": name, "parts": found} | _worst(found))
    return stages


def _stages(result: Result) -> list[tuple[str, list[tuple[int, Result]]]]:
    """Each stage once, with its verdicts; by the first name of a tap where the result does not say."""
    verdicts = list(enumerate(result["verdicts"]))
    stages: dict[str, list[tuple[int, Result]]] = {}
    start = 0
    for name, count in result["places"]:
        stages.setdefault(name, []).extend(verdicts[start : start + count])
        start += count
    rest = "not declared" if result["places"] else ""
    for index, verdict in verdicts[start:]:
        stages.setdefault(rest or part(verdict["tap"]).partition(".")[0], []).append((index, verdict))
    return list(stages.items())


def nearest(verdict: Result) -> tuple[float, str] | None:
    """How much of its bound the ratio uses up that is nearer to its own, and which it is; None without a ratio."""
    names = [name for name in ("ratio64", "ratio32") if verdict[name] is not None]
    return max(((float(verdict[name] / verdict[f"bound_{name}"]), name) for name in names), default=None)


def used(verdict: Result) -> float | None:
    """How much of its bound the nearer ratio uses up; None without a ratio."""
    found = nearest(verdict)
    return found[0] if found else None


def _part(name: str, verdicts: list[Result]) -> dict[str, Any]:
    known = [(*found, v) for v in verdicts if (found := nearest(v)) is not None]
    share, name_of, worst = max(known, key=lambda entry: entry[0], default=(None, "", {}))
    ratio = worst.get(name_of)
    return {
        "name": name,
        "verdicts": len(verdicts),
        "failed": sum(not v["passed"] for v in verdicts),
        "local": sum(not v["passed"] and v["mode"] == LOCAL for v in verdicts),
        "used": share,
        "ratio": ratio,
    }


def _worst(found: list[dict[str, Any]]) -> dict[str, Any]:
    shares = [entry["used"] for entry in found if entry["used"] is not None]
    return {
        "used": max(shares, default=None),
        "failed": sum(entry["failed"] for entry in found),
        "local": sum(entry["local"] for entry in found),
        "verdicts": sum(entry["verdicts"] for entry in found),
    }


def decisions(result: Result) -> list[dict[str, Any]]:
    """Discrete decisions by part: how many, the nearest to another in noise floors, and how many were ties."""
    groups: dict[str, list[Result]] = {}
    for verdict in result["verdicts"]:
        if verdict["margin"] is not None and verdict["mode"] == ACCUMULATED:
            groups.setdefault(part(verdict["tap"]), []).append(verdict)
    return [
        {
            "part": name,
            "count": sum(math.prod(v["shape"]) for v in verdicts),
            "margin": min(v["margin"] for v in verdicts),
            "ties": sum(v["ties"] for v in verdicts),
        }
        for name, verdicts in merged(groups).items()
    ]


def table(result: Result, stages: list[dict[str, Any]]) -> dict[str, Any]:
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
    for index, verdict in enumerate(result["verdicts"]):
        row: list[Any] = []
        for column in COLUMNS:
            if column == "tap":
                row.append(texts["tap"].setdefault(label(verdict["tap"], verdict["branch"]), len(texts["tap"])))
            elif column == "shape":
                text = " x ".join(map(str, verdict["shape"])) or "scalar"
                row.append(texts["shape"].setdefault(text, len(texts["shape"])))
            elif column == "part":
                row.append(places[index])
            elif column in ("mode", "passed"):
                row.append(int(verdict[column] in (True, LOCAL)))
            else:
                row.append(_short(verdict.get(column)))
        rows.append(row)
    lists = {name: list(known) for name, known in texts.items()}
    return {"columns": COLUMNS, "rows": rows, "part": names, **lists}


def _short(value: Any) -> Any:
    """Numbers with five digits, NaN and empty texts as 0 or nothing: the page holds ten thousands of them."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    return value
