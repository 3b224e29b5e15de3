"""parity.capture: capturing changes no bit of a run, grafting changes it as told, all in the reference's axes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from parity.base.errors import InputError
from parity.capture.runner import Runner
from parity.capture.trace import keep
from parity.contract import Tap
from parity.contract.axes import permute
from parity.contract.implementation import make_side
from tests.meta import toy

SIDES = ["reference", "candidate"]
Subject = Callable[[str, str], tuple[Runner, Any]]


@pytest.fixture(scope="session")
def subject(toy_contract, toy_checkpoint, flow_contract, short_case, tiny_checkpoint) -> Subject:
    """A fresh side and its case: of the toy model, or of the flow of Chatterbox."""

    def make(name: str, side: str, case: str = "tiny") -> tuple[Runner, Any]:
        contract, checkpoint = {"toy": (toy_contract, toy_checkpoint), "flow": (flow_contract, tiny_checkpoint)}[name]
        what = toy.load(case) if name == "toy" else short_case
        return Runner(contract, side, make_side(contract, side, checkpoint, what, "float32")), what

    return make


def bits(state: dict[str, np.ndarray]) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    return {name: (array.dtype.str, array.shape, array.tobytes()) for name, array in state.items()}


def plain_run(runner: Runner, case: Any) -> list[dict[str, np.ndarray]]:
    """The states that the side leaves when nothing looks at it, in the reference's axes."""
    contract, states = runner.contract, []
    axes = contract.state
    state = {k: permute(v, axes[k], runner.own_axes(axes[k])) for k, v in case.inputs.items()}
    for segment in contract.segments(case.dims, case.segments):
        state = runner.side.run(segment.name, segment.index, state, lambda name, value: value)
        states.append({k: permute(v, runner.own_axes(axes[k]), axes[k]) for k, v in state.items()})
    return states


def captured_run(runner: Runner, case: Any, grafts: list[dict[str, np.ndarray]] | None = None):
    """The states and the traces of a run that is looked at."""
    states, traces, state = [], [], case.inputs
    for position, segment in enumerate(runner.contract.segments(case.dims, case.segments)):
        trace: dict[str, np.ndarray] = {}
        state = runner.run(segment, state, keep(trace), grafts[position] if grafts else None)
        states.append(state)
        traces.append(trace)
    return states, traces


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", ["toy", "flow"])
def test_looking_changes_no_bit(subject, name, side):
    runner, case = subject(name, side)
    plain = [bits(state) for state in plain_run(runner, case)]
    states, traces = captured_run(runner, case)
    assert [bits(state) for state in states] == plain
    assert [len(trace) for trace in traces] == [len(s.taps) for s in runner.contract.segments(case.dims, case.segments)]
    again, _ = captured_run(runner, case, grafts=traces)
    assert [bits(state) for state in again] == plain, "its own values teacher-forced are no change"
    assert [bits(state) for state in plain_run(runner, case)] == plain, "nothing stays behind"


def test_the_detector_of_observer_effects_rejects(subject, monkeypatch):
    runner, case = subject("toy", "candidate")
    plain = [bits(state) for state in plain_run(runner, case)]
    instrument = runner.adapter.instrument

    def disturbing(model, paths, on_value, *calls):
        return instrument(model, paths, lambda path, value: on_value(path, value) * (1 + 2.0**-20), *calls)

    monkeypatch.setattr(runner.adapter, "instrument", disturbing)
    states, _ = captured_run(runner, case)
    assert [bits(state) for state in states] != plain


@pytest.mark.parametrize("side", SIDES)
def test_both_sides_are_seen_in_the_references_axes(subject, side):
    runner, case = subject("toy", side)
    states, traces = captured_run(runner, case)
    shapes = {name: array.shape for trace in traces[:2] for name, array in trace.items()}
    assert shapes == {
        "codes": (2, 5),
        "embedding": (2, 5, 8),
        "mu": (2, 8, 5),
        "first[step=0]": (4, 8, 5),
        "middle.0.linear[step=0]": (4, 5, 8),
        "middle.0[step=0]": (4, 8, 5),
        "middle.1.linear[step=0]": (4, 5, 8),
        "middle.1[step=0]": (4, 8, 5),
        "last[step=0]": (4, 8, 5),
        "refine.state[step=0]": (2, 8, 5),
    }
    np.testing.assert_array_equal(traces[1]["refine.state[step=0]"], states[1]["x"])


