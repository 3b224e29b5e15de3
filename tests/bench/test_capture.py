"""What capture and verdict cost on top of the plain run of both sides: `tox -e bench -- -k capture --size full`.

Counted as plain: each segment of both sides once, nothing looked at. Counted as judged: the same, with every tap of the
reference kept and every tap of the candidate judged by it and by the float64 reference's, which was stored before, as
with a recording. What is kept is in memory, as `parity verify` has it where both sides fit beside each other, or in
mapped files, as where they run in turn. The float64 run and the two teacher-forced runs of `parity verify` are jobs of
their own: `test_whole_verification` has them, too.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from statistics import median

import pytest

from parity.capture.trace import DiskTrace, Trace
from parity.contract import ACCUMULATED, load
from parity.contract.axes import permute
from parity.contract.implementation import make_case, resolve
from parity.judge.snapshots import Gallery
from parity.run.runs import Turn
from parity.run.verify import Verifier

ROUNDS = 5


@pytest.fixture(scope="module")
def verifier(request) -> Verifier:
    contract = load(request.config.getoption("--contract"))
    size = request.config.getoption("--size")
    case = make_case(contract, "full-flow-short" if size == "full" else "tiny-flow")
    checkpoint = request.config.getoption("--checkpoint") or resolve(contract.checkpoints)(case)
    return Verifier(contract, case, Path(checkpoint))


def plain(verifier: Verifier, side: str) -> None:
    """A side's run that nothing looks at."""
    runner, axes = verifier.runs.runners[side], verifier.contract.state
    inputs = verifier.case.inputs
    state = {name: permute(array, axes[name], runner.own_axes(axes[name])) for name, array in inputs.items()}
    for segment in verifier.segments:
        state = runner.side.run(segment.name, segment.index, state, lambda name, value: value)


def begin(verifier: Verifier) -> None:
    verifier.runs.begin()
    verifier.assessment.verdicts.clear()
    verifier.assessment.gallery = Gallery()


@pytest.fixture(scope="module")
def truth(verifier, tmp_path_factory) -> list[DiskTrace]:
    """The float64 reference's taps, a trace for each segment, on disk."""
    traces = [DiskTrace(tmp_path_factory.mktemp("truth") / "trace") for _ in verifier.segments]
    begin(verifier)
    for segment, exact in zip(verifier.segments, traces, strict=True):
        reference: Trace = {}
        verifier.runs.reference(segment, reference)
        verifier.runs.other("exact", Turn(segment, ACCUMULATED, {}, {"reference": reference, "exact": exact}))
        os.fsync(exact.descriptor)  # or the system writes it while others are timed
    return traces


@pytest.mark.parametrize("where", ["memory", "files"])
def test_capture_and_verdict(benchmark, verifier, truth, where):
    seconds: list[float] = []

    def setup():
        began = time.perf_counter()
        for side in ("reference", "candidate"):
            plain(verifier, side)
        seconds.append(time.perf_counter() - began)
        begin(verifier)

    def judged() -> None:
        with tempfile.TemporaryDirectory() as folder:
            for number, (segment, exact) in enumerate(zip(verifier.segments, truth, strict=True)):
                reference: Trace = DiskTrace(Path(folder, str(number))) if where == "files" else {}
                verifier.runs.reference(segment, reference)
                verifier.judge(Turn(segment, ACCUMULATED, {}, {"reference": reference, "exact": exact}))

    benchmark.pedantic(judged, setup=setup, rounds=ROUNDS, warmup_rounds=1)
    verdicts = verifier.report.verdicts
    assert len(verdicts) == verifier.report.expected / 2 and all(verdict.passed for verdict in verdicts)
    alone = median(seconds[1:])
    factor = median(benchmark.stats.stats.data) / alone
    benchmark.extra_info |= {"plain": alone, "factor": factor}
    print(f"judged / plain, kept in {where}: {factor:.3f}, plain {alone:.3f} s, {len(verdicts)} verdicts")


def test_whole_verification(benchmark, verifier):
    """All of `parity verify`: the float64 reference in both ways, and the candidate teacher-forced, too."""
    for side in ("reference", "candidate"):
        plain(verifier, side)
    began = time.perf_counter()
    for side in ("reference", "candidate"):
        plain(verifier, side)
    alone = time.perf_counter() - began
    begin(verifier)
    verifier.report.seconds.clear()
    benchmark.pedantic(verifier.run, rounds=1)
    assert verifier.report.passed
    spent = verifier.report.seconds
    free = spent["reference"] + spent["candidate"]
    factors = {
        "reference and candidate": free,
        "and the candidate teacher-forced": free + spent["candidate, teacher-forced"],
        "and float64, freely and teacher-forced": sum(spent.values()),
    }
    factors = {what: seconds / alone for what, seconds in factors.items()}
    benchmark.extra_info |= {"plain": alone, "factors": factors, "seconds": spent}
    print(f"plain {alone:.3f} s; " + ", ".join(f"{what}: {factor:.2f}" for what, factor in factors.items()))
