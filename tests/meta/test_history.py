"""parity.show.history: nothing is lost or added twice, whoever writes and dies; a drift is marked, scatter is not."""

from __future__ import annotations

import math
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from parity.base.errors import InputError
from parity.show.drift import FEWEST, drifted, quantile, upper_tail
from parity.show.history import RENAMED, History

ENVIRONMENT = {"toy": "1.0", "toy device": "cpu", "machine": "abacus"}
DEVICE = "toy cpu, abacus"


def result(number: int, taps: int = 3, ratio64: float = 1.0, case: str = "tiny"):
    """A result of so many taps in both modes."""
    verdicts = [
        {
            "tap": f"x[step={tap}]", "branch": "", "mode": mode, "ratio32": 1.0, "ratio64": ratio64, "headroom": 2.0,
            "bound_ratio64": 2.0, "bound_ratio32": 2.0,
        }
        for tap in range(taps) for mode in ("local", "accumulated")
    ]  # fmt: skip
    when = f"2026-01-01T00:{number // 60:02}:{number % 60:02}+00:00"
    about = {"case": case, "environment": ENVIRONMENT, "passed": True, "when": when, "seconds": {"candidate": 1.5}}
    return about | {"verdicts": verdicts}


def test_what_is_added_comes_back(tmp_path):
    store = History(tmp_path / "history")
    assert store.add(result(1))
    assert store.add(result(2, ratio64=1.25))
    assert not store.add(result(1))  # the same result again
    assert [(run["case_name"], run["device"], run["versions"]) for run in store.runs()] == [
        ("tiny", DEVICE, "toy 1.0")
    ] * 2
    again = History(tmp_path / "history").series("x[step=1]", "local", "tiny", DEVICE)
    assert [row["ratio64"] for row in again] == [1.0, 1.25]
    assert store.series("x[step=1]", "local", "full", DEVICE) == []
    trends = {trend["series"]: trend["points"] for trend in store.trends("tiny", DEVICE, "x")}
    assert trends["tiny: x[step=2] (accumulated), ratio64"] == [1.0, 1.25]
    assert trends["tiny: worst ratio64"] == [1.0, 1.25]
    assert trends["tiny: seconds of candidate"] == [1.5, 1.5]
    assert store.trends("full", DEVICE) == []


def test_a_drift_is_marked_and_scatter_is_not(tmp_path):
    store = History(tmp_path / "history")
    generator = random.Random(1)
    for number in range(12):
        found = result(number, taps=40)
        for verdict in found["verdicts"]:
            verdict["ratio64"] = generator.gauss(1.0, 0.02)
        if number == 11:
            found["verdicts"][7]["ratio64"] = 1.6  # below its bound of 2: it has not failed
        store.add(found)
    marked = [trend for trend in store.trends("tiny", DEVICE) if trend["drift"]]
    assert [trend["series"] for trend in marked] == ["tiny: x[step=3] (accumulated), ratio64"]
    assert "times its mean of 11 runs" in marked[0]["drift"]


@pytest.mark.parametrize(
    ("values", "marked"),
    [
        ([1.0] * FEWEST + [1.6], False),  # of so few the scatter is hardly known, among a thousand series
        ([1.0] * 20 + [1.6], True),
        ([1.0] * 20 + [1.04], False),
        ([1.0] * 20 + [0.5], False),  # smaller is no drift to a failure
        ([1.0, 1.5] * 10 + [1.6], False),  # it scatters so
        ([1.0, 1.5] * 10 + [9.0], True),
        ([1.0] * (FEWEST - 1) + [9.0], False),
        ([0.0] * 20 + [1.0], False),
    ],
)
def test_beyond_its_own_scatter(values, marked):
    assert bool(drifted(values, 100_000)) == marked


def test_chance_alone_marks_hardly_anything():
    generator = random.Random(2)
    series = [[generator.lognormvariate(0, 0.1) for _ in range(9)] for _ in range(5000)]
    assert [values for values in series if drifted(values, len(series))] == []


@pytest.mark.parametrize(
    ("t", "freedom", "tail"), [(1.0, 1, 0.25), (2.776, 4, 0.025), (3.169, 10, 0.005), (0.0, 7, 0.5)]
)
def test_students_t(t, freedom, tail):
    assert upper_tail(t, freedom) == pytest.approx(tail, rel=2e-3)
    assert quantile(tail, freedom) == pytest.approx(t, rel=1e-3, abs=1e-6)


