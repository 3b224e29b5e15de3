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
from dataclasses import replace

import numpy as np
import pytest

from parity.base.errors import InputError
from parity.base.jsonfile import write_json
from parity.cli import main
from parity.judge.verdict import Verdict
from parity.run.report import DUMPS, RECORDING, Report
from parity.show.drift import FEWEST, digamma, drifts, quantile, trigamma, upper_tail
from parity.show.history import RATIOS, RENEWED, Alike, History, alike

ENVIRONMENT = {"toy": "1.0", "toy device": "cpu", "machine": "abacus"}
LIKE = Alike("tiny", "toy cpu, abacus")


def report(number: int, taps: int = 3, ratio64: float = 1.0, case: str = "tiny", **more) -> Report:
    """A report of so many taps in both modes; what fails is beyond its bound of 2."""
    verdicts = [
        Verdict(f"x[step={tap}]", "", mode, not ratio64 > 2, "", (2,), 2.0, 2.0, ratio32=1.0, ratio64=ratio64)
        for tap in range(taps)
        for mode in ("local", "accumulated")
    ]
    when = f"2026-01-01T00:{number // 60:02}:{number % 60:02}+00:00"
    about = {"environment": ENVIRONMENT, "when": when, "seconds": {"candidate": 1.5}} | more
    return Report(case, "", [], len(verdicts), verdicts, **about)


def scattered(number: int, by: dict[str, float], taps: int = 40, sigma: float = 0.02) -> Report:
    """A report whose ratios scatter; those of the taps in `by` are so many times larger."""
    generator = random.Random(number)
    found = report(number, taps)
    found.verdicts = [
        replace(
            v,
            ratio32=by.get(v.tap, 1) * generator.gauss(1, sigma),
            ratio64=by.get(v.tap, 1) * generator.gauss(1, sigma),
        )
        for v in found.verdicts
    ]
    return found


def marked(store: History, like: Alike = LIKE) -> list[str]:
    return [trend["series"] for trend in store.trends(like) if trend["drift"]]


def test_what_is_added_comes_back(tmp_path):
    store = History(tmp_path / "history")
    assert store.add(report(1))
    assert store.add(report(2, ratio64=1.25))
    assert not store.add(report(1))  # the same result again
    assert [(run["case_name"], run["device"], run["versions"]) for run in store.runs()] == [(*LIKE[:2], "toy 1.0")] * 2
    again = History(tmp_path / "history").series("x[step=1]", "local", LIKE)
    assert [row["ratio64"] for row in again] == [1.0, 1.25]
    assert store.series("x[step=1]", "local", LIKE._replace(case="full")) == []
    trends = {trend["series"]: trend["points"] for trend in store.trends(LIKE, "x")}
    assert trends["tiny: x[step=2] (accumulated), ratio64"] == [1.0, 1.25]
    assert trends["tiny: worst ratio64"] == [1.0, 1.25]
    assert trends["tiny: seconds of candidate"] == [1.5, 1.5]
    assert store.trends(LIKE._replace(case="full")) == []


@pytest.mark.parametrize(("factor", "nights", "found"), [(1.4, 7, True), (1.06, 7, False), (1.4, FEWEST - 1, False)])
def test_the_stated_sensitivity(tmp_path, factor, nights, found):
    """After seven nights of 2 % scatter a block whose ratios are 1.4 times larger is marked, and nothing else is."""
    store = History(tmp_path / "history")
    for night in range(nights):
        store.add(scattered(night, {}))
    store.add(scattered(nights, {"x[step=3]": factor}))
    names = {f"tiny: x[step=3] ({mode}), {ratio}" for mode in ("local", "accumulated") for ratio in RATIOS}
    assert set(marked(store)) == (names if found else set())


def test_seven_nights_are_enough_at_the_size_of_a_whole_run():
    """Of twenty thousand taps, each with two ratios and two modes, one is 1.4 times larger."""
    generator = np.random.default_rng(3)
    values = np.exp(0.02 * generator.standard_normal((8, 80_000)))
    values[-1, 7] *= 1.4
    assert set(drifts(values)) == {7}


def test_a_failing_run_is_no_sample_and_has_no_drift(tmp_path):
    store = History(tmp_path / "history")
    for night in range(7):
        store.add(scattered(night, {}))
    store.add(failing(7))
    assert marked(store) == []  # it is no drift that it fails
    store.add(scattered(8, {"x[step=3]": 1.4}))
    assert len(marked(store)) == 4  # and the failing night has not widened the scatter
    (points,) = [trend["points"] for trend in store.trends(LIKE) if trend["series"] == "tiny: worst ratio64"]
    assert len(points) == 8
    assert max(points) < 2


def failing(number: int) -> Report:
    found = scattered(number, {"x[step=3]": 30.0})
    found.verdicts = [replace(v, passed=v.ratio64 < 2) for v in found.verdicts]
    return found


