"""`parity verify --exact`: a contract's candidate proven in double, the own port and the toy."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from fixtures import cases
from fixtures.cases import flow
from parity import contract as contracts
from parity.base.errors import InputError
from parity.cli import main
from parity.contract import ACCUMULATED, HANDED, LOCAL, Contract
from parity.contract.implementation import Case
from parity.exact.program import NoProgram
from parity.judge.mathematics import BOUND
from parity.run.both import Both
from parity.run.exact import Exact
from parity.run.exact_report import ExactReport
from parity.run.verify import Verifier
from parity.show.exact import show
from tests.meta import toy

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = contracts.load(ROOT / "fixtures" / "contract.toml")
TOY = Path(toy.__file__).with_name("contract.toml")
FLOW_VERDICTS = 3794


@pytest.fixture(scope="module")
def short() -> Case:
    """The tiny flow with two Euler steps and an item shorter than the other, so that there are masks."""
    return flow.build("short", flow.FlowCase("tiny", prompt=3, tokens=(6, 4), steps=2))


def candidate(contract: Contract, factory: str, framework: str = "mlx") -> Contract:
    """The contract with another candidate."""
    sides = {"reference": contract.sides["reference"], "candidate": {"factory": factory, "framework": framework}}
    return replace(contract, sides=sides)


def proven(contract: Contract, case: Case, teacher_forced: bool = False, device: str = "gpu") -> ExactReport:
    checkpoint = cases.synthetic_checkpoint(cases.load("tiny"))
    return Exact(contract, case, checkpoint, teacher_forced=teacher_forced, device=device).run()


@pytest.fixture(scope="module")
def whole() -> ExactReport:
    return proven(CONTRACT, cases.load("tiny"), teacher_forced=True)


def test_the_own_port_is_proven_in_all_stages(whole):
    assert whole.passed
    assert (len(whole.verdicts), whole.expected, whole.failures, whole.amplified) == (5284, 5284, [], [])
    assert dict(whole.places) == {"text": 10, "conditioning": 448, "t3": 564, "flow": 3800, "vocoder": 462}
    assert {verdict.mode for verdict in whole.verdicts} == {LOCAL, ACCUMULATED}
    assert whole.worst.error < BOUND / 10  # rounding of double, which depends on the BLAS: 2e-12 at most has been seen
    assert max(verdict.error for verdict in whole.verdicts if verdict.mode == LOCAL) < BOUND / 100


def test_what_is_equal_in_the_free_run_is_not_run_again(short):
    report = proven(CONTRACT, short)
    assert report.passed
    assert {verdict.mode for verdict in report.verdicts} == {ACCUMULATED}
    assert report.teacher_forced == []
    assert len(report.verdicts) == report.expected


def test_a_segment_that_nobody_judged_fails_the_report(short, monkeypatch):
    judge = Exact._judge

    def forgetful(self, mode, number, start, reference):
        if number + 1 < len(self.segments):
            judge(self, mode, number, start, reference)
        else:
            self.judged[number, mode] = range(0)

    monkeypatch.setattr(Exact, "_judge", forgetful)
    report = proven(CONTRACT, short)
    assert report.failures == []
    assert len(report.verdicts) < report.expected
    assert not report.passed


def test_the_report_says_what_it_rests_on(whole):
    said = json.loads(json.dumps(whole.as_dict()))
    assert (said["schema"], said["kind"], said["passed"], said["failures"]) == (4, "exact", True, 0)
    assert {"numpy", "torch", "mlx", "python"} <= said["environment"].keys()
    assert not any("device" in name for name in said["environment"])
    assert said["worst"]["error"] == whole.worst.error
    assert len(said["verdicts"]) == said["expected_verdicts"]


def test_the_own_ports_way_on_a_cpu_is_proven_in_all_stages():
    report = proven(CONTRACT, cases.load("tiny"), device="cpu")
    assert report.passed and len(report.verdicts) == report.expected == 2663
    assert report.environment["program for"] == "cpu"
    assert report.worst.error < BOUND / 10


@pytest.mark.parametrize(("device", "passed"), [("gpu", True), ("cpu", False)])
def test_a_fault_of_one_device_is_found_where_that_device_is_proven(short, device, passed):
    report = proven(candidate(CONTRACT, "tests.exact.faulty_sides:scale_on_cpu"), short, device=device)
    assert report.passed == passed
    assert passed or report.first_failure.tap == "encoder.encoders.1.feed_forward"


@pytest.mark.parametrize("name", ["tiny-flow-batch", "tiny-vocoder-cache", "tiny-t3-unguided", "tiny-t3-one-letter"])
def test_the_own_port_is_proven_on_other_cases(name):
    report = proven(CONTRACT, cases.load(name))
    assert report.passed
    assert report.worst.error < BOUND / 5


@pytest.mark.parametrize("factory", ["mlx_impl.pipeline:Pipeline", "tests.exact.faulty_sides:scale_on_cpu"])
def test_the_stand_in_leaves_mlx_as_it_was(short, factory):
    """A port whose factory is in another package reaches the own port's modules, and leaves those, too."""
    import mlx.core as mx

    import mlx_impl.pipeline

    before = sys.modules["mlx.core"], sys.modules["mlx_impl.pipeline"]
    assert proven(candidate(CONTRACT, factory), short).passed
    assert (sys.modules["mlx.core"], sys.modules["mlx_impl.pipeline"]) == before
    assert mx.array(1 / 3).item() == np.float32(1 / 3)
    assert mlx_impl.pipeline.Pipeline is before[1].Pipeline