WRITER = """
import sys
from pathlib import Path
from parity.show.history import History
from tests.meta.test_history import result
store, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
print("ready", flush=True)
for number in range(first, first + count):
    History(store).add(result(number, taps=int(sys.argv[4])))
    print(number, flush=True)
"""


def writer(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def test_writers_at_the_same_time_lose_nothing(tmp_path):
    writers = [writer(tmp_path / "history", 100 * number, 5, 50) for number in range(4)]
    assert [process.wait(120) for process in writers] == [0] * 4
    for process in writers:
        process.stdout.close()
    store = History(tmp_path / "history")
    assert len(store.runs()) == 20
    assert len(store.series("x[step=49]", "local", "tiny", DEVICE)) == 20


def test_a_killed_writer_loses_at_most_its_own_run(tmp_path):
    path = tmp_path / "history"
    History(path).add(result(5000, taps=10))
    process = writer(path, 0, 1000, 4000)
    lines = iter(process.stdout.readline, "")
    assert next(lines) == "ready\n"
    assert next(lines) == "0\n"
    time.sleep(0.05)  # in the middle of another
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    written = 2 + len(list(lines))
    process.stdout.close()
    store = History(path)
    runs = store.runs()
    assert len(runs) in (written, written + 1)  # one may be there and not yet told
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        counts = connection.execute("SELECT count(*) FROM ratios GROUP BY run ORDER BY run").fetchall()
    connection.close()
    assert counts == [(20,)] + [(8000,)] * (len(runs) - 1)  # every run is whole
    assert store.add(result(6000))


@pytest.mark.parametrize("index", ["kept", "dropped"])
def test_questions_are_answered_by_an_index(tmp_path, monkeypatch, index):
    """A question that reads whole tables is slow among many rows: SQLite's own plan says whether it does."""
    store = History(tmp_path / "history")
    for number in range(FEWEST + 2):
        store.add(result(number))
    store.add(result(FEWEST + 2, ratio64=3.0))  # a drift, whose points are asked for as well
    asked: list[str] = []
    connect = sqlite3.connect

    def traced(*arguments, **options):
        connection = connect(*arguments, **options)
        connection.set_trace_callback(asked.append)
        return connection

    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", traced)
        assert store.series("x[step=1]", "local", "tiny", DEVICE)
        assert any(trend["drift"] for trend in store.trends("tiny", DEVICE, "x[step=1]"))
    with connect(tmp_path / "history") as connection:
        if index == "dropped":
            connection.execute("DROP INDEX runs_of")
        plans = [connection.execute(f"EXPLAIN QUERY PLAN {query}").fetchall() for query in asked if "SELECT" in query]
    connection.close()
    steps = {step for plan in plans for *_, step in plan}
    assert {"SCAN runs"} & steps == ({"SCAN runs"} if index == "dropped" else set())
    assert not {step for step in steps if step.startswith("SCAN")} - {"SCAN runs", "SCAN before"}  # a subquery's rows


def test_a_store_of_schema_1_goes_on_in_todays_words(tmp_path):
    new = History(tmp_path / "history")
    new.add(result(1, ratio64=1.5))
    before = new.series("x[step=1]", "accumulated", "tiny", DEVICE)
    with sqlite3.connect(tmp_path / "history") as connection:
        for statement in RENAMED[:4]:
            table, old, today = (statement.split()[place] for place in (2, 5, 7))
            connection.execute(f"ALTER TABLE {table} RENAME COLUMN {today} TO {old}")
        connection.execute("UPDATE taps SET mode = 'inherited' WHERE mode = 'accumulated'")
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    assert len(before) == 1
    assert History(tmp_path / "history").series("x[step=1]", "accumulated", "tiny", DEVICE) == before


def test_another_file_is_refused(tmp_path):
    (tmp_path / "text").write_text("no database" * 100)
    with pytest.raises(InputError, match="not a usable history"):
        History(tmp_path / "text")
    with sqlite3.connect(tmp_path / "other") as connection:
        connection.execute("CREATE TABLE a (b)")
    connection.close()
    with pytest.raises(InputError, match="history of schema 0, expected 1 or 2"):
        History(tmp_path / "other")
    with pytest.raises(InputError, match="cannot be opened"):
        History(tmp_path / "text" / "history")


def test_a_value_that_is_not_there_is_no_point(tmp_path):
    store = History(tmp_path / "history")
    store.add(result(1, ratio64=math.nan))
    trends = {trend["series"] for trend in store.trends("tiny", DEVICE)}
    assert "tiny: worst ratio64" not in trends
    assert "tiny: worst ratio32" in trends
