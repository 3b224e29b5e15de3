"""How often a confidence is right: each fault of the battery, judged by its dumps alone, with the checkpoint at hand.

What is said at 0.9 or above is right in nine of ten, or a porter stops to read it. `pytest -s` prints the figures. The
table of truth is the families that each fault of the battery names.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fixtures import cases
from parity.capture.golden import MANIFEST, Golden
from parity.run import dumps as offline
from tests.mutants import decoder, edges, encoder, factors, positions, speech_tokens, voices, waves
from tests.mutants.battery import BATTERY, Mutant, case, contract

STAGES = (decoder, edges, encoder, factors, positions, speech_tokens, voices, waves)
SURE = 0.9
UNDUMPED = {"missing tap", "logits stop the run", "axes the other way round"}
"""Faults that stop a port, or keep it from giving a tap: no dumps are written."""

FAULTS = [fault for fault in BATTERY if fault.name not in UNDUMPED]
SAID: list[tuple[Mutant, str, list[tuple[str, float]]]] = []
"""Each fault with its first wrong tap and what is said of it: families and confidences."""


@pytest.fixture(scope="module")
def goldens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("goldens")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_dumps_of_a_fault_fail(fault: Mutant, goldens: Path, tmp_path: Path):
    subject, dumps = case(fault.case), tmp_path / "dumps"
    checkpoint, golden = cases.synthetic_checkpoint(subject), goldens / fault.case.replace(" ", "-")
    if not golden.exists():
        offline.capture(contract(), subject, checkpoint, "reference", golden, floors=True)
    with pytest.MonkeyPatch.context() as patch:
        fault.patch(patch)
        offline.capture(contract(), subject, checkpoint, "candidate", dumps)
    (dumps / MANIFEST).unlink()
    found = offline.compare(contract(), Golden(golden), dumps, checkpoint=checkpoint).diagnosis
    shutil.rmtree(dumps)
    assert found is not None
    SAID.append((fault, found.first.tap, [(each.family, each.confidence) for each in found.findings]))


def test_what_is_said_at_nine_tenths_is_right_in_nine_of_ten():
    assert len(SAID) == len(FAULTS)
    sure = [(fault, family) for fault, _, said in SAID for family, confidence in said if confidence >= SURE]
    wrong = [f"{fault.name}: {family}" for fault, family in sure if family not in fault.families]
    two = sum(any(family in fault.families for family, _ in said[:2]) for fault, _, said in SAID)
    tap = sum(first == fault.tap for fault, first, _ in SAID)
    print(f"{len(SAID)} faults as dumps: right first tap {tap}, right family in two guesses {two}")
    print(f"{len(sure)} findings at {SURE} or above, {len(sure) - len(wrong)} of them right; wrong: {'; '.join(wrong)}")
    assert tap >= 0.97 * len(SAID)
    assert two >= 0.75 * len(SAID)
    assert len(wrong) <= 0.1 * len(sure), wrong
