"""Faults of the device alone: the mathematics is equal, the arithmetic is not, and the line that is off is named."""

from __future__ import annotations

import importlib
import io
import json
import pkgutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from fixtures import cases
from fixtures.cases import flow
from parity import contract as contracts
from parity.cli import FAILURE, PASS, main
from parity.contract import LOCAL
from parity.judge.arithmetic import DEVICE, EQUAL, MULTIPLE, ROUNDING, WRONG
from parity.run.both import Both
from parity.run.report import Report
from parity.run.steps import Step, Steps
from parity.run.verify import Verifier
from parity.show.words import show
from tests.exact import quantised_sides
from tests.exact.planted.source import Fault, planted
from tests.meta import toy
from tests.meta.toy import torch_model

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = contracts.load(ROOT / "fixtures" / "contract.toml")

CUT = "(lambda a: mx.view((mx.view(mx.contiguous(a), mx.int32) + 0x1000) & ~0x1FFF, mx.float32))"
"""A float32 array rounded to the ten bits that TF32 has."""
HALF = ".astype(mx.float16)"

PLANTED = {
    "TF32": (
        Fault(
            "mlx_impl.ops.linear",
            "return x @ y if its_own(x) else sum_of_blocks(x, y)",
            f"return {CUT}(x) @ {CUT}(y)",
            "short",
        ),
        "matmul",
        "encoder.embed.linear",
    ),
    "half": (
        Fault(
            "mlx_impl.ops.convolution",
            "        return convolve(between_zeros(x, self.padding), weight, self.stride, self.dilation) + bias",
            f"        return convolve(between_zeros(x, self.padding){HALF}, weight{HALF}, self.stride, self.dilation)"
            ".astype(mx.float32) + bias",
            "short",
        ),
        "matmul",
        "encoder.pre_lookahead_layer.conv1",
    ),
}


@contextmanager
def on_the_device(package: str, faults: Sequence[Fault]) -> Iterator[None]:
    """Inside, a package has these faults where MLX runs it. The stand-in imports it anew, from its own source."""
    before = {name: module for name, module in sys.modules.items() if name == package or name.startswith(f"{package}.")}
    for name in before:
        del sys.modules[name]
    try:
        with planted(faults):
            root = importlib.import_module(package)
            for found in pkgutil.walk_packages(getattr(root, "__path__", ()), f"{package}."):
                if not found.name.endswith("__main__"):
                    importlib.import_module(found.name)
        yield
    finally:
        for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
            del sys.modules[name]
        sys.modules.update(before)
        parent, _, own = package.rpartition(".")
        if parent:
            setattr(sys.modules[parent], own, before[package])


def said(report: Report) -> str:
    console = Console(record=True, width=120, file=io.StringIO())
    show(report, console)
    return console.export_text()


@pytest.mark.parametrize("name", PLANTED)
def test_a_device_that_computes_with_less_is_named_with_its_line(name):
    fault, operation, tap = PLANTED[name]
    case = flow.build("short", flow.FlowCase("tiny", prompt=3, tokens=(6, 4), steps=2))
    checkpoint = cases.synthetic_checkpoint(case)
    with on_the_device("mlx_impl", [fault]):
        both = Both.proven(CONTRACT, case, checkpoint, False, lambda message: None)
        report = Verifier(CONTRACT, case, checkpoint).run(both.settle)
    assert all(verdict.passed for verdict in both.mathematics.values())
    assert not report.passed
    assert not {WRONG, ROUNDING} & report.words().keys()
    assert (report.first_failure.tap, report.first_failure.word) == (tap, DEVICE)
    found = report.operation
    assert found["tap"] == tap
    lines = [(line["file"], line["line"]) for line in (found, *found["alone"])]
    assert (str(fault.file), fault.line) in lines
    assert operation in found["operations"]
    assert found["ratio"] > 100 * MULTIPLE
    assert f"first off in {tap}, at `" in said(report)
    assert (
        f"linear.py:{fault.line}" in said(report) if name == "TF32" else f"convolution.py:{fault.line}" in said(report)
    )


