"""parity.judge.recheck: a lucky noise floor is told from a wrong port, by floors of other runs."""

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from parity.contract import ACCUMULATED, LOCAL, Rule
from parity.judge import recheck as scatter
from parity.judge.recheck import LAST_BITS, RUNS, doubtful, judged_again, nearby
from parity.judge.verdict import FEWEST, absent, allowance, chance, judge
from parity.run.verify import Verifier
from parity.show.terminal import show
from tests.meta import toy

RULE = Rule("*", "*", ratio64=2.0, ratio32=2.0, why="test")
EXACT = np.linspace(1.0, 2.0, 400)


def verdict(floors: float, mode: str = ACCUMULATED, floor: float = 1e-6):
    """A verdict on an error of so many floors, all of one sign."""
    return judge("tap", "", mode, RULE, EXACT + floors * floor, EXACT, EXACT, floor)


def test_only_narrow_failures_are_doubtful():
    narrow, far, local = verdict(2.5), verdict(2.0 * allowance(FEWEST) + 0.5), verdict(2.5, LOCAL)
    nan = judge("tap", "", ACCUMULATED, RULE, EXACT * np.nan, EXACT, EXACT, 1e-6)
    unequal = judge("tap", "", LOCAL, RULE, np.arange(3), np.arange(3)[::-1], None)
    missing = absent("tap", LOCAL, RULE, "not there")
    assert not any(v.passed for v in (narrow, far, local, nan, unequal, missing))
    assert doubtful([narrow, local]) == [narrow, local]
    for other in (far, nan, unequal, missing):
        assert doubtful([narrow, other]) == []
    assert doubtful([]) == []


def test_floors_that_scatter_excuse_what_equal_ones_do_not():
    failed = verdict(2.5)
    assert judged_again(failed, RULE, [1e-6] * RUNS) is failed
    assert judged_again(failed, RULE, list(np.geomspace(0.97e-6, 1.03e-6, RUNS))) is failed
    scattered = judged_again(failed, RULE, list(np.geomspace(0.6e-6, 1.7e-6, RUNS)))
    assert scattered.passed
    assert scattered.reason == ""
    assert scattered.floors == RUNS
    assert scattered.bound_ratio64 > 2.0
    assert scattered.ratio64 * scattered.floor == pytest.approx(failed.ratio64 * failed.floor)


def test_a_floor_that_was_too_low_is_replaced():
    again = judged_again(verdict(2.5), RULE, [2e-6] * RUNS)
    assert (again.passed, again.floor, again.bound_ratio64) == (True, pytest.approx(2e-6), 2.0)
    assert again.ratio64 == pytest.approx(1.25)


def test_no_scatter_widens_a_bound_beyond_that_of_the_fewest_values():
    again = judged_again(verdict(5.0), RULE, list(np.geomspace(1e-7, 4e-6, RUNS)))
    assert again.bound_ratio64 == pytest.approx(2.0 * allowance(FEWEST))
    assert chance(0.0) == 1.0


def test_nearby_inputs_differ_in_their_last_bits_each_time_in_others():
    case = toy.load("tiny")
    runs = [nearby(case.inputs, case.name, number) for number in range(3)]
    for name, array in case.inputs.items():
        changed = [run[name] for run in runs]
        assert all(other.dtype == array.dtype for other in changed)
        if array.dtype.kind == "f":
            assert all(np.allclose(other, array, rtol=LAST_BITS, atol=0) for other in changed)
            assert all((other != array).mean() > 0.5 for other in changed)
            assert (changed[0] != changed[1]).mean() > 0.5
        else:
            assert all((other == array).all() for other in changed)
    again, others = nearby(case.inputs, case.name, 0), nearby(case.inputs, "others", 0)
    assert all((again[name] == runs[0][name]).all() for name in again)
    assert (others["x"] != again["x"]).mean() > 0.5


def test_nearby_values_move_an_average_of_thousands_by_roundings():
    wave = {"x": np.ones(2000, np.float32)}
    averages = [nearby(wave, "test", number)["x"].mean(dtype=np.float64) for number in range(RUNS)]
    assert np.std(averages) > 2 * 2.0**-24


@pytest.fixture
def off_by_bits(toy_contract, toy_checkpoint):
    """A candidate that is given other inputs than the reference, by a few last bits: accumulated error alone."""

    def run(bits: float):
        verifier = Verifier(toy_contract, toy.load("tiny"), toy_checkpoint)
        inputs = verifier.states["candidate"]
        verifier.states["candidate"] = inputs | {"x": inputs["x"] * np.float32(1 + bits * 2.0**-23)}
        return verifier.run()

    return run


