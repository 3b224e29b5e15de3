"""A result as GitHub shows it: a table for a job's summary and a comment, and errors at the port's lines of source."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from parity.base.names import printable
from parity.contract.parts import label

PLACE = re.compile(r"([^\s()]+\.py):(\d+)")
MOST = 10
"""Errors that GitHub shows of one step."""
WORDS = {True: "PASS", False: "FAIL", None: "NOT JUDGED"}


class Place(NamedTuple):
    """A line of the port, and what is wrong there."""

    file: str
    line: int
    text: str


class Told(NamedTuple):
    """What is said of a run. `passed` is None where the command broke off and nothing was judged."""

    passed: bool | None
    tap: str = ""
    cause: str = ""
    places: tuple[Place, ...] = ()


def told(result: dict[str, Any]) -> Told:
    """What the JSON of `verify`, `compare`, `prove` or `demo` says: the first wrong tap, its cause, and the lines."""
    if result["passed"]:
        return Told(True)
    return _of_models(result) if "matching" in result else _of_taps(result)


def _of_models(result: dict[str, Any]) -> Told:
    """Of two models: the departures, each with both formulas; where there is none, the first output that is wrong."""
    departures = (result["matching"] or {}).get("departures", [])
    places, causes = [], []
    for each in departures:
        sides = {name: each[side] for name, side in (("reference", "reference"), ("port", "candidate")) if each[side]}
        causes.append("; ".join(f"{name}: {side['formula']}" for name, side in sides.items()))
        if "port" in sides:
            places += [Place(*_place(place), causes[-1]) for place in sides["port"]["places"][:1]]
    wrong = next((verdict["tap"] for verdict in result["verdicts"] if not verdict["passed"]), "")
    tap = departures[0]["module"] if departures else wrong
    return Told(False, tap or wrong, "; ".join([result["first"], *causes[:1]]), tuple(places))


def _of_taps(result: dict[str, Any]) -> Told:
    """Of taps: the diagnosis of the first that is wrong, and the lines of the operations that depart."""
    first = result["first_failure"]
    if first is None:
        return Told(False, "", result.get("stopped") or "verdicts or checks are missing, or failed; see the report")
    diagnosis = result.get("diagnosis") or {"tap": label(first["tap"], first["branch"])}
    said = diagnosis.get("sentence") or "; ".join(result["departures"][:1])
    places = []
    for text in result["departures"]:
        if found := PLACE.search(text.partition(" against ")[2]):
            places.append(Place(found[1], int(found[2]), text))
    if operation := result.get("operation") or {}:
        if "file" in operation:
            places.append(Place(operation["file"], operation["line"], operation["sentence"]))
    return Told(False, diagnosis["tap"], said or first["reason"], tuple(places))


def _place(text: str) -> tuple[str, int]:
    file, _, line = text.rpartition(":")
    return file, int(line)


def markdown(found: Told, command: str, report: str = "") -> str:
    """The table of a run: the verdict, the first wrong tap, its cause, the port's lines, the command, the report."""
    rows = {
        "first wrong tap": _code(found.tap),
        "cause": _cell(found.cause),
        "the port's lines": ", ".join(dict.fromkeys(_code(f"{p.file}:{p.line}") for p in found.places[:MOST])),
        "command": _code(command),
        "report": _code(report),
    }
    table = [f"| {name} | {text} |" for name, text in rows.items() if text]
    return "\n".join([f"### parity: {WORDS[found.passed]}", "", "| | |", "|---|---|", *table, ""])


def errors(found: Told, workspace: Path) -> Iterator[str]:
    """Workflow commands that show an error at each line of the port that lies in the workspace, or one of no line."""
    there = [(path, each) for each in found.places if (path := _below(each.file, workspace))]
    for path, each in there[:MOST]:
        yield f"::error file={_property(path)},line={each.line},title=parity::{_data(each.text)}"
    if not there and not found.passed:
        title = "parity: not judged" if found.passed is None else f"parity: {found.tap} is wrong"
        yield f"::error title={_property(title)}::{_data(found.cause)}"


def _below(file: str, workspace: Path) -> str:
    """The path of a file as seen from the workspace, or "" where it lies elsewhere."""
    path, top = (workspace / file).resolve(), workspace.resolve()
    return path.relative_to(top).as_posix() if path.is_file() and path.is_relative_to(top) else ""


def _line(text: str) -> str:
    """A text in one line, of printable characters alone."""
    return printable(" ".join(text.split()))


def _data(text: str) -> str:
    return _line(text).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _cell(text: str) -> str:
    return _line(text).replace("|", "\\|").replace("<", "&lt;").replace("@", "&#64;")


def _code(text: str) -> str:
    """A name as code, which nothing in it ends."""
    inside = _line(text).replace("|", "\\|").replace("`", "'")
    return f"`{inside}`" if inside else ""