@pytest.mark.parametrize(("new", "code"), [("self.scales", PASS), ("mx.roll(self.scales, 1, 1)", FAILURE)])
def test_a_wrong_quantised_product_is_named(tmp_path, monkeypatch, new, code):
    fault = Fault("tests.exact.quantised_sides", "self.scales, self.biases, group", f"{new}, self.biases, group", "")
    (tmp_path / "contract.toml").write_text(quantised_sides.CONTRACT)
    monkeypatch.chdir(ROOT)
    with on_the_device(fault.module, [fault]):
        arguments = ["verify", "--contract", str(tmp_path / "contract.toml"), "--case", "quantised"]
        assert main([*arguments, "--json", str(tmp_path / "result.json")]) == code
    report = json.loads((tmp_path / "result.json").read_text())
    if code == PASS:
        assert set(report["words"]) == {EQUAL} and report["operation"] is None
        return
    assert report["words"] == {EQUAL: 1, DEVICE: 5}  # teacher-forced, the reference's own value is handed on
    assert (report["first_failure"]["tap"], report["first_failure"]["mode"]) == ("first", LOCAL)
    assert all(verdict["mathematics"] < 1e-12 for verdict in report["verdicts"])
    found = report["operation"]
    assert found["operations"] == ["quantized_matmul"]
    assert found["source"].startswith("return mx.quantized_matmul(")


class Narrow(torch_model.TorchLinear):
    """Half of the bits, but where the run is in double."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.element_size() == 4:
            x = x.half().float()
        return x @ self.weight.T


def narrow_candidate(folder: Path, options: Mapping[str, Any], dtype: str) -> toy.Toy:
    side = toy.torch_candidate(folder, options, dtype)
    side.model.middle[1].linear.__class__ = Narrow
    return side


def test_a_line_of_a_torch_candidate_is_named(tmp_path):
    contract = contracts.load(Path(toy.__file__).with_name("contract.toml"))
    factory = {"factory": "tests.exact.test_device_faults:narrow_candidate", "framework": "torch"}
    contract = replace(contract, sides=dict(contract.sides) | {"candidate": factory}, layouts={})
    case, checkpoint = toy.load("tiny"), toy.write_checkpoint(tmp_path)
    both = Both.proven(contract, case, checkpoint, False, lambda message: None)
    report = Verifier(contract, case, checkpoint).run(both.settle)
    found = report.operation
    assert (found["tap"], found["source"], found["function"]) == (
        "middle.1.linear[step=0]",
        "return x @ self.weight.T",
        "Narrow.forward",
    )
    assert "bmm" in found["operations"]
    assert [line["source"] for line in found["alone"]] == ["x = x.half().float()"]


class Adding:
    def __init__(self, device: bool):
        self.device = device

    def helped(self, x: np.ndarray) -> np.ndarray:
        return x * 2

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.device:
            x = self.helped(x)
        for _ in range(2):
            x = x + 1
        pair = [x, -x]
        return x, pair[1]


def steps(device: bool, on: bool = True) -> list[tuple[Step, np.ndarray]]:
    found: list[tuple[Step, np.ndarray]] = []
    with Steps(lambda value: isinstance(value, np.ndarray), lambda step, array: found.append((step, array))) as tracer:
        tracer.on = on
        Adding(device)(np.ones(2))
    return found


def test_a_step_of_one_run_has_its_counterpart_in_another():
    ours, theirs = (
        {step.key: (step.place.text, array[0]) for step, array in steps(device)} for device in (True, False)
    )
    assert [ours[key] for key in ours if key not in theirs] == [("return x * 2", 2), ("x = self.helped(x)", 2)]
    assert [value for key, value in ours.items() if key in theirs] == [
        ("x = x + 1", 3), ("x = x + 1", 4), ("pair = [x, -x]", 4), ("pair = [x, -x]", -4),
        ("return x, pair[1]", 4), ("return x, pair[1]", -4),
    ]  # fmt: skip
    assert [theirs[key][1] for key in ours if key in theirs] == [2, 3, 3, -3, 3, -3]


def test_what_was_there_before_it_was_on_is_no_step():
    found: list[str] = []
    tracer = Steps(lambda value: isinstance(value, np.ndarray), lambda step, array: found.append(step.place.text))

    def run() -> np.ndarray:
        x = np.ones(2)
        tracer.on = True
        y = x + 1
        tracer.on = False
        return x * y

    with tracer:
        run()
    assert found == ["y = x + 1"]


def test_nothing_is_seen_while_it_is_off_and_the_tracer_of_before_is_back():
    before = sys.gettrace()
    assert steps(True, on=False) == []
    assert sys.gettrace() is before
