"""Parity of both sides, part by part: every verdict of the parity engine passes, and none is missing.

`pytest -k decoder_parity --size full` judges the decoder at full size; likewise `conditioning_parity`, `t3_parity`,
`encoder_parity`, `vocoder_parity`, each stage from inputs of its own, and `pipeline_parity`, all of them chained.
"""

import dataclasses

import pytest

from fixtures import cases
from parity import contract as contracts
from parity.contract import ACCUMULATED, HANDED, LOCAL
from parity.judge.verdict import Verdict
from parity.run.report import Report
from parity.show.terminal import describe

WHOLE = ["tiny", *(f"tiny-{stage}" for stage in ("conditioning", "t3", "flow", "vocoder"))]


def require(verdicts: list[Verdict]) -> None:
    """There are verdicts, and each passed."""
    assert verdicts, "no verdict was given: nothing was verified"
    failures = [verdict for verdict in verdicts if not verdict.passed]
    assert not failures, f"{len(failures)} of {len(verdicts)} failed\n" + "\n".join(map(describe, failures[:5]))


def require_complete(report: Report, contract: contracts.Contract) -> None:
    """As many verdicts as the contract's taps call for: each mode, and both halves of a guided batch.

    Besides, every segment hands on something, and both sides hand on the same.
    """
    case = cases.load(report.case)
    segments = contract.segments(case.dims, case.segments)
    called_for = sum(
        len(segment.modes) * (1 + ("g" in tap.axes.split())) for segment in segments for tap in segment.taps
    )
    handed = {(verdict.label, verdict.mode) for verdict in report.verdicts if verdict.tap.startswith(HANDED)}
    places = {(label.partition("[")[2], mode) for label, mode in handed}
    assert len(places) >= sum(len(segment.modes) for segment in segments)
    assert len(report.verdicts) == report.expected == called_for + len(handed)


@pytest.mark.parity("prompt", "speaker", case="conditioning")
def test_conditioning_parity(parity_part, parity_report):
    require(parity_part.verdicts(parity_report))


@pytest.mark.parity("t3_*", case="t3")
def test_t3_parity(parity_part, parity_report):
    require(parity_part.verdicts(parity_report))


@pytest.mark.parity("encoder", case="flow")
def test_encoder_parity(parity_part, parity_report):
    require(parity_part.verdicts(parity_report))


@pytest.mark.parity("ode", case="flow")
def test_decoder_parity(parity_part, parity_report):
    require(parity_part.verdicts(parity_report))


@pytest.mark.parity("source", "wave", case="vocoder")
def test_vocoder_parity(parity_part, parity_report):
    require(parity_part.verdicts(parity_report))


@pytest.mark.parity("*")
def test_pipeline_parity(parity_part, parity_report):
    require(parity_part.verdicts(parity_report))


@pytest.fixture
def contract(request):
    return contracts.load(request.config.getoption("--contract"))


def require_case(name: str, verify_case, contract: contracts.Contract) -> None:
    report = verify_case(name)
    require(report.verdicts)
    require_complete(report, contract)
    assert report.passed


@pytest.mark.parametrize("case", ["one-letter", "unguided", "emotion", "long"])
def test_t3_parity_of_case(case, verify_case, contract):
    require_case(f"tiny-t3-{case}", verify_case, contract)


@pytest.mark.parametrize("case", ["batch", "no-prompt", "stream", "7-steps", "faint-speaker", "no-speaker"])
def test_encoder_and_decoder_parity_of_case(case, verify_case, contract):
    require_case(f"tiny-flow-{case}", verify_case, contract)


@pytest.mark.parametrize("case", ["batch", "cache", "source", "slopes"])
def test_vocoder_parity_of_case(case, verify_case, contract):
    require_case(f"tiny-vocoder-{case}", verify_case, contract)


@pytest.mark.parametrize("case", ["text", "text-french", "tokens", "chain-odd-prompt"])
def test_parity_between_stages_of_case(case, verify_case, contract):
    require_case(f"tiny-{case}", verify_case, contract)


@pytest.mark.parametrize("case", ["windows", "quiet"])
def test_conditioning_parity_of_case(case, verify_case, contract):
    require_case(f"tiny-conditioning-{case}", verify_case, contract)


@pytest.mark.parametrize("case", WHOLE)
def test_every_tap_has_its_verdicts(case, verify_case, contract):
    require_case(case, verify_case, contract)


def test_pipeline_parity_of_every_mix_of_stages(verify_case):
    report = verify_case("tiny")
    sides = [tuple(swap.sides.values()) for swap in report.swaps]
    assert len(set(sides)) == len(sides) == 8
    require([swap.verdict for swap in report.swaps])
    by_sides = dict(zip(sides, report.swaps, strict=True))
    assert by_sides["reference", "reference", "reference"].verdict.ratio32 == 0
    assert by_sides["candidate", "candidate", "candidate"].verdict.ratio32 > 0


def test_pipeline_parity_of_every_decision(verify_case):
    """Speech tokens, voiced frames and the tokens of both prompts: each far enough from another to tell a flip."""
    report = verify_case("tiny")
    decided = {verdict.tap for verdict in report.decisions}
    assert {"tokenizer.quantizer", "tokenizer.quantizer[of=t3]", "t3.token[token=0]", "vocoder.voiced"} <= decided
    assert sum(verdict.ties for verdict in report.decisions) == 0
    assert all(verdict.margin > 10 for verdict in report.decisions)


def test_a_failed_verdict_a_missing_one_and_an_extra_one_are_rejected(verify_case, contract):
    report = verify_case("tiny-flow")
    verdicts = report.verdicts
    broken = dataclasses.replace(verdicts[0], passed=False, reason="ratio32 9 > 2")
    with pytest.raises(AssertionError, match=r"1 of 2 failed\n.*ratio32 9 > 2"):
        require([broken, verdicts[1]])
    with pytest.raises(AssertionError, match="nothing was verified"):
        require([])
    for wrong in (verdicts[:-1], [*verdicts, verdicts[-1]]):
        with pytest.raises(AssertionError):
            require_complete(dataclasses.replace(report, verdicts=wrong), contract)


def test_both_kinds_of_error_are_judged(verify_case):
    assert {verdict.mode for verdict in verify_case("tiny").verdicts} == {LOCAL, ACCUMULATED}