def looked_at_again(off_by_bits):
    return next(report for report in map(off_by_bits, range(2, 40)) if "second look" in report.seconds)


def test_a_port_that_is_wrong_by_a_little_fails_at_a_second_look_too(off_by_bits):
    report = looked_at_again(off_by_bits)
    assert "second look" in report.seconds
    assert not report.passed
    assert {v.floors for v in report.failures} == {1}


def test_a_block_that_is_wrong_by_a_little_fails_at_a_second_look_too(toy_contract, toy_checkpoint):
    def run(roundings: int):
        verifier = Verifier(toy_contract, toy.load("tiny"), toy_checkpoint)
        verifier.runners["candidate"].side.model.middle[1].gain = 1 + roundings * 2.0**-24
        return verifier.run()

    report = next(report for report in map(run, range(2, 80)) if "second look" in report.seconds)
    assert report.first_failure.mode == LOCAL
    assert report.first_failure.tap.startswith("middle.1")
    assert {v.floors for v in report.failures} == {1}


def test_a_second_look_can_pass_a_run_and_says_so(off_by_bits, monkeypatch, toy_contract):
    wide = list(np.geomspace(0.5, 2.0, RUNS))

    def scattered(contract, case, segments, runners, decided, failures):
        return {(v.mode, v.tap, v.branch): [v.floor * factor for factor in wide] for v in failures}

    monkeypatch.setattr(scatter, "floors", scattered)
    report = looked_at_again(off_by_bits)
    again = [v for v in report.verdicts if v.floors > 1]
    assert report.passed
    assert again
    assert report.diagnosis is None
    assert report.as_dict()["verdicts"][report.verdicts.index(again[0])]["floors"] == RUNS
    stream = io.StringIO()
    show(report, toy_contract, Console(file=stream, width=200))
    assert f"{again[0].label} (accumulated error) passed at a second look, by {RUNS} noise floors" in stream.getvalue()


@pytest.mark.parametrize("mode", [ACCUMULATED, LOCAL])
def test_other_runs_have_floors_of_their_own_about_as_large(toy_contract, toy_checkpoint, mode):
    verifier = Verifier(toy_contract, toy.load("tiny"), toy_checkpoint)
    report = verifier.run()
    looked_at = [v for v in report.verdicts if v.mode == mode and v.tap.startswith("last")]
    sides = verifier.contract, verifier.case, verifier.segments, verifier.runners, verifier.decided
    found = scatter.floors(*sides, [replace(v, passed=False) for v in looked_at])
    assert found.keys() == {(mode, v.tap, v.branch) for v in looked_at}
    for v in looked_at:
        floors = found[mode, v.tap, v.branch]
        assert len(set(floors)) == RUNS
        assert np.mean(floors) == pytest.approx(v.floor, rel=0.5)


def test_floors_of_local_errors_are_of_what_the_block_creates(toy_contract, toy_checkpoint):
    verifier = Verifier(toy_contract, toy.load("tiny"), toy_checkpoint)
    report = verifier.run()
    both = [v for v in report.verdicts if v.tap == "refine.state[step=2]"]
    assert {v.mode for v in both} == {ACCUMULATED, LOCAL}
    sides = verifier.contract, verifier.case, verifier.segments, verifier.runners, verifier.decided
    found = scatter.floors(*sides, both)
    mean = {mode: np.mean([floors for key, floors in found.items() if key[0] == mode]) for mode in (ACCUMULATED, LOCAL)}
    assert mean[LOCAL] < 0.8 * mean[ACCUMULATED]


def test_a_second_look_that_leaves_a_failure_changes_no_verdict(off_by_bits, monkeypatch):
    def one_scatters(contract, case, segments, runners, decided, failures):
        first = failures[0]
        wide, own = np.geomspace(0.5, 2.0, RUNS), np.ones(RUNS)
        return {(v.mode, v.tap, v.branch): list(v.floor * (wide if v is first else own)) for v in failures}

    monkeypatch.setattr(scatter, "floors", one_scatters)
    report = next(r for r in map(off_by_bits, range(2, 40)) if "second look" in r.seconds and len(r.failures) > 1)
    assert {v.floors for v in report.verdicts} == {1}
    assert report.diagnosis.first is report.first_failure
