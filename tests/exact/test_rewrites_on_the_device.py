"""Correct rewrites of the port, run on MLX: its own operations in place of the port's sums are off by rounding."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from fixtures import cases
from fixtures.cases import flow
from parity import contract as contracts
from parity.contract.implementation import Case
from parity.judge.arithmetic import EQUAL, MULTIPLE, ROUNDING, error_of
from parity.run.both import Both
from parity.run.report import Report
from parity.run.verify import Verifier
from tests.exact.planted.rewrites import IDIOMS, PLAIN_MLX
from tests.exact.planted.source import Fault, planted

CONTRACT = contracts.load(Path(__file__).resolve().parents[2] / "fixtures" / "contract.toml")
CASES: dict[tuple[str, str], Callable[[], Case]] = {
    ("ops.convolution", "tiny"): lambda: flow.build("short", flow.FlowCase("tiny", prompt=3, tokens=(6, 4), steps=2)),
    ("ops.normalization", "tiny"): lambda: flow.build("short", flow.FlowCase("tiny", prompt=3, tokens=(6, 4), steps=2)),
    ("ops.normalization", "tiny-t3"): lambda: cases.load("tiny-t3-one-letter"),
    ("ops.functional", "tiny-conditioning"): lambda: cases.load("tiny-conditioning"),
}
"""By module and the rewrite's case: a shorter case that reaches it."""


@contextmanager
def imported_with(faults: Sequence[Fault]) -> Iterator[None]:
    """Inside, the port's modules are imported anew, with other source text."""
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "mlx_impl"}
    for name in before:
        del sys.modules[name]
    try:
        with planted(faults):
            yield
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "mlx_impl"]:
            del sys.modules[name]
        sys.modules.update(before)


def verified(case: Case, faults: Sequence[Fault]) -> Report:
    """Both verdicts on the port with these changes."""
    checkpoint = cases.synthetic_checkpoint(case)
    with imported_with(faults):
        both = Both.proven(CONTRACT, case, checkpoint, False, lambda message: None)
        return Verifier(CONTRACT, case, checkpoint).run(both.settle)


@pytest.mark.parametrize(("module", "case"), CASES)
def test_plain_mlx_is_at_most_rounding(module, case):
    plain = [rewrite for rewrite in PLAIN_MLX if (rewrite.module, rewrite.case) == (f"mlx_impl.{module}", case)]
    assert plain
    report = verified(CASES[module, case](), plain)
    assert report.passed
    assert set(report.words()) <= {EQUAL, ROUNDING}
    for verdict in report.verdicts:
        if verdict.word == ROUNDING:
            assert max(verdict.ratio64, verdict.ratio32) > 1
            assert error_of(verdict) < 0.5 * MULTIPLE * verdict.own


@pytest.mark.parametrize("case", sorted({rewrite.case for rewrite in IDIOMS}))
def test_idioms_are_at_most_rounding(case):
    """All of a case at once: none of them may differ in double, nor be off by more than rounding together."""
    report = verified(cases.load(case), [rewrite for rewrite in IDIOMS if rewrite.case == case])
    assert report.passed
    assert set(report.words()) <= {EQUAL, ROUNDING}