@pytest.mark.parametrize(
    "other",
    [
        {"source": RECORDING},
        {"source": DUMPS},
        {"precision": "float16"},
        {"subject": {"checkpoint": "0123456789"}},
        {"environment": ENVIRONMENT | {"system": "macOS 26"}},
    ],
    ids=lambda other: "-".join(map(str, other)),
)
def test_like_is_compared_with_like(tmp_path, other):
    """A recording's seconds are of another machine, and another precision or checkpoint has other ratios."""
    store = History(tmp_path / "history")
    for number in range(FEWEST + 1):
        store.add(report(number, seconds={"reference": 1.0}))
    unlike = report(99, ratio64=1.9, seconds={"reference": 50.0}, **other)
    store.add(unlike)
    points = {trend["series"]: trend["points"] for trend in store.trends(LIKE)}
    assert set(points["tiny: seconds of reference"]) == {1.0}
    assert set(points["tiny: worst ratio64"]) == {1.0}
    assert store.since(unlike) is None
    (own,) = [t for t in store.trends(alike(unlike)) if t["series"].endswith("seconds of reference")]
    assert own["points"] == [50.0]
    assert marked(store, alike(unlike)) == []


def test_what_has_changed_since_the_run_before(tmp_path):
    store = History(tmp_path / "history")
    first, bad = report(1), failing(2)
    assert store.since(first) is None
    store.add(first)
    assert store.since(first) is None  # a run is not compared with itself
    store.add(bad)
    for found in (store.since(bad), History(tmp_path / "history").since(bad)):
        assert (found["at"], found["passed"], found["worse"]) == (first.when, True, 2)
        assert [(each["tap"], each["mode"]) for each in found["turned"][:2]] == [
            ("x[step=3]", "local"),
            ("x[step=3]", "accumulated"),
        ]
    assert store.since(failing(4))["worse"] == 0
    mended = store.since(scattered(5, {}))["turned"]
    assert [(each["old"], each["new"], each["worse"]) for each in mended] == [("FAIL", "pass", False)] * 2


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([1.0] * FEWEST + [1.6], True),
        ([1.0, 1.1] * 3 + [1.2], False),  # of so few, and alone, the scatter is hardly known
        ([1.0] * 20 + [1.6], True),
        ([1.0] * 20 + [1.04], False),
        ([1.0] * 20 + [0.5], False),  # smaller is no drift to a failure
        ([1.0, 1.5] * 10 + [1.6], False),  # it scatters so
        ([1.0, 1.5] * 10 + [9.0], True),
        ([1.0] * (FEWEST - 1) + [9.0], False),
        ([0.0] * 20 + [1.0], False),
        ([math.nan] * 20 + [1.0], False),
        ([1.0] * 20 + [math.nan], False),
    ],
)
def test_beyond_its_own_scatter(values, found):
    assert bool(drifts(np.array([values]).T)) == found


@pytest.mark.parametrize("sigma", [(0.1, 0.1), (0.01, 0.5), (0.0, 0.0)], ids=["alike", "unlike", "still"])
def test_chance_alone_marks_hardly_anything(sigma):
    generator = np.random.default_rng(2)
    scatter = np.exp(generator.uniform(*np.log(np.array(sigma) + 1e-9), 5000))
    marks = [drifts(np.exp(scatter * generator.standard_normal((9, 5000)))) for _ in range(10)]
    assert sum(map(len, marks)) <= 1


def test_a_quiet_series_beside_loud_ones_is_judged_by_its_own_scatter():
    generator = np.random.default_rng(4)
    scatter = np.repeat([0.02, 0.3], 250)
    values = np.exp(scatter * generator.standard_normal((21, 500)))
    values[-1, [0, 499]] = 1.5
    assert set(drifts(values)) == {0}


@pytest.mark.parametrize(
    ("x", "digammas", "trigammas"),
    [(0.5, -1.963510, 4.934802), (1.0, -0.577216, 1.644934), (10.0, 2.251753, 0.105166)],
)
def test_the_derivatives_of_the_gamma_functions_logarithm(x, digammas, trigammas):
    assert digamma(x) == pytest.approx(digammas, abs=1e-6)
    assert trigamma(x) == pytest.approx(trigammas, abs=1e-6)


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
from tests.meta.test_history import report
store, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
print("ready", flush=True)
for number in range(first, first + count):
    History(store).add(report(number, taps=int(sys.argv[4])))
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
    assert len(store.series("x[step=49]", "local", LIKE)) == 20


def test_a_killed_writer_loses_at_most_its_own_run(tmp_path):
    path = tmp_path / "history"
    History(path).add(report(5000, taps=10))
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
    assert store.add(report(6000))


