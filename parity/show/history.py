"""Results over time, in one SQLite file: what each run measured at each tap, and what has drifted.

    runs    id, at (UTC), case_name, device, kind (what else runs must have in common to be compared), versions, passed,
            ratio64 and ratio32 (the worst of the run), source (SHA-256 of the result: none is added twice)
    taps    id, label, mode
    ratios  tap, run, passed, ratio32, ratio64, headroom, bound (of the nearest ratio)
    speeds  run, what, seconds

A run is added in one transaction: it is there whole or not at all, and writers wait for each other.
"""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from parity.base.errors import InputError
from parity.base.jsonfile import nan_to_none
from parity.contract import FULL
from parity.run.report import BOTH, Report
from parity.show.changes import Run, Seen, changes, seen
from parity.show.drift import MOST, drifts
from parity.show.results import device, versions

SCHEMA = 3
WAIT = 60.0
"""Seconds that a writer waits for another."""
RATIOS = ("ratio32", "ratio64")
TABLES = """
CREATE TABLE IF NOT EXISTS runs (id INTEGER PRIMARY KEY, at TEXT NOT NULL, case_name TEXT NOT NULL, device TEXT
  NOT NULL, versions TEXT NOT NULL, passed INTEGER NOT NULL, source TEXT NOT NULL UNIQUE,
  ratio64 REAL, ratio32 REAL, kind TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS runs_alike ON runs (case_name, device, kind, passed, id);
CREATE TABLE IF NOT EXISTS taps (id INTEGER PRIMARY KEY, label TEXT NOT NULL, mode TEXT NOT NULL, UNIQUE (label, mode));
CREATE TABLE IF NOT EXISTS ratios (tap INTEGER NOT NULL REFERENCES taps, run INTEGER NOT NULL REFERENCES runs,
  ratio32 REAL, ratio64 REAL, headroom REAL, bound REAL NOT NULL, passed INTEGER, PRIMARY KEY (run, tap)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS ratios_of ON ratios (tap, run, ratio32, ratio64, headroom, bound);
CREATE TABLE IF NOT EXISTS speeds (run INTEGER NOT NULL REFERENCES runs, what TEXT NOT NULL, seconds REAL NOT NULL,
  PRIMARY KEY (run, what)) WITHOUT ROWID;
"""
RENEWED = {
    1: (
        "ALTER TABLE runs RENAME COLUMN truth TO ratio64",
        "ALTER TABLE runs RENAME COLUMN distance TO ratio32",
        "ALTER TABLE ratios RENAME COLUMN truth TO ratio64",
        "ALTER TABLE ratios RENAME COLUMN distance TO ratio32",
        "UPDATE taps SET mode = 'local' WHERE mode = 'created'",
        "UPDATE taps SET mode = 'accumulated' WHERE mode = 'inherited'",
    ),
    2: (
        "ALTER TABLE runs ADD COLUMN kind TEXT NOT NULL DEFAULT ''",
        "DROP INDEX IF EXISTS runs_of",
        "ALTER TABLE ratios ADD COLUMN passed INTEGER",
        "UPDATE ratios SET passed = coalesce(headroom, 1) >= 1 OR run IN (SELECT id FROM runs WHERE passed)",
    ),
}
"""What makes a store of a schema one of the next: other words, then what a verdict said and what runs are alike."""


class Alike(NamedTuple):
    """What runs have in common that are compared with each other."""

    case: str
    device: str
    kind: str = ""

    def __str__(self) -> str:
        return f"{self.case}, {self.kind}" if self.kind else self.case


def alike(report: Report) -> Alike:
    """Runs of one case on one device, of one precision and checkpoint, all of both sides or all by a recording."""
    kind = [report.precision] if report.precision != FULL.name else []
    kind += [report.source] if report.source != BOTH else []
    kind += [f"checkpoint {files[:8]}"] if (files := report.subject.get("checkpoint")) else []
    return Alike(report.case, device(report), ", ".join(kind))


