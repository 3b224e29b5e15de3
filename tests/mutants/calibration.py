"""How often a diagnosis of dumps is right: of each fault of the battery, and of a random sample of mutants.

What is said at 0.9 or above is right in nine of ten, or a porter stops to read it. `pytest -s` prints the figures, and
of each family how often it was said so, and rightly. The tables of truth are the families that each fault names, and
those of `kinds.py`.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from fixtures import cases
from parity.capture.golden import MANIFEST
from parity.run import dumps as offline
from tests.mutants import decoder, edges, encoder, factors, positions, speech_tokens, voices, waves
from tests.mutants.battery import BATTERY, Mutant, case, contract
from tests.mutants.sampled import JUDGED, SURE, Sampled, figures, sample

STAGES = (decoder, edges, encoder, factors, positions, speech_tokens, voices, waves)
UNDUMPED = {"missing tap", "logits stop the run", "axes the other way round", "silence trimmed to nothing"}
"""Faults that stop a port, or keep it from giving a tap: no dumps are written."""

FAULTS = [fault for fault in BATTERY if fault.name not in UNDUMPED]
FOUND: dict[str, list[Sampled]] = {"battery": [], "mutants": []}
MUTANTS, SEED = 100, 1
LEAST = 200
"""Findings at 0.9 and above that the share is of."""


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
    right = sorted(fault.families)
    found = Sampled(fault.name, fault.name, "battery", "", "", right, JUDGED, fault.case, fault.tap)
    assert found.say(golden, dumps, checkpoint)
    shutil.rmtree(dumps)
    FOUND["battery"].append(found)


def test_dumps_of_mutants_are_judged(tmp_path: Path):
    FOUND["mutants"] += sample(MUTANTS, SEED, tmp_path, jobs=2)
    assert sum(one.outcome == JUDGED for one in FOUND["mutants"]) == MUTANTS


def test_what_is_said_at_nine_tenths_is_right_in_nine_of_ten():
    assert len(FOUND["battery"]) == len(FAULTS)
    said: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for name, found in FOUND.items():
        print("\n".join(f"{name}: {line}" for line in figures(found)))
        judged = [one for one in found if one.outcome == JUDGED]
        assert sum(one.tap == one.said_tap for one in judged) >= 0.97 * len(judged)
        assert sum(one.named(one.known) for one in judged) >= 0.75 * len(judged)
        for one in judged:
            for family, confidence, _ in one.known:
                said[family] += confidence >= SURE
                right[family] += confidence >= SURE and family in one.right
    print(f"{right.total()} of {said.total()} findings at {SURE} or above are right, by kind:")
    print(", ".join(f"{family} {right[family]} of {count}" for family, count in said.most_common() if count))
    assert said.total() >= LEAST
    assert right.total() >= 0.9 * said.total()