@pytest.mark.parametrize("index", ["kept", "dropped"])
def test_questions_are_answered_by_an_index(tmp_path, monkeypatch, index):
    """A question that reads whole tables is slow among many rows: SQLite's own plan says whether it does."""
    store = History(tmp_path / "history")
    for number in range(FEWEST + 2):
        store.add(report(number))
    store.add(report(FEWEST + 2, ratio64=1.9))  # a drift, whose points are asked for as well
    asked: list[str] = []
    connect = sqlite3.connect

    def traced(*arguments, **options):
        connection = connect(*arguments, **options)
        connection.set_trace_callback(asked.append)
        return connection

    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", traced)
        assert store.series("x[step=1]", "local", LIKE)
        assert any(trend["drift"] for trend in store.trends(LIKE, "x[step=1]"))
        assert store.since(report(FEWEST + 3))
    with connect(tmp_path / "history") as connection:
        if index == "dropped":
            connection.execute("DROP INDEX runs_alike")
        plans = [connection.execute(f"EXPLAIN QUERY PLAN {query}").fetchall() for query in asked if "SELECT" in query]
    connection.close()
    steps = {step for plan in plans for *_, step in plan}
    assert {"SCAN runs"} & steps == ({"SCAN runs"} if index == "dropped" else set())
    assert not {step for step in steps if step.startswith("SCAN")} - {"SCAN runs"}


@pytest.mark.parametrize("schema", [1, 2])
def test_an_older_store_goes_on_in_todays_words(tmp_path, schema):
    new = History(tmp_path / "history")
    new.add(report(1, ratio64=1.5))
    new.add(failing(2))
    before, since = new.series("x[step=1]", "accumulated", LIKE), new.since(report(3))
    with sqlite3.connect(tmp_path / "history") as connection:
        connection.execute("DROP INDEX runs_alike")
        connection.execute("ALTER TABLE runs DROP COLUMN kind")
        connection.execute("ALTER TABLE ratios DROP COLUMN passed")
        for statement in RENEWED[1][:4] if schema == 1 else ():
            table, old, today = (statement.split()[place] for place in (2, 5, 7))
            connection.execute(f"ALTER TABLE {table} RENAME COLUMN {today} TO {old}")
        if schema == 1:
            connection.execute("UPDATE taps SET mode = 'inherited' WHERE mode = 'accumulated'")
        connection.execute(f"PRAGMA user_version = {schema}")
    connection.close()
    assert len(before) == 2
    again = History(tmp_path / "history")
    assert again.series("x[step=1]", "accumulated", LIKE) == before
    assert again.since(report(3)) == since


def test_another_file_is_refused(tmp_path):
    (tmp_path / "text").write_text("no database" * 100)
    with pytest.raises(InputError, match="not a usable history"):
        History(tmp_path / "text")
    with sqlite3.connect(tmp_path / "other") as connection:
        connection.execute("CREATE TABLE a (b)")
    connection.close()
    with pytest.raises(InputError, match="history of schema 0, expected 1 to 3"):
        History(tmp_path / "other")
    with pytest.raises(InputError, match="cannot be opened"):
        History(tmp_path / "text" / "history")


def test_a_value_that_is_not_there_is_no_point(tmp_path):
    store = History(tmp_path / "history")
    store.add(report(1, ratio64=math.nan))
    trends = {trend["series"] for trend in store.trends(LIKE)}
    assert "tiny: worst ratio64" not in trends
    assert "tiny: worst ratio32" in trends


@pytest.mark.parametrize(("newest", "code"), [({}, 0), ({"x[step=3]": 1.4}, 1)])
def test_a_drift_has_an_exit_code_on_request(tmp_path, capsys, newest, code):
    store = History(tmp_path / "history")
    for night in range(7):
        store.add(scattered(night, {}))
    store.add(scattered(7, newest))
    assert main(["history", str(store.path)]) == 0
    assert main(["history", str(store.path), "--check"]) == code
    printed = " ".join(capsys.readouterr().out.split())
    assert ("times its mean of 7 runs" in printed) == bool(code)
    assert printed.endswith(
        "FAIL: 0 failed, 4 drifted; 8 runs in the history"
        if code
        else "PASS: nothing has drifted; 8 runs in the history"
    )


def test_one_run_is_said_as_one(tmp_path, capsys):
    store = History(tmp_path / "history")
    store.add(scattered(0, {}))
    assert main(["history", str(store.path), "--check"]) == 0
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first.strip() == "1 run"
    assert last == "PASS: nothing has drifted; 1 run in the history"


def test_the_newest_run_is_the_latest_in_whatever_order_it_is_added(tmp_path):
    for name, run in (("a_new", failing(2)), ("b_old", report(1))):
        write_json(run.as_dict(), tmp_path / f"{name}.json")
    files = [str(tmp_path / f"{name}.json") for name in ("a_new", "b_old")]
    assert main(["history", str(tmp_path / "history"), "--add", *files, "--check"]) == 1


def test_a_failing_newest_run_fails_the_check(tmp_path, capsys):
    store = History(tmp_path / "history")
    store.add(failing(1))
    assert main(["history", str(store.path)]) == 0
    assert main(["history", str(store.path), "--check"]) == 1
    assert "its newest run failed, so no drift is judged: tiny on toy cpu, abacus" in capsys.readouterr().out
    store.add(report(2))
    assert main(["history", str(store.path), "--check"]) == 0
