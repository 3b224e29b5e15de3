"""Results over time, in one SQLite file: what each run measured at each tap, and what has drifted.

    runs    id, at (UTC), case_name, device, versions, passed, ratio64 and ratio32 (the worst of the run), source
            (SHA-256 of the result: none is added twice)
    taps    id, label, mode
    ratios  tap, run, ratio32, ratio64, headroom, bound (of ratio64, of ratio32 where there is no ratio64)
    speeds  run, what, seconds

A run is added in one transaction: it is there whole or not at all, and writers wait for each other.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from parity.base.errors import InputError
from parity.base.jsonfile import nan_to_none
from parity.contract.parts import label
from parity.show.drift import FEWEST, MOST, STILL, drifted
from parity.show.results import Result, device, versions

SCHEMA = 2
WAIT = 60.0
"""Seconds that a writer waits for another."""
TABLES = """
CREATE TABLE IF NOT EXISTS runs (id INTEGER PRIMARY KEY, at TEXT NOT NULL, case_name TEXT NOT NULL, device TEXT
  NOT NULL, versions TEXT NOT NULL, passed INTEGER NOT NULL, source TEXT NOT NULL UNIQUE,
  ratio64 REAL, ratio32 REAL);
CREATE INDEX IF NOT EXISTS runs_of ON runs (case_name, device, id);
CREATE TABLE IF NOT EXISTS taps (id INTEGER PRIMARY KEY, label TEXT NOT NULL, mode TEXT NOT NULL, UNIQUE (label, mode));
CREATE TABLE IF NOT EXISTS ratios (tap INTEGER NOT NULL REFERENCES taps, run INTEGER NOT NULL REFERENCES runs,
  ratio32 REAL, ratio64 REAL, headroom REAL, bound REAL NOT NULL, PRIMARY KEY (run, tap)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS ratios_of ON ratios (tap, run, ratio32, ratio64, headroom, bound);
CREATE TABLE IF NOT EXISTS speeds (run INTEGER NOT NULL REFERENCES runs, what TEXT NOT NULL, seconds REAL NOT NULL,
  PRIMARY KEY (run, what)) WITHOUT ROWID;
"""


RENAMED = (
    "ALTER TABLE runs RENAME COLUMN truth TO ratio64",
    "ALTER TABLE runs RENAME COLUMN distance TO ratio32",
    "ALTER TABLE ratios RENAME COLUMN truth TO ratio64",
    "ALTER TABLE ratios RENAME COLUMN distance TO ratio32",
    "UPDATE taps SET mode = 'local' WHERE mode = 'created'",
    "UPDATE taps SET mode = 'accumulated' WHERE mode = 'inherited'",
)
"""What makes a store of schema 1 one of schema 2: the words are others."""


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
            if version not in (1, SCHEMA) and not (empty and version == 0):
                raise InputError(f"{path}: history of schema {version}, expected 1 or {SCHEMA}; name another file")
            store.execute("PRAGMA journal_mode = WAL")
            store.execute("BEGIN IMMEDIATE")
            for statement in RENAMED if store.execute("PRAGMA user_version").fetchone()[0] == 1 else ():
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

    def add(self, result: Result) -> bool:
        """Append one result. Returns False, and adds nothing, when it is there already."""
        result = nan_to_none(result)
        source = hashlib.sha256(json.dumps(result, sort_keys=True).encode()).hexdigest()
        worst: dict[tuple[str, str], tuple[Any, ...]] = {}
        for v in result["verdicts"]:
            bound = v["bound_ratio32"] if v["ratio64"] is None else v["bound_ratio64"]
            worst[label(v["tap"], v["branch"]), v["mode"]] = (v["ratio32"], v["ratio64"], v["headroom"], bound)
        columns = zip(*worst.values(), strict=True) if worst else [()] * 4
        most = [max((value for value in column if value is not None), default=None) for column in columns]
        about = (result["when"], result["case"], device(result), versions(result), result["passed"], source)
        with self._open() as store:
            store.execute("BEGIN IMMEDIATE")
            made = store.execute(
                "INSERT INTO runs (at, case_name, device, versions, passed, source, ratio32, ratio64)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (source) DO NOTHING RETURNING id",
                (*about, *most[:2]),
            ).fetchone()
            if made is None:
                store.execute("ROLLBACK")
                return False
            store.executemany("INSERT INTO taps (label, mode) VALUES (?, ?) ON CONFLICT DO NOTHING", list(worst))
            store.executemany(
                "INSERT INTO ratios SELECT id, ?, ?, ?, ?, ? FROM taps WHERE label = ? AND mode = ?",
                [(made[0], *figures, *key) for key, figures in worst.items()],
            )
            speeds = [(made[0], what, seconds) for what, seconds in result["seconds"].items()]
            store.executemany("INSERT INTO speeds VALUES (?, ?, ?)", speeds)
            store.execute("COMMIT")
        return True

    def labels(self) -> list[str]:
        """The taps that any run has, in the order of the flow."""
        with self._open() as store:
            return list(dict.fromkeys(row[0] for row in store.execute("SELECT label FROM taps ORDER BY id")))

    def runs(self) -> list[dict[str, Any]]:
        """Every run, the oldest first, with its number of ratios."""
        columns = "id, at, case_name, device, versions, passed"
        with self._open() as store:
            rows = store.execute(f"SELECT {columns} FROM runs ORDER BY id").fetchall()
        return [dict(zip(columns.split(", "), row, strict=True)) for row in rows]

    def series(self, tap: str, mode: str, case: str, device: str) -> list[dict[str, Any]]:
        """The ratios of one tap in each run of a case on a device, the oldest first."""
        columns = "at, versions, ratio32, ratio64, headroom, bound"
        with self._open() as store:
            rows = store.execute(
                "SELECT at, versions, ratios.ratio32, ratios.ratio64, headroom, bound FROM ratios"
                " JOIN taps ON taps.id = ratios.tap JOIN runs ON runs.id = ratios.run"
                " WHERE label = ? AND mode = ? AND case_name = ? AND device = ? ORDER BY runs.id",
                (tap, mode, case, device),
            ).fetchall()
        return [dict(zip(columns.split(", "), row, strict=True)) for row in rows]

    def trends(self, case: str, device: str, chain: str = "", most: int = 24) -> list[dict[str, Any]]:
        """What a report shows of a case on a device: each drift, the chain's taps, the worst ratios, the time.

        A trend is a `series` in words, its `points`, the oldest first, the `bound` of them and the `drift` in words,
        empty where there is none.
        """
        with self._open() as store:
            runs = store.execute(
                "SELECT id FROM runs WHERE case_name = ? AND device = ? ORDER BY id DESC LIMIT ?",
                (case, device, MOST + 1),
            )
            numbers = sorted(row[0] for row in runs)
            if not numbers:
                return []
            found = self._moved(store, numbers) + self._chain(store, numbers, chain)
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
        return [trend | {"series": f"{case}: {trend['series']}"} for trend in found[: max(most, 1)]]

    def _moved(self, store: sqlite3.Connection, numbers: list[int]) -> list[dict[str, Any]]:
        """The ratios of the last run that left their scatter over the earlier ones; SQL drops those within it."""
        *earlier, newest = numbers
        if len(earlier) < FEWEST:
            return []
        series = 2 * store.execute("SELECT count(*) FROM ratios WHERE run = ?", (newest,)).fetchone()[0]
        marks = ",".join("?" * len(earlier))
        most = "tap, max(ratio32) AS ratio32, max(ratio64) AS ratio64"
        before = f"SELECT {most} FROM ratios WHERE run IN ({marks}) GROUP BY tap"
        moved = store.execute(
            f"SELECT now.tap, now.ratio32 > {1 + STILL} * before.ratio32, now.ratio64 > {1 + STILL} * before.ratio64"
            f" FROM ({before}) AS before JOIN ratios AS now ON now.run = ? AND now.tap = before.tap"
            f" WHERE now.ratio32 > {1 + STILL} * before.ratio32 OR now.ratio64 > {1 + STILL} * before.ratio64",
            (*earlier, newest),
        ).fetchall()
        found = []
        for tap, *which in moved:
            for name in (name for name, grew in zip(("ratio32", "ratio64"), which, strict=True) if grew):
                points, bound, label = self._points(store, tap, name, numbers)
                if note := drifted(points, series):
                    found.append({"series": f"{label}, {name}", "points": points, "bound": bound, "drift": note})
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
