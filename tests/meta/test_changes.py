"""parity.show.changes and `parity diff`: what turned, what moved, what else differs, and the exit code."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from parity.base.jsonfile import nan_to_none
from parity.cli import main
from parity.judge.verdict import Verdict
from parity.run.report import Report
from parity.show.changes import changes, differing, seen


def verdict(tap: str, mode: str = "local", passed: bool = True, ratio: float = 1.0, word: str = "") -> Verdict:
    return Verdict(tap, "", mode, passed, "", (2,), 2.0, 2.0, ratio32=ratio, ratio64=math.nan, word=word)


def report(*verdicts: Verdict, **fields: object) -> Report:
    return Report("tiny", "weights", [], fields.pop("expected", len(verdicts)), list(verdicts), **fields)


def found(old: list[Verdict], new: list[Verdict]):
    return changes(seen(report(*old)), seen(report(*new)))


def test_what_turned_stands_with_the_worse_and_the_local_first():
    old = [
        verdict("a", "accumulated"),
        verdict("b"),
        verdict("c", passed=False),
        verdict("d"),
        verdict("e", word="equal"),
    ]
    new = [
        verdict("a", "accumulated", passed=False),
        verdict("b", passed=False),
        verdict("c"),
        verdict("e", word="rounding"),
        verdict("f"),
    ]
    assert [(each.tap, each.old, each.new, each.worse) for each in found(old, new).turned] == [
        ("b", "pass", "FAIL", True),
        ("a", "pass", "FAIL", True),
        ("d", "pass", "missing", True),
        ("c", "FAIL", "pass", False),
        ("e", "pass, equal", "pass, rounding", False),
        ("f", "missing", "pass", False),
    ]
    assert (
        found(old, new)
        .sentence()
        .startswith(
            "2 of 5 verdicts turned to the worse, 1 of the old are not there any more, 3 otherwise; 0 ratios moved"
        )
    )
    assert found(old, old).turned == found(old, old).moved == []


def test_a_word_that_one_run_has_alone_is_no_change():
    assert found([verdict("a", word="equal")], [verdict("a")]).turned == []


def test_what_moved_stands_with_the_most_grown_first():
    old = [verdict(name) for name in "abcd"]
    ratios = {"a": 1.04, "b": 0.5, "c": 1.9, "d": math.nan}
    moved = found(old, [verdict(name, ratio=ratio) for name, ratio in ratios.items()]).moved
    assert [(each.tap, each.ratio, each.factor) for each in moved] == [("c", "ratio32", 1.9), ("b", "ratio32", 0.5)]
    assert found(old, [verdict(name, passed=False, ratio=9.0) for name in "abcd"]).moved == []  # those have turned


def test_what_else_differs():
    old = report(environment={"mlx": "1", "host": "one"}, subject={"contract": "aa"})
    new = report(environment={"mlx": "2", "host": "one"}, subject={"contract": "aa"}, precision="float16")
    assert differing(old, new) == {"precision": ("float32", "float16"), "environment: mlx": ("1", "2")}
    assert differing(old, old) == {}


GOOD, BAD = report(verdict("a")), report(verdict("a", passed=False, ratio=3.0))


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (GOOD, GOOD, 0),
        (GOOD, BAD, 1),
        (BAD, GOOD, 0),
        (BAD, BAD, 0),
        (GOOD, report(verdict("a"), expected=2), 1),  # the run turned, though no verdict did
        (GOOD, replace(GOOD, case="full"), 2),
    ],
)
def test_the_exit_code_says_what_turned_to_the_worse(tmp_path, capsys, old, new, code):
    for name, run in (("old", old), ("new", new)):
        (tmp_path / f"{name}.json").write_text(json.dumps(nan_to_none(run.as_dict())))
    assert main(["diff", str(tmp_path / "old.json"), str(tmp_path / "new.json")]) == code
    said = capsys.readouterr()
    if code == 2:
        assert "old.json is of case 'tiny'" in said.err
    else:
        words = ["pass" if run.passed else "FAIL" for run in (old, new)]
        assert f"{', then '.join(words)}; {int(new is BAD and old is GOOD)} of 1 verdicts turned" in said.out


def test_a_file_of_several_results_is_refused(tmp_path, capsys):
    result = nan_to_none(GOOD.as_dict())
    (tmp_path / "one.json").write_text(json.dumps(result))
    (tmp_path / "two.json").write_text(json.dumps({"report_schema": 1, "results": [result, result]}))
    assert main(["diff", str(tmp_path / "one.json"), str(tmp_path / "two.json")]) == 2
    assert "two.json: holds 2 results; name a file that one" in capsys.readouterr().err