class History:
    """A store of results; the file is made when it is first used. Raises `InputError` for another file."""

    def __init__(self, path: Path):
        self.path = path
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: no regular file, which a history is; name another file")
        try:
            self._make()
        except BaseException:
            with suppress(OSError):
                if not path.stat().st_size:  # nothing is left of a store that was not made
                    path.unlink()
            raise

    def _make(self) -> None:
        path = self.path
        with self._open() as store:
            # In this order: tables and version appear at once, so what is not empty has its version.
            empty = not store.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            version = store.execute("PRAGMA user_version").fetchone()[0]
            if version not in (*RENEWED, SCHEMA) and not (empty and version == 0):
                expected = f"expected 1 to {SCHEMA}; name another file"
                raise InputError(f"{path}: history of schema {version}, {expected}")
            store.execute("PRAGMA journal_mode = WAL")
            store.execute("BEGIN IMMEDIATE")
            version = store.execute("PRAGMA user_version").fetchone()[0]
            for statement in (text for old, texts in RENEWED.items() if 0 < version <= old for text in texts):
                store.execute(statement)
            for statement in TABLES.split(";")[:-1]:
                store.execute(statement)
            store.execute(f"PRAGMA user_version = {SCHEMA}")
            store.execute("COMMIT")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            store = sqlite3.connect(self.path, timeout=WAIT, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise InputError(f"{self.path}: cannot be opened ({error}); name another file for the history") from error
        try:
            yield store
        except sqlite3.Error as error:
            raise InputError(f"{self.path}: not a usable history ({error}); name another file") from error
        finally:
            store.close()

    def add(self, report: Report) -> bool:
        """Append one report. Returns False, and adds nothing, when it is there already."""
        figures = {
            (v.label, v.mode): (*_known(v.ratio32, v.ratio64, v.headroom), v.bound, v.passed) for v in report.verdicts
        }
        most = _known(*(report.worst(name) for name in RATIOS))
        about = (report.when, *alike(report), versions(report), report.passed, digest(report))
        with self._open() as store:
            store.execute("BEGIN IMMEDIATE")
            made = store.execute(
                "INSERT INTO runs (at, case_name, device, kind, versions, passed, source, ratio32, ratio64)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (source) DO NOTHING RETURNING id",
                (*about, *most),
            ).fetchone()
            if made is None:
                store.execute("ROLLBACK")
                return False
            store.executemany("INSERT INTO taps (label, mode) VALUES (?, ?) ON CONFLICT DO NOTHING", list(figures))
            store.executemany(
                "INSERT INTO ratios (tap, run, ratio32, ratio64, headroom, bound, passed)"
                " SELECT id, ?, ?, ?, ?, ?, ? FROM taps WHERE label = ? AND mode = ?",
                [(made[0], *values, *key) for key, values in figures.items()],
            )
            speeds = [(made[0], what, seconds) for what, seconds in report.seconds.items()]
            store.executemany("INSERT INTO speeds VALUES (?, ?, ?)", speeds)
            store.execute("COMMIT")
        return True

    def labels(self) -> list[str]:
        """The taps that any run has, in the order of the flow."""
        with self._open() as store:
            return list(dict.fromkeys(row[0] for row in store.execute("SELECT label FROM taps ORDER BY id")))

    def runs(self) -> list[dict[str, Any]]:
        """Every run, the oldest first."""
        columns = "id, at, case_name, device, kind, versions, passed"
        with self._open() as store:
            rows = store.execute(f"SELECT {columns} FROM runs ORDER BY id").fetchall()
        return [dict(zip(columns.split(", "), row, strict=True)) for row in rows]

    def since(self, report: Report) -> dict[str, Any] | None:
        """What has changed since the last run like this one, in the store or not; None without one."""
        with self._open() as store:
            last = store.execute(
                "SELECT id, at, passed FROM runs WHERE case_name = ? AND device = ? AND kind = ?"
                " AND id < coalesce((SELECT id FROM runs WHERE source = ?), ?) ORDER BY id DESC LIMIT 1",
                (*alike(report), digest(report), sys.maxsize),
            ).fetchone()
            if last is None:
                return None
            rows = store.execute(
                "SELECT label, mode, passed, ratio32, ratio64 FROM ratios JOIN taps ON taps.id = tap WHERE run = ?",
                last[:1],
            ).fetchall()
        old: Run = {
            (label, mode): Seen(bool(passed), *_numbers(ratio32, ratio64))
            for label, mode, passed, ratio32, ratio64 in rows
        }
        return {"at": last[1], "passed": bool(last[2])} | changes(old, seen(report)).as_dict()

    def series(self, tap: str, mode: str, like: Alike) -> list[dict[str, Any]]:
        """The ratios of one tap in each of the runs that are alike, the oldest first."""
        columns = "at, versions, ratio32, ratio64, headroom, bound"
        with self._open() as store:
            rows = store.execute(
                "SELECT at, versions, ratios.ratio32, ratios.ratio64, headroom, bound FROM ratios"
                " JOIN taps ON taps.id = ratios.tap JOIN runs ON runs.id = ratios.run"
                " WHERE label = ? AND mode = ? AND case_name = ? AND device = ? AND kind = ? ORDER BY runs.id",
                (tap, mode, *like),
            ).fetchall()
        return [dict(zip(columns.split(", "), row, strict=True)) for row in rows]

    def trends(self, like: Alike, chain: str = "", most: int = 24) -> list[dict[str, Any]]:
        """What a report shows of runs that are alike: each drift, the chain's taps, the worst ratios, the time.

        A trend is a `series` in words, its `points`, the oldest first, the `bound` of them and the `drift` in words,
        empty where there is none. The points are of the newest run and of those before it that passed. A newest run
        that failed has no drift: its errors may be of one fault.
        """
        with self._open() as store:
            newest = store.execute(
                "SELECT id, passed FROM runs WHERE case_name = ? AND device = ? AND kind = ? ORDER BY id DESC LIMIT 1",
                like,
            ).fetchone()
            if newest is None:
                return []
            passed = store.execute(
                "SELECT id FROM runs WHERE case_name = ? AND device = ? AND kind = ? AND passed AND id < ?"
                " ORDER BY id DESC LIMIT ?",
                (*like, newest[0], MOST),
            )
            numbers = [*sorted(row[0] for row in passed), newest[0]]
            found = (self._moved(store, numbers) if newest[1] else []) + self._chain(store, numbers, chain)
            marks = ",".join("?" * len(numbers))
            worst = store.execute(
                f"SELECT ratio64, ratio32 FROM runs WHERE id IN ({marks}) ORDER BY id", numbers
            ).fetchall()
            times = store.execute(
                f"SELECT what, seconds FROM speeds WHERE run IN ({marks}) ORDER BY what, run", numbers
            ).fetchall()
        for name, column in zip(("ratio64", "ratio32"), zip(*worst, strict=True), strict=True):
            values = [value for value in column if value is not None]
            if values:
                found.append({"series": f"worst {name}", "points": values, "bound": None, "drift": ""})
        seconds: dict[str, list[float]] = {}
        for what, value in times:
            seconds.setdefault(what, []).append(value)
        for what, values in seconds.items():
            found.append({"series": f"seconds of {what}", "points": values, "bound": None, "drift": ""})
        return [trend | {"series": f"{like}: {trend['series']}"} for trend in found[: max(most, 1)]]

    def _moved(self, store: sqlite3.Connection, numbers: list[int]) -> list[dict[str, Any]]:
        """The ratios of the last run that left their scatter over the earlier ones."""
        taps = [row[0] for row in store.execute("SELECT tap FROM ratios WHERE run = ? ORDER BY tap", numbers[-1:])]
        place = {tap: number for number, tap in enumerate(taps)}
        values = np.full((len(numbers), 2, len(taps)), np.nan)
        for row, run in enumerate(numbers):
            for tap, *ratios in store.execute("SELECT tap, ratio32, ratio64 FROM ratios WHERE run = ?", (run,)):
                if tap in place:
                    values[row, :, place[tap]] = ratios  # None becomes NaN
        found = []
        for number, note in drifts(values.reshape(len(numbers), -1)).items():
            which, column = divmod(number, len(taps))
            points, bound, label = self._points(store, taps[column], RATIOS[which], numbers)
            found.append({"series": f"{label}, {RATIOS[which]}", "points": points, "bound": bound, "drift": note})
        return sorted(found, key=lambda trend: str(trend["series"]))

    def _chain(self, store: sqlite3.Connection, numbers: list[int], chain: str) -> list[dict[str, Any]]:
        taps = store.execute(
            "SELECT id FROM taps WHERE mode = 'accumulated' AND (label = ? OR label GLOB ?) ORDER BY id",
            (chain, chain.replace("[", "[[]") + "[[]*"),
        ).fetchall()
        found = []
        for (tap,) in taps:
            points, bound, label = self._points(store, tap, "ratio64", numbers)
            if points:
                found.append({"series": f"{label}, ratio64", "points": points, "bound": bound, "drift": ""})
        return found

    def _points(
        self, store: sqlite3.Connection, tap: int, name: str, numbers: list[int]
    ) -> tuple[list[float], float, str]:
        label, mode = store.execute("SELECT label, mode FROM taps WHERE id = ?", (tap,)).fetchone()
        marks = ",".join("?" * len(numbers))
        rows = store.execute(
            f"SELECT {name}, bound FROM ratios WHERE tap = ? AND run IN ({marks}) ORDER BY run", (tap, *numbers)
        ).fetchall()
        values = [value for value, _ in rows if value is not None]
        return values, rows[-1][1] if rows else 0.0, f"{label} ({mode})"


def digest(report: Report) -> str:
    """The SHA-256 of a result: the same report is not added twice."""
    return hashlib.sha256(json.dumps(nan_to_none(report.as_dict()), sort_keys=True).encode()).hexdigest()


def _known(*values: float) -> list[float | None]:
    """What SQL can hold: no figure for NaN and infinity."""
    return [value if math.isfinite(value) else None for value in values]


def _numbers(ratio32: float | None, ratio64: float | None) -> tuple[float, float]:
    """What SQL held, with NaN where there is no figure."""
    return math.nan if ratio32 is None else ratio32, math.nan if ratio64 is None else ratio64
