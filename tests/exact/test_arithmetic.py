"""Mathematics and arithmetic together: equal, rounding, device, wrong, and no program."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from rich.console import Console

from parity import contract as contracts
from parity.base.metrics import rmse
from parity.contract import ACCUMULATED, LOCAL, Contract, Rule
from parity.exact.rounding import RUNS, Floors, Rounding
from parity.exact.rounding.standin import rounded
from parity.exact.standin import installed
from parity.judge.arithmetic import DEVICE, EQUAL, MULTIPLE, NO_PROGRAM, ROUNDING, WRONG, in_doubt, settled
from parity.judge.mathematics import Mathematics, absent
from parity.judge.verdict import Verdict, judge
from parity.run.both import Both
from parity.run.exact import Exact
from parity.run.exact_report import ExactReport
from parity.run.report import Report
from parity.run.verify import Verifier
from parity.show.words import show
from tests.meta import toy
from tests.meta.toy import mlx_model


@pytest.fixture(scope="module")
def toy_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.write_checkpoint(tmp_path_factory.mktemp("toy-checkpoint"))


@pytest.fixture(scope="module")
def toy_contract() -> Contract:
    return contracts.load(Path(toy.__file__).with_name("contract.toml"))


RULE = Rule("*", "*", 2.0, 2.0, "test")
EXACT = np.random.default_rng(0).standard_normal(4000)
REFERENCE = EXACT.astype(np.float32)
SAME, OTHER = (Mathematics("tap", "", LOCAL, passed, reason) for passed, reason in ((True, ""), (False, "differs")))


def at(floors: float) -> Verdict:
    """The verdict on a device whose error is so many noise floors."""
    floor = rmse(REFERENCE, EXACT)
    error = floors * floor * np.random.default_rng(1).standard_normal(EXACT.shape)
    return judge("tap", "", LOCAL, RULE, EXACT + error, REFERENCE, EXACT)


@pytest.mark.parametrize(
    ("floors", "mathematics", "own", "word", "passed"),
    [
        (1.0, SAME, math.nan, EQUAL, True),
        (5.0, SAME, 1.5, ROUNDING, True),
        (7.0, SAME, 1.0, DEVICE, False),
        (300.0, SAME, 5.0, DEVICE, False),
        (1.0, OTHER, math.nan, WRONG, False),
        (5.0, OTHER, 5.0, WRONG, False),
        (1.0, None, math.nan, NO_PROGRAM, True),
        (5.0, None, math.nan, NO_PROGRAM, False),
    ],
)
def test_the_word_of_a_tap(floors, mathematics, own, word, passed):
    verdict = at(floors)
    found = settled(verdict, mathematics, own * verdict.floor)
    assert (found.word, found.passed) == (word, passed)
    assert bool(found.reason) != passed
    assert in_doubt(verdict, mathematics) == (word in (ROUNDING, DEVICE))


def test_strict_asks_for_equal_everywhere():
    verdict = at(5.0)
    found = settled(verdict, SAME, 5 * verdict.floor, strict=True)
    assert (found.word, found.passed, found.reason) == (ROUNDING, False, verdict.reason)


@pytest.mark.parametrize(
    ("floors", "own", "word"), [(1.0, math.nan, EQUAL), (12.0, 4.0, ROUNDING), (12.0, 2.0, DEVICE)]
)
def test_a_slice_is_settled_by_the_own_floor_of_its_tap(floors, own, word):
    """One frame of 100 is off: the whole tap is within its bounds, and its own floor answers for the frame."""
    exact, floor = EXACT.reshape(100, 40), rmse(REFERENCE, EXACT)
    error = floor * np.random.default_rng(1).choice([-1.0, 1.0], exact.shape)
    error[17] *= floors
    verdict = judge("tap", "", LOCAL, RULE, exact + error, REFERENCE.reshape(100, 40), exact, axes="t c")
    assert (verdict.slice == ("t", 17, 100)) == in_doubt(verdict, SAME) == (floors > 1)
    found = settled(verdict, SAME, own * verdict.floor)
    assert (found.word, found.passed) == (word, word != DEVICE)


def test_what_is_not_finite_is_no_rounding():
    ours = REFERENCE.copy()
    ours[7] = np.nan
    verdict = judge("tap", "", LOCAL, RULE, ours, REFERENCE, EXACT)
    assert settled(verdict, SAME, 1e9).word == DEVICE


@pytest.mark.parametrize(("margin", "own", "word"), [(30.0, 1.0, ROUNDING), (90.0, 1.0, DEVICE), (90.0, 3.0, ROUNDING)])
def test_a_decision_may_fall_otherwise_within_the_rounding_of_its_values(margin, own, word):
    ours, theirs, margins = np.array([1, 2, 3]), np.array([1, 2, 4]), np.array([500.0, 400.0, margin])
    verdict = judge("tap", "", LOCAL, RULE, ours, theirs, theirs, margins=margins)
    assert not verdict.passed
    assert settled(verdict, SAME, own_source=own).word == word


# The device alone: what is planted below is in MLX's run, and not in the program that the stand-in runs.


def cut(x: mx.array) -> mx.array:
    """To the ten bits that TF32 has."""
    return mx.view(mx.view(mx.contiguous(x), mx.int32) & ~0x1FFF, mx.float32)


DEVICES: dict[str, Callable[[mx.array, mx.array], mx.array]] = {
    "TF32": lambda x, w: cut(x) @ cut(w).T,
    "half": lambda x, w: mx.conv1d(x.astype(mx.float16), w[:, None].astype(mx.float16)).astype(mx.float32),
}


def verified(contract: Contract, folder: Path, strict: bool = False, case: str = "tiny") -> Report:
    loaded = toy.load(case)
    verifier = Verifier(contract, loaded, folder)
    return verifier.run(Both.proven(contract, loaded, folder, strict, lambda message: None).settle)


@pytest.mark.parametrize("device", DEVICES)
def test_a_device_that_computes_with_less_is_named(device, monkeypatch, toy_contract, toy_checkpoint):
    monkeypatch.setattr(mlx_model.MlxMix, "__call__", lambda self, x: DEVICES[device](x, self.weight))
    report = verified(toy_contract, toy_checkpoint)
    assert not report.passed
    created = {v.tap.partition("[")[0] for v in report.verdicts if v.mode == LOCAL and v.word == DEVICE}
    assert {"first", "middle.0.linear", "middle.1.linear", "last"} <= created
    assert not {v.tap for v in report.verdicts if v.word == DEVICE} & {"codes", "embedding", "mu"}
    assert WRONG not in report.words()
    assert "times its own floor" in report.first_failure.reason
    assert report.operation == {"sentence": "first[step=0], at no line that its run in double has as well"}


def test_another_order_of_sums_is_rounding_and_passes(monkeypatch, toy_contract, toy_checkpoint):
    def one_by_one(self: mlx_model.MlxMix, x: mx.array) -> mx.array:
        return sum(x[..., i : i + 1] * self.weight[:, i] for i in range(x.shape[-1]))

    monkeypatch.setattr(mlx_model.MlxMix, "__call__", one_by_one)
    tight = replace(toy_contract, rules=tuple(replace(rule, ratio64=0.3, ratio32=0.3) for rule in toy_contract.rules))
    report = verified(tight, toy_checkpoint)
    assert report.passed
    assert set(report.words()) == {EQUAL, ROUNDING}
    assert {v.mode for v in report.verdicts if v.word == ROUNDING} == {LOCAL, ACCUMULATED}
    assert not verified(tight, toy_checkpoint, strict=True).passed


def test_no_own_floor_is_measured_for_a_port_within_its_bounds(toy_contract, toy_checkpoint):
    report = verified(toy_contract, toy_checkpoint)
    assert report.passed
    assert set(report.words()) == {EQUAL}
    assert "own floors" not in report.seconds


def test_without_a_program_arithmetic_alone_decides(toy_contract, toy_checkpoint):
    for name, passed in (("tiny", True), ("gain", False)):
        case = toy.load(name)
        both = Both(toy_contract, case, toy_checkpoint, {}, "the framework has no double")
        report = Verifier(toy_contract, case, toy_checkpoint).run(both.settle)
        assert report.passed == passed
        assert set(report.words()) == {NO_PROGRAM}
        assert report.as_dict()["program"] == "the framework has no double"


def product(core: Any, x: np.ndarray, w: np.ndarray, turned: int = 0) -> Any:
    """A product with weights quantised in groups of 32; `turned` gives each group the scale of another."""
    packed, scales, biases = core.quantize(core.array(w), group_size=32, bits=8)
    scales = core.concatenate([scales[:, turned:], scales[:, :turned]], axis=1)
    return core.quantized_matmul(core.array(x), packed, scales, biases, group_size=32, bits=8)


def test_a_wrong_quantised_product_is_the_device():
    x, w = (np.random.default_rng(n).standard_normal((20, 128)).astype(np.float32) for n in (1, 2))
    with installed() as core:
        exact = np.asarray(product(core, x, w))
        own = Floors({"": exact})
        for number in range(RUNS):
            with rounded(Rounding("quantised", number)):
                own.add({"": np.asarray(product(core, x, w))})
    right, wrong = (rmse(np.array(product(mx, x, w, turned)), exact) / own.largest()[""] for turned in (0, 1))
    assert 0.1 < right < MULTIPLE
    assert wrong > 100 * MULTIPLE


def test_a_torch_candidate_has_an_own_floor_as_well(toy_contract, toy_checkpoint):
    sides = dict(toy_contract.sides) | {
        "candidate": {"factory": "tests.meta.toy:torch_candidate", "framework": "torch"}
    }
    tight = tuple(replace(rule, ratio64=0.3) for rule in toy_contract.rules)
    report = verified(replace(toy_contract, sides=sides, layouts={}, rules=tight), toy_checkpoint)
    assert report.passed
    assert report.words()[ROUNDING] > 10
    assert {v.mode for v in report.verdicts if v.word == ROUNDING} == {LOCAL, ACCUMULATED}


def test_a_terminal_says_how_many_are_what_and_lists_what_is_rounding(toy_contract, toy_checkpoint):
    tight = tuple(replace(rule, ratio64=0.3) for rule in toy_contract.rules)
    report = verified(replace(toy_contract, rules=tight), toy_checkpoint)
    console = Console(record=True, width=120, file=io.StringIO())
    show(report, console)
    said = console.export_text()
    count = report.words()[ROUNDING]
    assert f"mathematics and arithmetic: {report.words()[EQUAL]} equal, {count} rounding" in said
    assert said.count("rounding: ") == 20
    assert f"... and {count - 20} more of these" in said
    assert "of its own floor, for 4" in said


def test_a_wrong_formula_is_wrong_and_says_both_figures(toy_contract, toy_checkpoint):
    report = verified(toy_contract, toy_checkpoint, case="gain")
    assert {v.tap.partition("[")[0] for v in report.verdicts if v.word == WRONG and v.mode == LOCAL} == {"middle.1"}
    assert DEVICE not in report.words()
    assert "ratio32" in report.first_failure.reason
    assert "in double: differs by" in report.first_failure.reason


def test_what_a_run_in_double_did_not_reach_has_no_program(monkeypatch, toy_contract, toy_checkpoint):
    whole = Exact.run

    def stopped(self: Exact) -> ExactReport:
        report = whole(self)
        report.stopped = "the candidate stopped: mlx.core has no such name"
        reached = ("codes", "mu")
        report.verdicts = [v if v.tap in reached else absent(v.tap, v.mode, report.stopped) for v in report.verdicts]
        return report

    monkeypatch.setattr(Exact, "run", stopped)
    report = verified(toy_contract, toy_checkpoint)
    assert report.passed
    assert report.words() == {EQUAL: 4, NO_PROGRAM: report.expected - 4}
    assert "no such name" in report.program