@pytest.mark.parametrize("side", SIDES)
def test_a_value_overwritten_later_is_kept_as_it_was(subject, side):
    runner, case = subject("toy", side)
    _, traces = captured_run(runner, case)
    assert (traces[1]["middle.0.linear[step=0]"] < 0).any()  # PyTorch's side applies its ReLU in place


@pytest.mark.parametrize("side", SIDES)
def test_the_run_goes_on_with_the_grafted_value(subject, side):
    runner, case = subject("toy", side)
    states, traces = captured_run(runner, case)
    segment = runner.contract.segments(case.dims, case.segments)[1]
    zeros = {"middle.1[step=0]": np.zeros_like(traces[1]["middle.1[step=0]"])}
    trace: dict[str, np.ndarray] = {}
    left = runner.run(segment, states[0], keep(trace), forced=zeros)
    before, after = ["first", "middle.0", "middle.1"], ["last", "refine.state"]
    for name in before:  # a block's own output is visited, not what is teacher-forced in its place
        np.testing.assert_array_equal(trace[f"{name}[step=0]"], traces[1][f"{name}[step=0]"])
    assert not trace["last[step=0]"].any()
    np.testing.assert_array_equal(left["x"], case.inputs["x"])
    assert all(traces[1][f"{name}[step=0]"].any() for name in after)
    assert not zeros["middle.1[step=0]"].any(), "the graft itself is never written to"


@pytest.mark.parametrize("side", SIDES)
def test_the_graft_is_in_the_references_axes(subject, side):
    runner, case = subject("toy", side)
    states, _ = captured_run(runner, case)
    segment = runner.contract.segments(case.dims, case.segments)[1]
    forced = {"refine.state[step=0]": np.arange(80, dtype=np.float32).reshape(2, 8, 5)}
    left = runner.run(segment, states[0], lambda tap, array: None, forced=forced)
    np.testing.assert_array_equal(left["x"], forced["refine.state[step=0]"])


def visited(runner: Runner, case: Any) -> list[Tap]:
    taps: list[Tap] = []
    runner.run(runner.contract.segments(case.dims, case.segments)[0], case.inputs, lambda tap, array: taps.append(tap))
    return taps


def test_repeated_calls_are_told_apart(subject):
    taps = visited(*subject("toy", "candidate", "twice"))
    assert [tap.name for tap in taps] == ["codes", "embedding", "embedding[call=1]", "mu"]


def test_undeclared_values_are_visited_too(subject):
    taps = visited(*subject("toy", "candidate", "extra"))
    assert [tap.name for tap in taps] == ["codes", "embedding", "surplus", "mu"]


def test_a_state_without_declared_axes_is_refused(subject):
    runner, case = subject("toy", "reference")
    runner.contract = replace(runner.contract, state={"tokens": "b t", "x": "b c t"})
    with pytest.raises(InputError, match=r"\[state\] lacks the axes of mu"):
        visited(runner, case)


def test_a_module_at_two_paths_is_as_it_was_behind_the_run():
    from parity.capture import mlx as capture

    class Shared(capture.nn.Module):
        def __call__(self, x: Any) -> Any:
            return x + 1

    class Twice(capture.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = self.other = Shared()

        def __call__(self, x: Any) -> Any:
            return self.other(self.one(x))

    model, seen = Twice(), []
    for _ in range(2):
        with capture.instrument(model, ["one", "other"], lambda path, value: seen.append(path) or value):
            assert model(1) == 3
    assert seen == ["one", "other"] * 4
    assert "__call__" in vars(Shared) and type(model.one) is Shared
