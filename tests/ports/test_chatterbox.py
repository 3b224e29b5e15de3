"""Two MLX ports of Chatterbox's flow against the reference, at full size and in double."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from parity.exact.mlx import trace
from parity.exact.program import Program
from parity.exact.standin import installed
from parity.exact.standin.record import recording as recorded
from parity.exact.torch import recording, single
from parity.match.arrangement import BOUND, difference
from parity.match.matching import Matching, match
from reference.ode import Conditions, solve_euler
from spec.config import time_grid
from tests.ports import chatterbox_flows as flows

FRAMES = {9: 2, 13: 4, 16: 0}
"""Frames of the decoder's inputs, and how many of the second item's are padding."""

TOKENS = (8, 11, 13)
STEPS = 10


@dataclass
class Reference:
    """A module of the reference, its programs, their inputs, and the paths of all its modules and of its leaves."""

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
    return Reference(programs, [list(inputs.values()) for inputs in sets], taps, leaves & taps)


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


def test_what_mlx_audio_s_decoder_is_given(flow):
    """Its x-vector is divided by its norm and 1e-8, PyTorch's by its norm alone: 7e-10, which is a departure."""
    sets = [flows.given_inputs(tokens) for tokens in TOKENS]
    reference = recorded_reference(flows.Given(flow), sets)
    with installed():
        port = flows.mlx_audio()
        conditions = flows.given_by_mlx_audio(port)
        programs = [recorded(conditions, inputs, root=port).program for inputs in reference.inputs]
    found = reference.match(programs)
    assert found.unmatched_taps == []
    (departure,), (explanation,) = found.departures, found.explanations
    assert departure.healed and found.proven
    assert "1e-08" in explanation.candidate.formula
    assert "linalg_vector_norm" in str(explanation)


def test_mlx_audio_s_solver(flow):
    """From noise to mel in ten steps, given what the reference's decoder is given."""
    given = {name: torch.from_numpy(array) for name, array in flows.given_inputs(TOKENS[0]).items()}
    wide = [tensor.double() if tensor.is_floating_point() else tensor for tensor in given.values()]
    with torch.no_grad():
        conditions = Conditions(*flows.Given(flow)(*wide), None)
        noise = torch.from_numpy(np.random.default_rng(5).standard_normal(tuple(conditions.mu.shape)))
        grid = torch.from_numpy(time_grid(STEPS, np.float64))
        mel = solve_euler(flow.velocity, noise, grid, conditions, flow.config.guidance).numpy()
    with installed() as mx:
        solver = flows.mlx_audio().decoder
        solver.rand_noise = mx.array(noise.numpy())
        mask = mx.ones((1, 1, mel.shape[2]))
        mu, spks, cond = (mx.array(tensor.numpy()) for tensor in (conditions.mu, conditions.speaker, conditions.cond))
        ours, _ = solver(mu=mu, mask=mask, n_timesteps=STEPS, spks=spks, cond=cond)
    assert difference(np.asarray(ours), mel) <= BOUND
