"""The page: the template filled in with what the results say."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from parity.contract.parts import label
from parity.diagnose.growth import ends
from parity.judge.snapshots import Picture
from parity.run.not_judged import sentences
from parity.run.report import Report
from parity.show.advice import advice
from parity.show.exercise import lines as exercise_lines
from parity.show.page import plots, rows, sound
from parity.show.page.template import filled
from parity.show.results import device, versions
from parity.show.words import counts, ratio, share, tally

SHOWN = 20
"""Entries of a list, of the problems that an audit found for one."""


def page(reports: list[Report], extras: dict[str, Any]) -> str:
    """The whole HTML file, with style, script, pictures and sounds in it: the page asks the network for nothing."""
    since = extras["since"]
    views = [_view(number, report) | {"since": since[number]} for number, report in enumerate(reports)]
    data = [view.pop("table") for view in views]
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    failed = (n for n, report in enumerate(reports) if not report.passed and not report.informative)
    functions = (ratio, figure, shade, share, columns, tally)
    return filled(
        "index.html.j2",
        {function.__name__: function for function in functions},
        sparkline=sparkline,
        views=views,
        opened=next(failed, 0),
        passed=all(report.passed for report in reports if not report.informative),
        audits=extras["audits"],
        benchmarks=extras["benchmarks"],
        trends=extras["trends"],
        data=text,
    )


def _view(number: int, report: Report) -> dict[str, Any]:
    stages = rows.parts(report)
    return {
        "number": number,
        "report": report,
        "device": device(report),
        "versions": versions(report),
        "advice": advice(report),
        "not_judged": [f"{text[0].upper()}{text[1:]}" for text in sentences(report.not_judged)],
        "growth": ends(report.diagnosis.growth if report.diagnosis else []),
        "stages": stages,
        "table": rows.table(report, stages),
        "words": counts(report.words()),
        "decisions": rows.decisions(report),
        "chain": plots.chain(report),
        "sounds": [sound.players(entry) for entry in report.sounds],
        "pictures": [_picture(entry) for entry in report.pictures],
        "exercise": list(exercise_lines(report.exercise)),
    }


def _picture(entry: Picture) -> dict[str, Any]:
    tap, branch, mode = entry.key
    return {"tap": label(tap, branch), "mode": mode, "svg": plots.error(entry), "near": entry.near}


def figure(value: Any) -> str:
    """A number with four digits; a dash where there is none; of a list or a table its first entries."""
    if isinstance(value, list | tuple | dict):
        entries = [f"{key} {figure(entry)}" for key, entry in value.items()] if isinstance(value, dict) else value
        more = f"; and {len(entries) - SHOWN} more" if len(entries) > SHOWN else ""
        return "; ".join(entry if isinstance(entry, str) else figure(entry) for entry in entries[:SHOWN]) + more or "–"
    if value is None or value != value:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def columns(rows: Iterable[dict[str, Any]]) -> list[str]:
    """The names of all figures that any row has, in order of appearance."""
    return list(dict.fromkeys(name for row in rows for name in row))


def shade(entry: dict[str, Any]) -> str:
    """The class of a tile: how much of its bound is used up, in five steps, or no ratio.

    What failed failed by itself, or was reached by an error from before it.
    """
    if entry["failed"]:
        return "failed" if entry["local"] else "reached"
    used = entry["used"]
    return "plain" if used is None else f"used-{min(int(used * 5), 4)}"


def sparkline(values: list[float]) -> str:
    """The points of a line through the values, in a box of 100 x 20, the newest on the right."""
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    step = 96 / max(len(values) - 1, 1)
    return " ".join(f"{2 + i * step:.1f},{18 - 16 * (value - low) / span:.1f}" for i, value in enumerate(values))