@pytest.mark.parametrize(
    ("factory", "tap", "said"),
    [
        ("epsilon", "encoder.encoders.1.norm_ff", ("eps=1e-12", "reference/encoder.py", "eps=1e-06")),
        ("scale", "encoder.encoders.1.feed_forward", ("feed_forward.w_2.weight", "1.000000001 times")),
        ("narrowed", "encoder.encoders.1.feed_forward", ("dtype=bfloat16", "faulty_sides.py")),
    ],
)
def test_a_planted_fault_is_found_at_its_own_tap(short, factory, tap, said):
    report = proven(candidate(CONTRACT, f"tests.exact.faulty_sides:{factory}"), short)
    assert not report.passed
    assert (report.first_failure.tap, report.first_failure.mode) == (tap, LOCAL)
    assert [verdict.tap for verdict in report.failures if verdict.mode == LOCAL] == [tap]
    free = [verdict.tap for verdict in report.failures if verdict.mode == ACCUMULATED]
    assert free[0] == tap
    (departure,) = report.departures
    assert all(text in departure for text in said), departure
    assert "ode.state[step=1]" in free
    assert len(report.verdicts) == report.expected


def test_a_run_on_a_device_says_the_formulas_where_the_mathematics_is_wrong(short):
    contract = candidate(CONTRACT, "tests.exact.faulty_sides:epsilon")
    checkpoint = cases.synthetic_checkpoint(short)
    both = Both.proven(contract, short, checkpoint, strict=False)
    report = Verifier(contract, short, checkpoint).run(both.settle)
    said = report.diagnosis.sentence()
    assert said.startswith("first wrong: encoder.encoders.1.norm_ff, local; departs: ")
    assert "eps=1e-12" in said and "eps=1e-06" in said
    assert "(reference/encoder.py:" in said
    assert report.diagnosis.findings == []
    assert report.as_dict()["departures"] == report.departures != []


def test_a_candidate_that_stops_has_verdicts_too(short):
    report = proven(candidate(CONTRACT, "tests.exact.faulty_sides:stopping"), short)
    assert not report.passed
    said = (
        r"the candidate stopped in encoder: RuntimeError: out of luck at tests/exact/faulty_sides\.py:\d+, called at "
    )
    assert re.match(said + r"mlx_impl/encoder\.py:\d+", report.stopped)
    everything = {tap.name for segment in CONTRACT.segments(short.dims, short.segments) for tap in segment.taps}
    for mode in (LOCAL, ACCUMULATED):
        assert {v.tap for v in report.verdicts if v.mode == mode and not v.tap.startswith(HANDED)} == everything
    assert report.first_failure.tap == "encoder.encoders.1.self_attn"
    assert sum(v.passed for v in report.verdicts if v.mode == LOCAL) > 80  # the steps have inputs all the same


