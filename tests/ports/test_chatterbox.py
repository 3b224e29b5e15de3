"""chatterbox-mlx's decoder against the reference, at full size and in double."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from torch import nn

from parity.exact.mlx import trace
from parity.exact.program import Program
from parity.exact.torch import recording, single
from parity.match.matching import Matching, match
from tests.ports import chatterbox_flows as flows

FRAMES = {9: 2, 13: 4, 16: 0}
"""Frames of the decoder's inputs, and how many of the second item's are padding."""


@dataclass
class Reference:
    """A module of the reference, its programs, their inputs, and the taps of all its modules and of its leaves.

    A leaf is a module that has parameters of its own; each of its calls has a tap.
    """

    programs: list[Program]
    inputs: list[list[np.ndarray]]
    modules: set[str]
    leaves: set[str]

    def match(self, candidates: list[Program]) -> Matching:
        return match(self.programs, candidates, self.inputs, self.inputs)


def recorded_reference(module: nn.Module, sets: list[dict[str, np.ndarray]]) -> Reference:
    programs = [recording(module, inputs, values=False).program for inputs in sets]
    assert [text for program in programs for text in single(program)] == []
    taps = set(programs[0].taps)
    leaves = {path for path, part in module.named_modules() if path and dict(part.named_parameters(recurse=False))}
    called = {tap for tap in taps if tap.partition("#")[0] in leaves}
    return Reference(programs, [list(inputs.values()) for inputs in sets], taps, called)


@pytest.fixture(scope="module")
def flow() -> Any:
    return flows.reference()


@pytest.fixture(scope="module")
def decoder(flow) -> Reference:
    sets = [flows.inputs(frames, padded=padded) for frames, padded in FRAMES.items()]
    return recorded_reference(flows.Decoder(flow), sets)


def traced(estimator: Any, reference: Reference) -> list[Program]:
    return [trace(estimator, inputs) for inputs in reference.inputs]


def test_chatterbox_mlx_s_decoder_departs_in_two_ways(decoder):
    """SiLU in the place of Mish before each projection of time; biases of attention that no checkpoint fills."""
    found = decoder.match(traced(flows.chatterbox_mlx().decoder.estimator, decoder))
    kinds = Counter(departure.module.rpartition(".")[2] for departure in found.departures)
    assert kinds == {"resnet": 14, "to_q": 56, "to_k": 56, "to_v": 56}
    assert all(departure.healed for departure in found.departures)
    assert found.proven
