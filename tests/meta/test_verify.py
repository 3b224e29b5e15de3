"""parity.run.verify: a clean pair passes, each fault fails where it is, and what should not be judged is not judged."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from dataclasses import replace

import mlx.core as mx
import numpy as np
import pytest

import parity.run.runs
from parity import contract as contracts
from parity.base import npy
from parity.base.errors import InputError
from parity.base.metrics import rmse
from parity.capture.runner import Runner, adapter
from parity.capture.trace import keep
from parity.contract import ACCUMULATED, LOCAL
from parity.contract.implementation import make_side
from parity.run.report import Report
from parity.run.verify import Verifier
from tests.meta import toy
from tests.meta.conftest import TOY


@pytest.fixture(scope="module")
def report(verify_toy) -> Callable[[str], Report]:
    """The report of a case of the toy contract, made once."""
    reports: dict[str, Report] = {}

    def report(name: str) -> Report:
        if name not in reports:
            reports[name] = verify_toy(name)
        return reports[name]

    return report


def failed(report: Report, mode: str) -> list[str]:
    return [verdict.label for verdict in report.failures if verdict.mode == mode]


def both(name: str, step: int) -> list[str]:
    return [f"{name}[step={step},cond]", f"{name}[step={step},uncond]"]


@pytest.mark.parametrize(("case", "steps"), [("tiny", 3), ("full", 4)])
def test_a_clean_pair_passes_with_every_verdict(report, case, steps):
    clean = report(case)
    split, whole = 2 * (1 + 2 * toy.DEPTH + 1), 1  # first, two taps a block, last: each in two branches; the state
    assert len(clean.verdicts) == clean.expected == 2 * (3 + 1 + steps * (split + whole + 1))  # each hands on one
    assert clean.passed
    assert clean.first_failure is None
    assert clean.segments == ["prepare"] + [f"refine[step={step}]" for step in range(steps)]
    assert len({(v.label, v.mode) for v in clean.verdicts}) == clean.expected
    assert {v.mode for v in clean.verdicts} == {LOCAL, ACCUMULATED}


def test_verdicts_come_in_execution_order(report):
    labels = [v.label for v in report("tiny").verdicts if v.mode == ACCUMULATED]
    assert labels[:3] == ["codes", "embedding", "mu"]
    assert labels[3] == "handed-on.mu[prepare]"
    assert labels[4:8] == both("first", 0) + both("middle.0.linear", 0)
    assert labels[16:20] == ["refine.state[step=0]", "handed-on.x[refine,step=0]"] + both("first", 1)


def test_the_toy_is_not_trivial(report):
    judged = [v for v in report("tiny").verdicts if v.tap not in ("codes", "embedding", "mu", "handed-on.mu[prepare]")]
    assert all(v.reference_rms > 0.1 for v in judged)
    assert any(v.ratio32 > 0 for v in judged)


def test_a_fault_is_local_where_it_is_and_accumulates_downstream(report):
    broken = report("gain")
    assert not broken.passed
    assert failed(broken, LOCAL) == [label for step in range(3) for label in both("middle.1", step)]
    first_step = [*both("middle.1", 0), *both("last", 0), "refine.state[step=0]", "handed-on.x[refine,step=0]"]
    accumulated = failed(broken, ACCUMULATED)
    assert accumulated[: len(first_step)] == first_step
    assert accumulated[len(first_step) : len(first_step) + 2] == both("first", 1)
    assert broken.first_failure.label == "middle.1[step=0,cond]"
    assert broken.first_failure.mode == LOCAL
    assert broken.first_failure.gain == pytest.approx(1.001, rel=1e-6)


def test_the_floor_of_a_local_error_is_that_of_the_block_alone(report, toy_contract, toy_checkpoint):
    case = toy.load("tiny")
    reference = Runner(toy_contract, "reference", make_side(toy_contract, "reference", toy_checkpoint, case, "float32"))
    state, trace = case.inputs, {}
    for segment in toy_contract.segments(case.dims, case.segments):
        state = reference.run(segment, state, keep(trace))
    weight = npy.read(toy_checkpoint / toy.WEIGHTS)[-1].astype(np.float64)
    floors = {}
    for step in range(3):
        exact = weight @ trace[f"middle.1[step={step}]"].astype(np.float64)
        last = trace[f"last[step={step}]"]
        floors |= {
            (step, name): rmse(last[part], exact[part]) for name, part in (("cond", np.s_[:2]), ("uncond", np.s_[2:]))
        }
    for mode in (LOCAL, ACCUMULATED):
        found = {(int(v.tap[-2]), v.branch): v.floor for v in report("tiny").select("last", mode)}
        assert (found == pytest.approx(floors, rel=1e-6)) == (mode == LOCAL)


def test_nan_fails_where_it_appears_and_downstream(report):
    broken = report("nan")
    assert broken.first_failure.label == "middle.1[step=0,cond]"
    assert failed(broken, LOCAL) == [label for step in range(3) for label in both("middle.1", step)]
    assert "refine.state[step=2]" in failed(broken, ACCUMULATED)
    assert all(v.nonfinite for v in broken.failures)


def test_a_wrong_integer_fails(report):
    broken = report("codes")
    assert failed(broken, LOCAL) == ["codes"]
    assert failed(broken, ACCUMULATED)[:3] == ["codes", "embedding", "mu"]
    assert broken.first_failure.reason == "1 unequal values"


@pytest.mark.parametrize(
    ("case", "label", "reason"),
    [
        ("transposed", "mu", "shape (2, 5, 8), expected (2, 8, 5)"),
        ("skip", "mu", "the candidate has no such tap"),
        ("extra", "surplus", "the reference has no such tap"),
        ("twice", "embedding[call=1]", "the reference has no such tap"),
    ],
)
def test_what_is_not_as_declared_fails_in_both_runs(report, case, label, reason):
    broken = report(case)
    assert not broken.passed
    assert failed(broken, ACCUMULATED) == [label]
    assert failed(broken, LOCAL)[0] == label
    assert all(v.reason.startswith(reason) for v in broken.failures)
    assert broken.first_failure.tap == label


HANDED_ON = {
    "hands on": ("handed-on.mu[prepare]", "ratio32"),
    "meddles": ("handed-on.x[prepare]", "the reference does not hand this on, or hands it on as it was given"),
    "keeps": ("handed-on.x[refine,step=2]", "the candidate does not hand this on"),
}


@pytest.mark.parametrize(("case", "label", "reason"), [(case, *said) for case, said in HANDED_ON.items()])
def test_what_a_segment_hands_on_is_judged_though_no_tap_is_wrong(report, case, label, reason):
    broken = report(case)
    assert failed(broken, LOCAL) == [label]
    assert failed(broken, ACCUMULATED)[0] == label
    assert broken.first_failure.reason.startswith(reason)
    assert f"first wrong: {label}, local" in broken.diagnosis.sentence()


@pytest.mark.parametrize(("case", "surplus"), [("skip", 0), ("extra", 2), ("twice", 2)])
def test_the_count_is_the_contracts_and_not_the_runs(report, case, surplus):
    assert report(case).expected == report("tiny").expected
    assert len(report(case).verdicts) == report("tiny").expected + surplus


def test_taps_in_another_order_fail(report):
    broken = report("order")
    reasons = [(v.label, v.reason.partition(",")[0]) for v in broken.failures if v.mode == ACCUMULATED]
    assert reasons == [("codes", "the candidate has no such tap"), ("codes", "the reference has no such tap")]


def test_a_run_without_all_its_verdicts_does_not_pass(report):
    clean = report("tiny")
    assert not replace(clean, verdicts=clean.verdicts[:-1]).passed
    assert not replace(clean, verdicts=[*clean.verdicts, clean.verdicts[-1]]).passed
    assert not replace(clean, verdicts=[], expected=0).passed


def test_a_segment_that_is_not_run_fails(toy_contract, toy_checkpoint):
    verifier = Verifier(toy_contract, toy.load("tiny"), toy_checkpoint)
    verifier.segments.pop()
    report = verifier.run()
    assert not report.failures
    assert not report.passed


def test_the_report_as_data(report):
    data = report("extra").as_dict()  # an undeclared tap has bounds of 0 and no numbers
    assert (data["passed"], data["expected_verdicts"], data["failures"], len(data["verdicts"])) == (False, 92, 2, 94)
    assert data["first_failure"]["tap"] == "surplus"
    assert data["first_failure"]["headroom"] == 0
    assert {"torch", "mlx", "mlx blas"} <= data["environment"].keys()


def test_selecting_verdicts(report):
    clean = report("tiny")
    assert [v.label for v in clean.select("refine.state", LOCAL)] == [f"refine.state[step={n}]" for n in range(3)]
    assert len(clean.select()) == clean.expected


def test_the_flow_passes(flow_contract, short_case, tiny_checkpoint):
    report = Verifier(flow_contract, short_case, tiny_checkpoint).run()
    assert [v.label for v in report.failures] == []
    assert report.passed
    assert len(report.verdicts) == 2 * (42 + 5 + 2 * (2 * 91 + 2 + 1))


@pytest.mark.parametrize("framework", ["torch", "mlx"])
@pytest.mark.parametrize("case", ["tiny", "gain"])
def test_any_two_sides_will_do(toy_checkpoint, tmp_path, framework, case):
    # Both of one framework and of one layout, which for MLX is channels-last.
    text = TOY.read_text().replace('"b c t" = "b t c"\n', "").replace('"g c t" = "g t c"\n', "")
    other = {"torch": "mlx", "mlx": "torch"}[framework]
    text = text.replace(f'framework = "{other}"', f'framework = "{framework}"').replace(f":{other}_", f":{framework}_")
    what = toy.load(case)
    if framework == "mlx":
        text = text.replace('"b c t"', '"b t c"').replace('"g c t"', '"g t c"')
        what = replace(what, inputs=what.inputs | {"x": what.inputs["x"].swapaxes(1, 2)})
    file = tmp_path / "contract.toml"
    file.write_text(text)
    with mx.stream(mx.cpu):  # GPUs have no float64
        report = Verifier(contracts.load(file), what, toy_checkpoint).run()
    assert len(report.verdicts) == 92
    assert report.passed == (case == "tiny")
    if case == "gain":
        assert report.first_failure.label == "middle.1[step=0,cond]"


def round_mantissa(array: np.ndarray, bits: int) -> np.ndarray:
    """float32 with only `bits` bits of mantissa, as TF32 (10) and bfloat16 (7) keep."""
    drop = 23 - bits
    raw = np.ascontiguousarray(array, dtype=np.float32).view(np.uint32)
    return ((raw + (1 << (drop - 1))) >> drop << drop).astype(np.uint32).view(np.float32)


@pytest.mark.parametrize("bits", [10, 7], ids=["TF32", "bfloat16"])
@pytest.mark.parametrize("operation", ["matmul", "conv1d", "attention"])
@pytest.mark.parametrize("framework", ["torch", "mlx"])
def test_no_verdict_without_float32(toy_contract, toy_checkpoint, monkeypatch, framework, operation, bits):
    module = adapter(framework)
    operations = module.probe()
    exact = operations[operation]
    operations[operation] = lambda *arrays: exact(*(round_mantissa(array, bits) for array in arrays))
    monkeypatch.setattr(module, "probe", lambda: operations)
    with pytest.raises(
        InputError, match=rf"capture\.{framework}: float32 is not float32 here.* {operation} "
    ) as caught:
        Verifier(toy_contract, toy.load("tiny"), toy_checkpoint)
    assert "MLX_ENABLE_TF32=0" in str(caught.value)


def test_an_operation_that_gives_nan_is_not_float32(toy_contract, toy_checkpoint, monkeypatch):
    module = adapter("mlx")
    operations = module.probe()
    monkeypatch.setattr(module, "probe", lambda: operations | {"matmul": lambda a, b: a @ b * np.float32("nan")})
    with pytest.raises(InputError, match="matmul nan"):
        Verifier(toy_contract, toy.load("tiny"), toy_checkpoint)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('["mu", "b c t"]', '["mu", "b c t"], ["nu", "b t"]', r"missing \['nu'\], not declared \[\]"),
        (', ["mu", "b c t"]', "", r"missing \[\], not declared \['mu'\]"),
        ('["codes", "b t"], ["embedding", "b t c"]', '["embedding", "b t c"], ["codes", "b t"]', "another order"),
        ('["codes", "b t"]', '["codes", "b t c"]', r"codes has shape \(2, 5\), declared with axes 'b t c'"),
        ('factory = "tests.meta.toy:torch_reference"', 'factory = "tests.meta.nowhere:side"', "cannot be loaded"),
        ('factory = "tests.meta.toy:torch_reference"', 'factory = "tests.meta.toy:nobody"', "cannot be loaded"),
        ('pattern = "*"', 'pattern = "mu"', "no rule matches tap codes"),
    ],
)
def test_a_contract_that_the_reference_does_not_keep_is_refused(verify_toy, tmp_path, old, new, message):
    text = TOY.read_text()
    assert text.count(old) == 1
    file = tmp_path / "contract.toml"
    file.write_text(text.replace(old, new))
    with pytest.raises(InputError, match=message):
        verify_toy("tiny", contracts.load(file))


@pytest.mark.parametrize(("side", "whose"), [("reference", "the reference"), ("exact", "the float64 reference")])
@pytest.mark.parametrize(("fault", "detail"), [("skip", "missing .'mu'."), ("extra", "not declared .'surplus'.")])
def test_a_reference_that_does_not_keep_the_contract_is_refused(
    toy_contract, toy_checkpoint, side, whose, fault, detail
):
    verifier = Verifier(toy_contract, toy.load("tiny"), toy_checkpoint)
    verifier.runs.runners[side].side.fault = fault
    with pytest.raises(InputError, match=rf"{whose} does not give the taps .* segment prepare: .*{detail}"):
        verifier.run()


def test_only_one_segments_values_are_held(toy_contract, toy_checkpoint, monkeypatch):
    held: list[weakref.ref[np.ndarray]] = []
    keep = parity.run.runs.keep

    def counted(trace, wanted=None):
        visit = keep(trace, wanted)

        def visit_and_count(tap, array):
            held.append(weakref.ref(array))
            visit(tap, array)

        return visit_and_count

    monkeypatch.setattr(parity.run.runs, "keep", counted)
    gc.disable()
    try:
        Verifier(toy_contract, toy.load("tiny"), toy_checkpoint).run()
        alive = [reference for reference in held if reference() is not None]
    finally:
        gc.enable()
    assert len(held) == 3 * (3 + 3 * 7 + 4)  # taps, and what segments hand on: of the reference, and of exact twice
    assert not alive


def test_a_candidate_that_stops_fails_where_it_stopped(toy_contract, toy_checkpoint, monkeypatch):
    verifier = Verifier(toy_contract, toy.load("tiny"), toy_checkpoint)
    right = verifier.runs.runners["candidate"].side.run

    def stopping(segment, index, state, observe):
        if segment == "refine" and index == 1:
            raise ValueError("no numbers")
        return right(segment, index, state, observe)

    monkeypatch.setattr(verifier.runs.runners["candidate"].side, "run", stopping)
    report = verifier.run()
    assert not report.passed
    assert "[step=1]" in report.first_failure.tap
    assert "the candidate stopped in refine[step=1]: ValueError: no numbers" in report.first_failure.reason
    assert report.diagnosis.families == ["taps"]
    later = [verdict for verdict in report.select(mode=ACCUMULATED) if "[step=2]" in verdict.tap]
    assert later
    assert not any(verdict.passed for verdict in later)


def test_a_failed_run_is_diagnosed(verify_toy):
    report = verify_toy("gain")
    assert report.diagnosis.first is report.first_failure
    assert report.diagnosis.findings[0].family == "gain"
    assert report.as_dict()["diagnosis"]["sentence"].startswith("first wrong: middle.1[step=0,cond], local")
    assert report.diagnosis.growth
    assert report.diagnosis.fed
    assert verify_toy("tiny").diagnosis is None


def test_what_judges_the_end_of_a_run_is_there_before_it_begins(toy_contract, toy_checkpoint):
    contract = replace(toy_contract, outcome="tests.meta.toy.torch_model:no_such_judge")
    with pytest.raises(InputError, match="no_such_judge': cannot be loaded"):
        Verifier(contract, toy.load("tiny"), toy_checkpoint)
