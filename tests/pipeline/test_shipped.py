"""fixtures.shipped: what `speak` runs is judged with the segments, and a fault in it alone is seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fixtures import cases, quality, shipped
from fixtures.cases import turbo
from mlx_impl.flow import Flow
from parity import contract as contracts
from parity.run.verify import Verifier

CONTRACT = contracts.load(Path(__file__).resolve().parents[2] / "fixtures" / "contract.toml")
CASE = cases.load("tiny")


@pytest.fixture(scope="module")
def checkpoint() -> Path:
    return cases.synthetic_checkpoint(CASE)


@pytest.fixture(scope="module")
def wave(checkpoint: Path) -> np.ndarray:
    return shipped.speak(CASE, checkpoint)


def test_a_whole_run_judges_what_speak_runs(checkpoint):
    checks = {check.name: check for check in Verifier(CONTRACT, CASE, checkpoint).run().checks}
    assert checks[shipped.NAME].passed
    assert checks[shipped.NAME].value > quality.SNR


def test_a_fault_of_speak_alone_fails(checkpoint, wave, monkeypatch):
    velocity = Flow.velocity
    monkeypatch.setattr(Flow, "velocity", lambda self, *guided: 1.01 * velocity(self, *guided))
    check = shipped.shipped(CASE, checkpoint, wave)
    assert not check.passed
    assert check.value < quality.SNR


def test_a_whole_run_of_turbo_judges_what_speak_runs_of_it(monkeypatch):
    contract = contracts.load(Path(__file__).resolve().parents[2] / "fixtures" / "turbo.toml")
    case = turbo.load("tiny-turbo")
    folder = turbo.synthetic_checkpoint(case)
    report = Verifier(contract, case, folder).run()
    checks = {check.name: check for check in report.checks}
    assert checks[shipped.NAME].passed
    theirs = shipped.speak(case, folder, "reference.turbo.speech:ChatterboxTurbo")
    assert shipped.shipped(case, folder, theirs, shipped.TURBO_SPEAKS).passed
    monkeypatch.setattr("mlx_impl.turbo.speech.SILENCE", (4298,) * 3)
    assert not shipped.shipped(case, folder, theirs, shipped.TURBO_SPEAKS).passed


def test_a_wave_of_another_length_fails(checkpoint, wave):
    check = shipped.shipped(CASE, checkpoint, wave[:-1])
    assert not check.passed
    assert check.bound == f"{wave.size - 1} samples, got {wave.size}"


def test_the_references_speak_is_held_to_its_segments_as_well(checkpoint, wave):
    theirs = shipped.speak(CASE, checkpoint, "reference.speech:Chatterbox")
    assert quality.at_least("", quality.waves.snr(wave, theirs), quality.SNR).passed


def test_a_case_that_begins_behind_t3_has_no_such_check(checkpoint):
    chain = cases.load("tiny-chain")
    report = Verifier(CONTRACT, chain, cases.synthetic_checkpoint(chain)).run()
    assert shipped.NAME not in {check.name for check in report.checks}
