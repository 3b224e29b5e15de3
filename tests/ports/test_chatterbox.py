"""Two MLX ports of Chatterbox's flow against the reference, at full size and in double."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from torch import nn

from parity.exact.mlx import trace
from parity.exact.program import Program
from parity.exact.standin import installed
from parity.exact.standin.record import recording as recorded
from parity.exact.torch import recording, single
from parity.match.arrangement import BOUND
from parity.match.matching import Matching, match
from tests.ports import chatterbox_flows as flows

FRAMES = {9: 2, 13: 4, 16: 0}
"""Frames of the decoder's inputs, and how many of the second item's are padding."""

TOKENS = {4: 1, 5: 2, 6: 3}
"""Tokens of the whole flow's inputs, and how many of them are the prompt's."""

BEFORE_THE_DECODER = 111
"""Modules with parameters that the flow runs once."""

NOT_TOLD = ["flow.decoder.time_embeddings"]
"""Modules whose values could be anything's: the sines of time 0, which are 0, and its cosines, which are 1."""


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


def test_every_module_of_mlx_audio_s_decoder_is_found_and_equal(decoder):
    found = decoder.match(traced(flows.mlx_audio().decoder.estimator, decoder))
    assert found.equal
    assert found.departures == []
    assert len(decoder.leaves) == 539
    assert len(decoder.modules) == 767  # 766 of the decoder, and itself
    assert found.taps.keys() == decoder.modules
    assert max(pair.error for pair in found.taps.values()) <= BOUND


def test_chatterbox_mlx_s_decoder_departs_in_two_ways(decoder):
    """SiLU in the place of Mish before each projection of time; biases of attention that no checkpoint fills."""
    found = decoder.match(traced(flows.chatterbox_mlx().decoder.estimator, decoder))
    kinds = Counter(departure.module.rpartition(".")[2] for departure in found.departures)
    assert kinds == {"resnet": 14, "to_q": 56, "to_k": 56, "to_v": 56}
    assert all(departure.healed for departure in found.departures)
    assert found.proven


def test_the_whole_of_mlx_audio_s_flow(flow):
    """Tokens to mel: embedding, encoder, speaker, conditions, guidance and ten steps of the solver, at full size.

    It departs once: its x-vector is divided by its norm and 1e-8, PyTorch's by its norm alone, which is 7e-10.
    """
    sets = [flows.whole_inputs(tokens, prompt) for tokens, prompt in TOKENS.items()]
    reference = recorded_reference(flows.Whole(flow), sets)
    with installed():
        port = flows.mlx_audio()
        mel = flows.whole_by_mlx_audio(port)
        programs = [recorded(mel, inputs, root=port, values=False).program for inputs in reference.inputs]
    found = reference.match(programs)
    assert len(reference.leaves) == BEFORE_THE_DECODER + flows.STEPS * 539
    assert reference.leaves <= found.taps.keys()
    assert found.unmatched_taps == NOT_TOLD
    assert max(pair.error for pair in found.taps.values()) <= BOUND
    (departure,), (explanation,) = found.departures, found.explanations
    assert departure.healed and found.proven
    assert "1e-08" in explanation.candidate.formula
    assert "linalg_vector_norm" in str(explanation)
