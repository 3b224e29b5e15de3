"""Parity of both sides, part by part: every verdict of the parity engine passes, and none is missing.

`pytest -k decoder_parity --size full` judges the decoder at full size.
"""

import dataclasses

import pytest

from fixtures import cases
from parity import contract as contracts
from parity.contract import CREATED, INHERITED
from parity.report import Report
from parity.terminal import describe
from parity.verdict import Verdict

OTHER_CASES = ["tiny-batch", "tiny-no-prompt", "tiny-stream"]


def require(verdicts: list[Verdict]) -> None:
    """There are verdicts, and each passed."""
    assert verdicts, "no verdict was given: nothing was verified"
    failures = [verdict for verdict in verdicts if not verdict.passed]
    assert not failures, f"{len(failures)} of {len(verdicts)} failed\n" + "\n".join(map(describe, failures[:5]))


def require_complete(report: Report, contract: contracts.Contract) -> None:
    """As many verdicts as the contract's taps call for: both modes, and both halves of a guided batch."""
    taps = [tap for segment in contract.segments(cases.load(report.case).dims) for tap in segment.taps]
    guided = sum("g" in tap.axes.split() for tap in taps)
    assert len(report.verdicts) == report.expected == 2 * (len(taps) + guided)


@pytest.mark.parity("encoder")
def test_encoder_parity(parity_part, parity_report):
    require(parity_part.verdicts(parity_report))


@pytest.mark.parity("ode")
def test_decoder_parity(parity_part, parity_report):
    require(parity_part.verdicts(parity_report))


@pytest.fixture
def contract(request):
    return contracts.load(request.config.getoption("--contract"))


def of_segment(report: Report, contract: contracts.Contract, name: str) -> list[Verdict]:
    segments = contract.segments(cases.load(report.case).dims)
    taps = {tap.name for segment in segments if segment.name == name for tap in segment.taps}
    return [verdict for verdict in report.verdicts if verdict.tap in taps]


@pytest.mark.parametrize("case", OTHER_CASES)
def test_encoder_parity_of_case(case, verify_case, contract):
    require(of_segment(verify_case(case), contract, "encoder"))


@pytest.mark.parametrize("case", OTHER_CASES)
def test_decoder_parity_of_case(case, verify_case, contract):
    require(of_segment(verify_case(case), contract, "ode"))


def test_every_tap_has_its_verdicts(parity_report, contract):
    require_complete(parity_report, contract)


@pytest.mark.parametrize("case", OTHER_CASES)
def test_every_tap_of_case_has_its_verdicts(case, verify_case, contract):
    require_complete(verify_case(case), contract)


def test_a_failed_verdict_a_missing_one_and_an_extra_one_are_rejected(parity_report, contract):
    verdicts = parity_report.verdicts
    broken = dataclasses.replace(verdicts[0], passed=False, reason="distance 9 > 2")
    with pytest.raises(AssertionError, match=r"1 of 2 failed\n.*distance 9 > 2"):
        require([broken, verdicts[1]])
    with pytest.raises(AssertionError, match="nothing was verified"):
        require([])
    for wrong in (verdicts[:-1], [*verdicts, verdicts[-1]]):
        with pytest.raises(AssertionError):
            require_complete(dataclasses.replace(parity_report, verdicts=wrong), contract)


def test_the_two_segments_and_both_modes_are_all_that_is_judged(parity_report, contract):
    split = [of_segment(parity_report, contract, name) for name in ("encoder", "ode")]
    assert sum(map(len, split)) == len(parity_report.verdicts)
    assert {verdict.mode for verdict in parity_report.verdicts} == {CREATED, INHERITED}
