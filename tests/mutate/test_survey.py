"""`parity mutate` on two sides of which it is known what becomes of each mutant."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from parity import contract as contracts
from parity.base.errors import InputError
from parity.cli import main
from parity.mutate import located
from parity.mutate.forked import TIME, forked, limit_memory, limit_time
from parity.mutate.lines import Statements
from parity.mutate.mutated import mutated
from parity.mutate.operators import OPERATORS
from parity.mutate.results import KILLED, Result, Results, Score
from parity.mutate.subject import files
from parity.mutate.survey import Choice, Survey, Surveyed
from parity.show.mutation import context, fate, line, summary
from parity.show.page import mutation as page

ROOT = Path(__file__).resolve().parents[2]
# Newer Pythons warn of any thread beside the one that forks; a worker of pytest-xdist has one that reads its orders.
AMONG_THREADS = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
CONTRACT = Path(__file__).with_name("subject") / "contract.toml"


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


def survey(state: Path, cases: str = "", **choice: Any) -> Survey:
    return Survey(contracts.load(CONTRACT), cases, state, Choice(jobs=2, random=3, **choice))


@pytest.fixture(scope="module")
def found(state: Path) -> Surveyed:
    return survey(state).run()


def the(found: Surveyed, before: str, after: str, last: bool = False) -> Result:
    """The mutant of that change, the first in the file or the last."""
    return [one for one in found.results if (one.before, one.after) == (before, after)][-last]


@pytest.mark.parametrize(
    ("before", "after", "outcome", "segment", "tap"),
    [
        ("3.0", "3.3", "wrong", "first", "scaled"),  # a constant of a file that has nothing else
        ("3", "4", "wrong", "first", "scaled"),  # a default
        ("2.0", "2.2", "wrong", "first", "scaled"),
        ("x * 2.0", "x", "wrong", "first", "handed-on.kept[first]"),  # no tap, but handed on
        ("x + x", "x - x", "wrong", "first", "handed-on.kept[first]"),  # the way of a CPU alone
        ("-x", "x", "wrong", "first", "handed-on.kept[first]"),  # the way for half precision alone
        ("mx.sin(x)", "x", "wrong", "second", "summed"),
        ("scaled, done", "done, scaled", "crash", "first", ""),
        ("done + 1", "done - 1", "limit", "first", ""),  # a loop without end
        ("x * 7.0", "x", "never run", "", ""),
        ("three(mx.sin(x), mx.cos(x), x)", "three(mx.cos(x), mx.sin(x), x)", "equal", "second", ""),
        ("mx.minimum(scaled, 1000.0)", "scaled", "bit-equal", "first", ""),
        ("c.ndim >= 1", "True", "equivalent", "second", ""),
    ],
)
def test_what_becomes_of_a_mutant_is_known(found, before, after, outcome, segment, tap):
    result = the(found, before, after)
    assert (result.outcome, result.segment, result.tap) == (outcome, segment, tap)


def test_what_a_noise_floor_alone_makes_equal_is_said(found):
    result = next(one for one in found.results if one.operator == "exchange" and "1073741824" in one.before)
    assert result.outcome == "by floor"
    assert result.worst > 1e-10


def test_a_random_case_that_differs_is_named(found):
    assert the(found, "1000.0", "1100.0").reason == "differs in the random case random-2"
    assert the(found, "c.ndim >= 1", "True").reason == "the same bits in 3 of 3 random cases, which run the line"


def test_what_is_equivalent_stands_apart(found):
    outcomes = Counter(result.outcome for result in found.results)
    score = found.score
    assert score.equivalent == outcomes["equivalent"] == 4
    assert score.apart == outcomes["precision"] == 1
    assert score.killed == sum(outcomes[name] for name in KILLED)
    assert score.killed + score.survived + score.equivalent + score.apart == len(found.results)
    assert score.share == score.killed / (len(found.results) - 5)
    assert f"{100 * score.share:.1f} % of {len(found.results) - 5} mutants noticed" in summary(found)
    assert Score(0, 0, 3).share is None


def test_a_survey_goes_on_where_it_ended(state, found):
    lines = (state / "results" / "mutants.jsonl").read_text()
    again = survey(state).run()
    assert (state / "results" / "mutants.jsonl").read_text() == lines
    assert again.as_dict() == found.as_dict()


def test_another_subject_has_no_results_yet(state, found):
    with closing(Results(state / "results", "another", "mutants.jsonl")) as results:
        assert len(results) == 0


def test_a_line_that_was_cut_off_is_no_result(state, found, tmp_path):
    text = (state / "results" / "mutants.jsonl").read_text()
    (tmp_path / "mutants.jsonl").write_text(text[:-30])
    with closing(Results(tmp_path, json.loads(text.splitlines()[0])["subject"], "more.jsonl")) as cut:
        assert 0 < len(cut) <= len(found.results)


def test_shards_share_out_all_mutants(state, found):
    parts = [survey(state, shard=(part, 3)).run() for part in (1, 2, 3)]
    names = [result.id for part in parts for result in part.results]
    assert sorted(names) == sorted(result.id for result in found.results)
    assert all(len(part.results) >= len(found.results) // 3 for part in parts)


def test_a_sample_a_stage_and_files_choose(state, found):
    assert len(survey(state, sample=5).run().results) == 5
    of_file = survey(state, files=("*/constants.py",)).run()
    assert [result.before for result in of_file.results] == ["3.0"]
    of_stage = survey(state, stage="second", sample=4, budget=0).run()
    assert of_stage.left + len(of_stage.results) == 4
    with pytest.raises(InputError, match=r"no stage 'secnd' in these cases; is second meant\?"):
        survey(state, stage="secnd")
    with pytest.raises(
        InputError, match=r"no file of the candidate matches 'tests/mutate/subject/port/sied.py'; is .*side.py"
    ):
        survey(state, files=("tests/mutate/subject/port/sied.py",))
    with pytest.raises(InputError, match=r"no case matches 'smal'; is small meant\?"):
        survey(state, cases="smal")


def test_cases_are_named_by_several_patterns(state):
    assert list(survey(state, cases="other,small-*").subject.cases) == ["small-negative", "other"]
    with pytest.raises(InputError, match=r"no case matches 'smal'; is small meant\?"):
        survey(state, cases="other,smal")


@pytest.fixture
def without_results(state, tmp_path) -> Path:
    """A state that has all but results."""
    (tmp_path / "references").symlink_to(state / "references")
    (tmp_path / "usual").symlink_to(state / "usual")
    return tmp_path


def test_a_budget_that_is_spent_begins_nothing(without_results):
    choice = {"files": ("*/constants.py",), "budget": 0}
    assert (found := survey(without_results, **choice).run()).left == 1
    assert found.results == []
    assert found.score.share is None
    assert "1 not tried yet" in summary(found)


def test_what_is_left_out_has_no_mutants():
    assert [file.shown.rpartition("/")[2] for file in files(contracts.load(CONTRACT))] == [
        "__init__.py",
        "constants.py",
        "side.py",
    ]


def test_a_choice_between_two_ways_stays_and_both_are_changed(found):
    assert not [one for one in found.results if one.function == "halved" or "halved" in one.before]
    assert not [one for one in found.results if "2000.0" in one.before]
    assert {one.outcome for one in found.results if one.function == "twice"} == {"wrong", "equivalent"}


def test_an_argument_stands_beside_what_survived(found):
    result = the(found, "c.ndim >= 1", "True")
    assert result.argument == "it has an axis"
    assert fate(result).endswith("which run the line; it has an axis")
    assert "an argument is given for 1" in summary(found)
    killed = replace(result, outcome="wrong", tap="summed", reason="differs")
    assert fate(killed).endswith("differs; the contract argues that nobody can notice it")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (": halved ", ": havled ", "side.py: nothing is called 'havled'; is halved meant"),
        ('"c.ndim >= 1"', '"c.ndim >= 2"', "has no change from 'c.ndim >= 2' to 'True'; take its argument from"),
    ],
)
def test_a_contract_that_names_what_is_gone_is_refused(before, after, message, tmp_path):
    contract = tmp_path / "contract.toml"
    contract.write_text(CONTRACT.read_text().replace(before, after))
    with pytest.raises(InputError, match=message):
        Survey(contracts.load(contract), "small", tmp_path, Choice())


def test_a_candidate_that_is_wrong_is_refused(tmp_path):
    contract = tmp_path / "contract.toml"
    contract.write_text(CONTRACT.read_text().replace("port.side:Port", "wrong:Port"))
    with pytest.raises(InputError, match="the candidate itself is not equal in small: first, gpu: scaled"):
        Survey(contracts.load(contract), "small", tmp_path, Choice(random=0)).run()


def test_the_page_marks_what_survived(found):
    text = page.page(found)
    assert "<b>never run</b> operator: <code>x * 7.0</code> → <code>x</code>. no case runs the line." in text
    assert text.count('class="mark equivalent"') == 5
    assert text.count('class="mark') == sum(not result.killed for result in found.results)
    assert "http" not in text
    described = line(the(found, "x * 2.0", "x"))
    assert context(found, the(found, "x * 2.0", "x")) == "    53 | return x * 2.0"
    assert described.startswith("tests/mutate/subject/port/side.py:53:16 operator: x * 2.0 → x: wrong in small")


def test_the_line_of_what_is_noticed_is_looked_for(state, found):
    explained = [one for one in survey(state, locate=3).run().results if one.located is not None]
    assert len(explained) == 3
    assert any(one.located for one in explained)
    assert "the changed line is shown for" in summary(survey(state, locate=3).run())


def test_a_line_is_one_of_its_file():
    text = "3 · x (/elsewhere/port/side.py:39), where x = input 0"
    assert located.names([text], Path("port/side.py"), range(38, 41))
    assert not located.names([text], Path("port/side.py"), range(1, 10))
    assert not located.names([text], Path("port/aside.py"), range(38, 41))
    assert not located.names([text], Path("ort/side.py"), range(38, 41))
    assert not located.names([text], Path("other/side.py"), range(38, 41))


def test_the_documentation_has_every_operator():
    text = (ROOT / "docs" / "mutation.md").read_text().replace("\\|", "|")
    rows = [line.strip("| ").split(" | ")[:2] for line in text.splitlines() if line.startswith("| ")]
    missing = [operator for operator in OPERATORS if [operator.word, operator.says] not in rows]
    assert missing == []


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--random", "-1", "0 or more"),
        ("--locate", "-1", "0 or more"),
        ("--sample", "0", "1 or more"),
        ("--budget", "-1", "more than 0 seconds"),
        ("--budget", "0", "more than 0 seconds"),
        ("--budget", "soon", "more than 0 seconds"),
        ("--at-least", "101", "a percentage from 0 to 100"),
        ("--at-least", "nan", "a percentage from 0 to 100"),
        ("--shard", "3/2", "i/n, with i from 1 to n"),
    ],
)
def test_a_number_that_makes_no_sense_is_refused(option, value, expected, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["mutate", f"{option}={value}"])
    assert ended.value.code == 2
    assert f"argument {option}: '{value}': expected {expected}" in capsys.readouterr().err


def test_an_interrupt_loses_nothing(without_results, found):
    """What was written before stays, and the command ends as every interrupted one does."""
    command = [sys.executable, "-m", "parity", "mutate", "--contract", str(CONTRACT), "--state", str(without_results)]
    with subprocess.Popen(
        [*command, "--jobs", "1", "--random", "0"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as running:
        told = next(text for text in running.stderr if "mutants, " in text)
        running.send_signal(signal.SIGINT)
        rest = running.stderr.read()
    assert told
    assert running.returncode == 130, rest
    assert rest.endswith("parity: interrupted [interrupted]\n")
    written = [json.loads(text) for text in (without_results / "results" / "mutants.jsonl").read_text().splitlines()]
    assert 0 < len(written) < len(found.results)


@AMONG_THREADS
def test_limits_end_a_process():
    def spins(say):
        limit_time(0)
        say("spinning")
        while True:
            pass

    def sleeps(say):
        limit_time(-0.9)
        signal.pause()

    def grows(say):
        limit_memory(1 << 24)
        try:
            bytearray(1 << 28)
        except MemoryError:
            say("refused")

    assert forked(spins) == (["spinning"], TIME)
    assert forked(sleeps) == ([], TIME)
    assert forked(grows) == (["refused"], "")
    assert forked(lambda say: os.kill(os.getpid(), signal.SIGUSR2)) == ([], "SIGUSR2")
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        forked(lambda say: 1 // 0)


@AMONG_THREADS
def test_a_module_has_another_source(tmp_path, monkeypatch):
    (tmp_path / "changing").mkdir()
    (tmp_path / "changing" / "changed.py").write_text("VALUE = 1\n")
    (tmp_path / "changing" / "using.py").write_text("from changing.changed import VALUE\n")
    monkeypatch.syspath_prepend(tmp_path)

    def work(say):
        say(importlib.import_module("changing.using").VALUE)
        with mutated("changing.changed", "VALUE = 2\n"):
            say(importlib.import_module("changing.using").VALUE)

    assert forked(work) == ([1, 2], "")


SOURCE = '''\
@decorated(
    1)
def f(a=1,
      b=2):
    """Text."""
    x = [
        a,
        b,
    ]
    if x:
        return 1
    elif a:
        return 2
    try:
        pass
    except ValueError:
        pass
    match x:
        case [1]:
            pass
'''


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        (1, range(5, 21)),  # what stands above a function's body is a value in it
        (4, range(5, 21)),
        (8, range(6, 10)),
        (10, range(10, 11)),
        (11, range(11, 12)),
        (12, range(12, 13)),
        (16, range(16, 17)),
        (19, range(19, 20)),
    ],
)
def test_the_statement_of_a_line(line, lines):
    assert Statements(SOURCE).of(line) == lines
