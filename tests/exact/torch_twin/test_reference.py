"""The twin of the project's own reference, from its float32, is its own float64 mode at every tap."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from fixtures.cases import load, synthetic_checkpoint
from parity import contract as contracts
from parity.exact.program import evaluate
from parity.exact.torch import observe, recording, single, twin
from reference.pipeline import MODELS, Pipeline

CONTRACT = contracts.load(Path("fixtures/contract.toml"))
CASE = load("tiny")
SEGMENTS = {"prompt", "speaker", "t3_prefill", "t3_step", "encoder", "ode", "source", "wave"}


@pytest.fixture(scope="module")
def states() -> dict[str, tuple[int | None, dict[str, np.ndarray]]]:
    """The state before the first of each segment, of the float64 mode's run."""
    pipeline, state, states = Pipeline(synthetic_checkpoint(CASE), CASE.options, "float64"), CASE.inputs, {}
    for segment in CONTRACT.segments(CASE.dims, CASE.segments):
        states.setdefault(segment.name, (segment.index, state))
        state = pipeline.run(segment.name, segment.index, state)
    return states


def relative(value: np.ndarray, exact: np.ndarray) -> float:
    return float(np.abs(value - exact).max() / max(np.sqrt(np.mean(np.abs(exact) ** 2)), 1e-300))


@cache
def twin_of(stage):
    return twin(lambda: stage(synthetic_checkpoint(CASE), CASE.options["config"], torch.float32))


@pytest.mark.parametrize("name", sorted(SEGMENTS, key=list(MODELS).index))
def test_the_twin_is_the_float64_mode(states, name):
    index, state = states[name]
    pipeline = Pipeline(synthetic_checkpoint(CASE), CASE.options, "float64")
    double = {key: value.astype(np.float64) if value.dtype.kind == "f" else value for key, value in state.items()}

    def run():
        return pipeline.run(name, index, double, observe)

    own = recording(run, [], pipeline.root(name))
    pipeline.model = twin_of(MODELS[name])
    exact = recording(run, [], pipeline.model)
    assert single(pipeline.model) == single(exact) == []
    taps = exact.program.taps
    assert taps.keys() == own.program.taps.keys() and len(taps) > 8
    floats = [tap for tap in taps if exact.values[taps[tap]].dtype.kind in "fc" and exact.values[taps[tap]].size]
    assert max(relative(exact.values[taps[tap]], own.values[own.program.taps[tap]]) for tap in floats) <= 1e-12
    for tap in taps.keys() - set(floats):
        np.testing.assert_array_equal(exact.values[taps[tap]], own.values[own.program.taps[tap]])


def test_a_recorded_segment_is_repeated_bit_for_bit(states):
    pipeline, (index, state) = Pipeline(synthetic_checkpoint(CASE), CASE.options, "float64"), states["wave"]
    run = recording(lambda: pipeline.run("wave", index, state), [], pipeline.root("wave"))
    again = evaluate(run.program, [])
    assert all(np.array_equal(again[number], value, equal_nan=True) for number, value in run.values.items())