def test_a_candidate_that_draws_has_no_program(short):
    with pytest.raises(NoProgram, match=r"mx\.random\.normal"):
        proven(candidate(CONTRACT, "tests.exact.faulty_sides:drawing"), short)


TOYS = {
    "mlx": {},
    "torch": {"layouts": {}},
}


def toy_report(case: str, framework: str, folder: Path) -> ExactReport:
    contract = replace(contracts.load(TOY), **TOYS[framework])
    contract = candidate(contract, f"tests.meta.toy:{framework}_candidate", framework)
    return Exact(contract, toy.load(case), toy.write_checkpoint(folder)).run()


@pytest.mark.parametrize("framework", TOYS)
def test_the_toy_is_proven_in_either_framework(tmp_path, framework):
    report = toy_report("full", framework, tmp_path)
    assert report.passed
    assert report.expected == 3 + 1 + 4 * (2 * 6 + 1 + 1)  # each segment hands on one
    assert report.worst.error < 1e-14


def test_the_reference_goes_on_into_the_next_stage_and_each_side_lets_go_of_the_last(tmp_path):
    seen, refining = {"reference": [], "candidate": []}, threading.Event()

    class Watched(Exact):
        def _runner(self, name, dtype):
            runner = super()._runner(name, dtype)
            run, runner.side.release = runner.side.run, lambda: seen[name].append("released")

            def watched(segment, *given):
                if (name, segment) == ("reference", "refine"):
                    refining.set()
                assert segment != "prepare" or name != "candidate" or refining.wait(60)
                seen[name].append(segment)
                return run(segment, *given)

            runner.side.run = watched
            return runner

    contract = candidate(contracts.load(TOY), "tests.meta.toy:mlx_candidate")
    assert Watched(contract, toy.load("full"), toy.write_checkpoint(tmp_path)).run().passed
    for steps in seen.values():
        assert [step for step, _ in groupby(steps)] == ["prepare", "released", "refine", "released"]


@pytest.mark.parametrize("framework", TOYS)
@pytest.mark.parametrize(
    ("fault", "tap", "reason"),
    [
        ("gain", "middle.1[step=0]", "of its RMS"),
        ("nan", "middle.1[step=0]", "NaN or infinite"),
        ("codes", "codes", "1 of 10 values differ"),
        ("transposed", "mu", "shape "),
        ("skip", "mu", "no such tap, or not at this place"),
        ("extra", "surplus", "the reference has no such tap"),
        ("hands on", "handed-on.mu[prepare]", "of its RMS"),
        ("meddles", "handed-on.x[prepare]", "hands it on as it was given"),
        ("keeps", "handed-on.x[refine,step=2]", "does not hand this on"),
        ("order", "codes", "not at this place"),
        ("twice", "embedding[call=1]", "the reference has no such tap"),
    ],
)
def test_every_fault_of_the_toy_is_found(tmp_path, framework, fault, tap, reason):
    report = toy_report(fault, framework, tmp_path)
    assert not report.passed
    assert report.first_failure.tap == tap
    assert reason in report.first_failure.reason


@pytest.mark.parametrize(("side", "framework"), [("candidate", "jax"), ("reference", "mlx")])
def test_a_framework_without_a_double_is_refused(tmp_path, side, framework):
    contract = contracts.load(TOY)
    sides = dict(contract.sides) | {side: {"factory": "tests.meta.toy:mlx_reference", "framework": framework}}
    with pytest.raises(InputError, match=f"the {side}'s framework is '{framework}', expected"):
        Exact(replace(contract, sides=sides), toy.load("tiny"), tmp_path)


