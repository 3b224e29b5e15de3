"""Taps that amplify rounding, and decisions at a tie: what a proof lets through, and what not."""

from __future__ import annotations

from pathlib import Path

import pytest

from parity import contract as contracts
from parity.contract import ACCUMULATED, LOCAL
from parity.judge.mathematics import AMPLIFIED, BOUND
from parity.run.exact import Exact
from parity.run.exact_report import ExactReport
from tests.exact import amplified

CONTRACT = contracts.load(Path(amplified.__file__).with_name("contract.toml"))
TAPS = 2 * (4 + 2)
"""Both segments hand on what one of their taps is."""

FAR = {ACCUMULATED: ["far", "handed-on.x[amplify]"], LOCAL: ["far"]}
"""Teacher-forced, the reference's own value is handed on."""


def proven(name: str) -> ExactReport:
    report = Exact(CONTRACT, amplified.load(name), Path(), teacher_forced=True).run()
    assert len(report.verdicts) == report.expected == TAPS
    return report


@pytest.mark.parametrize("mode", [LOCAL, ACCUMULATED])
def test_a_tap_that_amplifies_rounding_is_equal_by_its_noise_floor(mode):
    report = proven("equal")
    assert report.passed
    verdicts = [verdict for verdict in report.amplified if verdict.mode == mode]
    assert [verdict.tap for verdict in verdicts] == FAR[mode]
    for verdict in verdicts:
        assert BOUND < verdict.error <= verdict.bound == AMPLIFIED * verdict.floor
        assert 0.05 < verdict.floor < 1  # of a float32 that far from zero no digit is left
    assert [entry["tap"] for entry in report.as_dict()["amplified"]] == FAR[ACCUMULATED] + FAR[LOCAL]


def test_what_is_equal_by_its_floor_alone_runs_teacher_forced_as_well():
    report = Exact(CONTRACT, amplified.load("equal"), Path()).run()
    assert report.passed
    assert report.teacher_forced == ["amplify"]
    assert {verdict.mode for verdict in report.verdicts if verdict.tap == "far"} == {LOCAL, ACCUMULATED}


def test_no_noise_floor_is_measured_where_none_is_needed():
    report = proven("equal")
    assert {verdict.tap for verdict in report.verdicts if verdict.floor == verdict.floor} == set(FAR[ACCUMULATED])


def test_a_fault_beyond_its_noise_floor_is_wrong():
    report = proven("wrong")
    assert [(verdict.tap, verdict.mode) for verdict in report.failures] == [
        (tap, mode) for mode in (LOCAL, ACCUMULATED) for tap in FAR[mode]
    ]
    first = report.first_failure
    assert first.error > first.bound > BOUND


def test_a_decision_may_differ_at_a_tie():
    report = proven("tie")
    assert report.passed
    assert [verdict.ties for verdict in report.verdicts if verdict.tap == "choice"] == [1, 1]
    assert report.as_dict()["ties"] == 2


def test_a_decision_may_not_differ_elsewhere():
    report = proven("otherwise")
    assert {verdict.tap for verdict in report.failures} == {"choice"}
    assert "values differ" in report.first_failure.reason


def test_what_is_zero_everywhere_is_judged():
    assert [v.reference_rms for v in proven("equal").verdicts if v.tap == "zero"] == [0.0, 0.0]
