"""A stage whose rounding reaches no later one is not run for an own floor, and the floor is the same without it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.cases import turbo
from parity import contract as contracts
from parity.contract import ACCUMULATED, LOCAL, Contract
from parity.judge.mathematics import Mathematics
from parity.run import own
from parity.run.both import Both
from parity.run.own import Again, OwnFloors
from parity.run.spared import spared
from parity.run.verify import Verifier

TAP = "vocoder.magnitude"


@pytest.fixture(scope="module")
def contract() -> Contract:
    return contracts.load(Path("fixtures/turbo.toml"))


@pytest.fixture(scope="module")
def verifier(contract: Contract) -> Verifier:
    case = turbo.load("tiny-turbo")
    made = Verifier(contract, case, turbo.synthetic_checkpoint(case))
    assert made.run().passed
    return made


def of(
    verifier: Verifier, *wanted: str, contract: Contract | None = None, **changed: float
) -> dict[str, frozenset[str]]:
    """What is spared when entries that T3 hands on have another RMSE than they had."""
    verdicts = [
        replace(verdict, rmse=changed[name]) if (name := entry(verdict.tap)) in changed else verdict
        for verdict in verifier.report.verdicts
    ]
    runs = verifier.runs
    return spared(contract or verifier.contract, verifier.segments, verdicts, runs.carried, wanted)


def entry(tap: str) -> str:
    return tap.removesuffix("[tokens]").removeprefix("handed-on.") if tap.endswith("[tokens]") else ""


def test_stages_that_end_in_decisions_and_copies_are_spared(verifier):
    assert of(verifier, TAP) == {"text": {"text_tokens"}, "t3": {"tokens", "lengths", "x"}}


def test_a_stage_that_hands_on_what_is_rounded_is_run(verifier):
    assert of(verifier, TAP, x=1e-9) == {"text": {"text_tokens"}}
    assert "flow" not in of(verifier, TAP)


def test_a_stage_in_which_something_is_wanted_is_run(verifier):
    wanted = next(tap.name for segment in verifier.segments if segment.stage == "t3" for tap in segment.taps)
    assert of(verifier, wanted) == {"text": {"text_tokens"}}


def test_a_stage_that_hands_on_what_is_not_judged_is_run(verifier, contract):
    class Unjudged(Contract):
        def unjudged(self, tap: str) -> str | None:  # type: ignore[override]
            return "for this test" if tap == "handed-on.x[tokens]" else None

    fields = {name: getattr(contract, name) for name in contract.__dataclass_fields__}
    assert of(verifier, TAP, contract=Unjudged(**fields)) == {"text": {"text_tokens"}}


def test_the_own_floor_is_the_same_and_t3_is_not_run(verifier, contract, monkeypatch):
    monkeypatch.setattr(own, "RUNS", 1)
    said: list[str] = []
    floors = []
    for stages in (of(verifier, TAP), None):
        fed = Again(contract, verifier.case, verifier.segments, verifier.runs.runners["reference"])
        floor = OwnFloors(contract, verifier.case, verifier.checkpoint, verifier.segments, fed, said.append)
        floors.append(floor.measure({ACCUMULATED: {TAP}, LOCAL: set()}, stages))
        said.append("")
    first, second = said[: said.index("")], said[said.index("") + 1 : -1]
    assert floors[0] == pytest.approx(floors[1], rel=1e-12)
    assert floors[0][ACCUMULATED, TAP, ""] > 0
    assert not any(line.startswith("t3") for line in first)
    assert [line for line in second if line not in first][1].startswith("t3_prefill")


def test_a_verdict_in_doubt_is_settled_without_t3(verifier, contract):
    said: list[str] = []
    known = {(ACCUMULATED, TAP, ""): Mathematics(TAP, "", ACCUMULATED, True, "")}
    both = Both(contract, verifier.case, verifier.checkpoint, known, progress=said.append)
    asked = replace(
        next(v for v in verifier.report.verdicts if (v.mode, v.tap) == (ACCUMULATED, TAP)), passed=False, reason="test"
    )
    verifier.report.verdicts[verifier.report.verdicts.index(replace(asked, passed=True, reason=""))] = asked
    both.settle(verifier)
    assert any("own floor" in line for line in said)
    assert not any(line.startswith("t3") for line in said)