Run = Callable[..., int]


@pytest.fixture
def on_toy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs `parity verify --exact` on the toy contract and gives its exit code."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")  # as the command sets it: put back afterwards
    folder = toy.write_checkpoint(tmp_path / "toy")
    start = ["verify", "--exact", "--contract", TOY, "--checkpoint", folder]
    return lambda *arguments: main([str(argument) for argument in (*start, *arguments)])


def test_the_command_passes(on_toy, tmp_path, capsys):
    assert on_toy("--json", tmp_path / "result.json") == 0
    out = capsys.readouterr().out
    assert "PASS all 46 verdicts passed; case tiny in double" in out
    assert "teacher-forced: not needed" in out
    assert json.loads((tmp_path / "result.json").read_text())["kind"] == "exact"


@pytest.mark.parametrize(("count", "more"), [(20, ""), (23, "... and 3 more departures, all in the JSON report")])
def test_departures_that_are_not_shown_are_counted(whole, count, more):
    console = Console(record=True, width=120, file=io.StringIO())
    show(replace(whole, departures=[f"gelu against tanh, {number}" for number in range(count)]), console)
    said = console.export_text()
    assert said.count("departs: ") == 20
    assert more in said
    assert ("more departures" in said) == bool(more)


def test_the_command_fails_and_says_where(on_toy, tmp_path, capsys):
    assert on_toy("--case", "gain", "--json", tmp_path / "result.json") == 1
    out = capsys.readouterr().out
    assert "first wrong: middle.1[step=0,cond], teacher-forced: differs by" in out
    assert " of 88 verdicts failed; case gain in double" in out  # the 4 before the fault were equal
    said = json.loads((tmp_path / "result.json").read_text())
    assert said["first_failure"]["tap"] == "middle.1[step=0]"
    assert said["failures"] == sum(not verdict["passed"] for verdict in said["verdicts"]) > 0


@pytest.mark.parametrize(
    "others",
    [
        ["--precision", "float16"],
        ["--informative"],
        ["--recording", "somewhere"],
        ["--report", "somewhere"],
        ["--history", "somewhere"],
    ],
)
def test_options_of_the_device_are_refused(on_toy, capsys, others):
    assert on_toy(*others) == 2
    assert f"parity: --exact with {others[0]}: " in capsys.readouterr().err


def test_unusable_input_is_refused(on_toy, tmp_path, capsys):
    assert on_toy("--case", "nowhere") == 2
    assert "unknown case 'nowhere'" in capsys.readouterr().err
    (tmp_path / "toy" / toy.WEIGHTS).unlink()
    assert on_toy() == 2


def test_what_reads_ratios_refuses_a_proof(on_toy, tmp_path, capsys):
    assert on_toy("--json", tmp_path / "result.json") == 0
    assert main(["report", str(tmp_path / "result.json"), "--out", str(tmp_path / "page")]) == 2
    assert "a result of kind 'exact'" in capsys.readouterr().err


IN_A_PROCESS = """
import json, os, sys
from parity.cli import main
code = main(["verify", "--exact", "--case", "tiny", "--json", sys.argv[1]])
with open("/proc/self/maps") as maps:
    libraries = sorted({line.split("/")[-1].strip() for line in maps if "mlx" in line})
# Not of getrusage: a process that was forked off a large one begins with that one's.
(line,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
peak = int(line.split()[1]) / 1000
print(json.dumps({"code": code, "libraries": libraries, "peak": peak, "policy": os.environ["OMP_WAIT_POLICY"]}))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc and kilobytes, as Linux has them")
def test_a_process_of_its_own_loads_no_mlx_and_takes_little_memory(tmp_path):
    result = tmp_path / "result.json"
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    command = [sys.executable, "-c", IN_A_PROCESS, str(result)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["code"] == 0
    assert said["libraries"] == []
    assert said["peak"] < 600
    assert said["policy"] == "PASSIVE"
    assert json.loads(result.read_text())["passed"]
