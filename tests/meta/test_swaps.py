"""Stages in turn and crossed, and discrete decisions: the same verdicts either way, each fault with its own stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn
import numpy as np
import pytest
import torch

from parity import contract as contracts
from parity.base.errors import InputError
from parity.contract import ACCUMULATED, LOCAL
from parity.contract.implementation import Case, State
from parity.run.verify import Verifier
from tests.meta import toy

SWAP = {"stages": ["prepare", "refine"], "tap": "refine.state", "state": "x"}


def test_sides_in_turn_give_the_verdicts_that_sides_beside_each_other_do(toy_contract, verify_toy):
    for case in ("tiny", "gain", "codes", "extra"):
        together = verify_toy(case)
        for stages in (("prepare", "refine"), ("refine",)):
            in_turn = verify_toy(case, replace(toy_contract, in_turn=stages))
            ours, theirs = (sorted(repr(v) for v in report.verdicts) for report in (in_turn, together))
            assert ours == theirs
            assert in_turn.passed == together.passed


def test_sides_in_turn_are_released_before_the_next(toy_contract, toy_checkpoint):
    order = []
    verifier = Verifier(replace(toy_contract, in_turn=("refine",)), toy.load("tiny"), toy_checkpoint)
    for name in ("reference", "exact", "candidate"):
        side = verifier.runs.runners[name].side
        run = side.run
        side.run = lambda *given, name=name, run=run: (order.append(name), run(*given))[1]
        side.release = lambda name=name: order.append(f"{name} released")
    verifier.run()
    released = [f"{name} released" for name in ("reference", "exact", "candidate")]
    assert order[:8] == ["reference", "exact", "candidate", "exact", "candidate", *released]
    turns = [step for step, before in zip(order[8:], order[7:], strict=False) if step != before]
    assert turns == ["reference", released[0], "exact", released[1], "candidate", released[2], *released]


def failed_mixes(report) -> set[tuple[str, ...]]:
    return {tuple(swap.sides.values()) for swap in report.swaps if not swap.verdict.passed}


@pytest.mark.parametrize(
    ("case", "faulty"),
    [("tiny", set()), ("gain", {"refine"}), ("codes", {"prepare"}), ("nan", {"refine"})],
)
def test_a_mix_fails_with_whoevers_stage_is_wrong(toy_contract, verify_toy, case, faulty):
    report = verify_toy(case, replace(toy_contract, swap=SWAP))
    assert len(report.swaps) == 4
    expected = {
        tuple(sides.values())
        for sides in (
            {"prepare": a, "refine": b} for a in ("reference", "candidate") for b in ("reference", "candidate")
        )
        if any(sides[stage] == "candidate" for stage in faulty)
    }
    assert failed_mixes(report) == expected
    assert report.passed == (not faulty)
    assert replace(report, verdicts=verify_toy("tiny").verdicts).passed == (not faulty)


def test_a_case_of_some_segments_is_not_mixed(toy_contract, toy_checkpoint):
    case = replace(toy.load("tiny"), segments=("prepare",))
    report = Verifier(replace(toy_contract, swap=SWAP), case, toy_checkpoint).run()
    assert report.passed
    assert report.swaps == []
    assert {v.tap for v in report.verdicts} == {"codes", "embedding", "mu", "handed-on.mu[prepare]"}


# A side that rounds: `values` are 1000 x, `codes` their nearest integers, `out` what follows of them.

VALUES = np.array([[1.2, 2.5 + 1e-8, 7.9, -3.4]], np.float64)
NEAR, FAR = (0, 1), (0, 2)
CONTRACT = """
cases = "tests.meta.test_swaps:case"
checkpoints = "tests.meta.test_swaps:case"
[sides.reference]
factory = "tests.meta.test_swaps:TorchSide"
framework = "torch"
[sides.candidate]
factory = "tests.meta.test_swaps:MlxSide"
framework = "mlx"
[state]
x = "b t"
[[segment]]
name = "decide"
taps = [["a.values", "b t"], ["a.codes", "b t"], ["out", "b t"]]
[[decision]]
pattern = "a.codes"
of = "values"
margin = "tests.meta.test_swaps:margin"
[[rule]]
pattern = "*"
mode = "*"
ratio64 = 2.0
ratio32 = 2.0
why = "default"
"""


def margin(case: Case, tap: contracts.Tap, values: np.ndarray) -> np.ndarray:
    return np.abs(np.abs(values - np.floor(values)) - 0.5)


class TorchSide:
    def __init__(self, checkpoint: Path, options: Mapping[str, Any], dtype: str):
        self.dtype = getattr(torch, dtype)

    def root(self, segment: str) -> torch.nn.Module:
        return torch.nn.Module()

    def release(self) -> None: ...

    def run(self, segment: str, index: int | None, state: State, observe: Callable[[str, Any], Any]) -> State:
        values = observe("a.values", torch.from_numpy(np.array(state["x"])).to(self.dtype) * 1000)
        codes = observe("a.codes", torch.round(values).long())
        return {"x": observe("out", codes.to(self.dtype) * 0.1).numpy()}


class MlxSide(TorchSide):
    def __init__(self, checkpoint: Path, options: Mapping[str, Any], dtype: str):
        self.flipped = options["flipped"]

    def root(self, segment: str) -> mlx.nn.Module:
        return mlx.nn.Module()

    def run(self, segment: str, index: int | None, state: State, observe: Callable[[str, Any], Any]) -> State:
        values = observe("a.values", mx.array(state["x"].astype(np.float32)) * 1000)
        codes = np.array(mx.round(values).astype(mx.int32))
        for where in self.flipped:
            codes[where] += 1 if where == FAR else 1 - 2 * (codes[where] - 2)  # 2 <-> 3 of 2.5
        codes = observe("a.codes", mx.array(codes))
        return {"x": np.array(observe("out", codes.astype(mx.float32) * 0.1))}


def decide(tmp_path, *flipped: tuple[int, int], text: str = CONTRACT):
    file = tmp_path / "contract.toml"
    file.write_text(text)
    case = Case("decide", {}, {"x": VALUES / 1000}, {"flipped": flipped})
    return Verifier(contracts.load(file), case, tmp_path).run()


def test_equal_decisions_pass_with_their_margin(tmp_path):
    report = decide(tmp_path)
    assert [v.label for v in report.failures] == []
    codes = report.select("a.codes")
    assert all(v.margin < 10 for v in codes)
    assert [v.tap for v in report.decisions] == ["a.codes", "a.codes"]


def test_a_tie_passes_and_what_follows_goes_on_with_the_references_decision(tmp_path):
    report = decide(tmp_path, NEAR)
    assert [v.label for v in report.failures] == []
    assert {v.ties for v in report.select("a.codes")} <= {0, 1}
    assert sum(v.ties for v in report.select("a.codes")) >= 1
    assert report.as_dict()["ties"] >= 1


def test_a_flip_far_from_the_threshold_fails_and_is_accumulated(tmp_path):
    report = decide(tmp_path, NEAR, FAR)
    assert report.first_failure.tap == "a.codes"
    assert "1 decided otherwise" in report.first_failure.reason
    assert [(v.tap, v.mode) for v in report.failures] == [
        ("a.codes", LOCAL),
        ("a.codes", ACCUMULATED),
        ("out", ACCUMULATED),
        ("handed-on.x[decide]", ACCUMULATED),
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('of = "values"', 'of = "nothing"', "a.codes is decided on 'a.nothing', expected an earlier tap"),
        ('of = "values"\n', "", r"\[\[decision\]\] lacks of"),
        (
            '["a.values", "b t"], ["a.codes", "b t"]',
            '["a.codes", "b t"], ["a.values", "b t"]',
            "expected an earlier tap",
        ),
    ],
)
def test_a_decision_on_nothing_is_refused(tmp_path, old, new, message):
    assert CONTRACT.count(old) == 1
    with pytest.raises(InputError, match=message):
        decide(tmp_path, text=CONTRACT.replace(old, new))


def test_loops_from_one_dimension_to_another(toy_contract):
    entry = dict(toy_contract.outline[1]) | {"each": ["first", "last"]}
    contract = replace(toy_contract, outline=(entry,))
    labels = [segment.label for segment in contract.segments({"first": 1, "last": 3, "depth": 2})]
    assert labels == ["refine[step=1]", "refine[step=2]"]
    assert contract.segments({"first": 2, "last": 2, "depth": 2}) == []
