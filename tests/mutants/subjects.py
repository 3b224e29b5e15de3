"""The cases that faults are shown by: the smallest of each stage, and their contract. Imports no framework."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from fixtures import cases
from fixtures.cases import flow, t3, turbo, vocoder
from parity import contract as contracts
from parity.contract.implementation import Case

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"


@lru_cache
def case(name: str) -> Case:
    """The smallest case of a stage that shows most faults."""
    if name == "flow":
        return flow.build("mutant-flow", flow.FlowCase("tiny", prompt=3, tokens=(5,), steps=2))
    if name == "flow-10":
        return flow.build("mutant-flow", flow.FlowCase("tiny", prompt=3, tokens=(5,)))
    if name == "flow-batch":
        return flow.build("mutant-batch", flow.FlowCase("tiny", prompt=3, tokens=(9, 6, 1), steps=2))
    if name == "t3-long":
        return t3.build("mutant-t3", t3.T3Case("tiny", letters=9, tokens=20, first=1))
    if name == "t3":
        return t3.build("mutant-t3", t3.T3Case("tiny", letters=9, tokens=3, first=1))
    if name == "quiet":
        voice = cases.load("tiny-conditioning")
        return replace(voice, inputs={name: wave * np.float32(1e-4) for name, wave in voice.inputs.items()})
    if name == "ten seconds":
        long = vocoder.build("mutant-phase", vocoder.VocoderCase("tiny", frames=500))
        return replace(long, segments=("source",))
    return (turbo if name in turbo.CASES else cases).load(name)


@lru_cache
def contract(name: str = "") -> contracts.Contract:
    """The contract of a case: Turbo's and Nano's have their own."""
    return contracts.load(FIXTURES / ("turbo.toml" if name in turbo.CASES else "contract.toml"))


def checkpoint_for(subject: Case) -> Path:
    """A synthetic checkpoint that fits a case."""
    return (turbo if subject.name in turbo.CASES else cases).synthetic_checkpoint(subject)
