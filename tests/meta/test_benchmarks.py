"""The benchmarks' own core: that a wrong result is not timed, that counts are right, that a run can be read."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import mlx.core as mx
import numpy as np
import pytest
import torch

from parity.base.errors import InputError
from parity.show.results import benchmarks
from tests.bench import measure, plan, table
from tests.bench.measure import Comparison, Row, WrongResult, relative_error
from tests.bench.mlx_side import MLXSide
from tests.bench.sides import resident_rise
from tests.bench.torch_side import TorchSide, operations
from tests.bench.works import WORKS

ROOT = Path(__file__).resolve().parents[2]
QUICK = {"seconds": 0.0}  # three rounds


@pytest.fixture(scope="module")
def bench():
    return plan.bench_of("tiny", None)


@pytest.fixture(autouse=True)
def small_peaks(monkeypatch):
    monkeypatch.setattr(measure, "PRODUCTS", (64, 128))
    monkeypatch.setattr(measure, "COPY", 2**20)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("encoder", "float32"), ("encoder", "bfloat16"), ("T3 decode step", "float32"), ("T3 decode step", "4bit")],
)
def test_a_right_result_is_timed(bench, name, dtype):
    work = WORKS[name]
    row = Comparison(bench, work, work.lengths["tiny"][0], "cpu", dtype).row(MLXSide("cpu"), **QUICK)
    assert len(row.seconds) == len(row.reference_seconds) == 3
    assert 0 < row.error <= row.bound
    assert min(row.operations, row.bytes, row.memory, row.peak_operations, row.peak_bytes) > 0


def test_the_reference_alone(bench):
    row = Comparison(bench, WORKS["encoder"], 8, "cpu", "float32").row(TorchSide("cpu"), **QUICK)
    assert row.error == 0 and row.reference_seconds == []
    assert row.figures()["ratio"] is None


def test_a_wrong_result_is_not_timed(bench):
    def loop(call, before, rounds):
        raise AssertionError("timed")

    comparison = Comparison(bench, WORKS["encoder"], 8, "cpu", "float32")
    model = bench.place(WORKS["encoder"], 8, MLXSide("cpu"), "float32").models["flow"]
    bias = model.encoder_proj.bias
    model.encoder_proj.bias = bias + 1e-3
    try:
        with pytest.raises(WrongResult, match=r"encoder, 8 tokens, mlx_impl in float32 on cpu: relative RMSE \d"):
            comparison.row(MLXSide("cpu"), loop, **QUICK)
    finally:
        model.encoder_proj.bias = bias
    with pytest.raises(AssertionError, match="timed"):
        comparison.row(MLXSide("cpu"), loop, **QUICK)


def test_a_dtype_that_a_work_has_not_is_refused(bench):
    with pytest.raises(ValueError, match="S3 tokenizer in float16: expected one of float32"):
        Comparison(bench, WORKS["S3 tokenizer"], 1, "cpu", "float16")


def test_rounds_alternate(bench):
    comparison, order = Comparison(bench, WORKS["encoder"], 8, "cpu", "float32"), []
    comparison.timed_reference = lambda: order.append("reference")

    def loop(call, before, rounds):
        order.clear()
        return measure.plain(lambda: order.append("mlx"), before, rounds)

    row = comparison.row(MLXSide("cpu"), loop, **QUICK)
    assert order == ["reference", "reference", "mlx"] * 3  # one to find the caches warm, one that is timed
    assert len(row.reference_seconds) == 3


@pytest.mark.parametrize(
    ("got", "expected", "error"),
    [
        ([[1.0, 2.0]], [[1.0, 2.0]], 0.0),
        ([[2.0, 4.0]], [[1.0, 2.0]], 1.0),
        ([[1.0], [2.5]], [[1.0], [2.0]], 0.25),  # the largest
        ([[1.0]], [[1.0, 2.0]], np.inf),
        ([[1.0]], [[1.0], [2.0]], np.inf),
        ([[np.nan]], [[1.0]], np.nan),
        ([[1, 2]], [[1, 2]], 0.0),
        ([[1, 3]], [[1, 2]], np.inf),
    ],
)
def test_relative_error(got, expected, error):
    assert relative_error(*([np.array(a) for a in arrays] for arrays in (got, expected))) == pytest.approx(
        error, nan_ok=True
    )


def test_operations_are_counted():
    side = TorchSide("cpu")
    x, w = torch.ones(5, 8), torch.ones(8, 16)
    assert operations(side, lambda: x @ w) == 2 * 5 * 8 * 16
    conv = torch.nn.Conv1d(4, 8, 3)
    assert operations(side, lambda: conv(torch.ones(2, 4, 20))) == 2 * 2 * 18 * 4 * 8 * 3
    lstm = torch.nn.LSTM(40, 64, batch_first=True)
    assert operations(side, lambda: lstm(torch.ones(3, 10, 40))) == 2 * 3 * 10 * 4 * 64 * (40 + 64)
    q = torch.ones(1, 2, 7, 8)
    attention = torch.nn.functional.scaled_dot_product_attention
    assert operations(side, lambda: attention(q, q, q)) == 2 * (2 * 2 * 7 * 7 * 8)


def test_bytes_and_memory_are_counted(bench):
    work = WORKS["encoder"]
    row = Comparison(bench, work, 8, "cpu", "float32").row(MLXSide("cpu"), **QUICK)
    model = bench.place(work, 8, TorchSide("cpu"), "float32").models["flow"]
    read = [*model.encoder.parameters(), *model.encoder_proj.parameters()]
    assert row.bytes == sum(4 * p.numel() for p in read) + 8 * 8 + 4 * 80 * 16  # tokens and mu
    held = MLXSide("cpu").memory(lambda: mx.zeros((2**20,)) + 1)
    assert 4 * 2**20 <= held < 16 * 2**20
    taken = resident_rise(lambda: torch.ones(2**22))
    assert taken is None or 2**24 <= taken < 2**26


def row(**changes):
    of = {"work": "w", "size": "tiny", "length": "8 tokens", "device": "cpu", "dtype": "float32", "side": "mlx_impl"}
    of |= {"seconds": [0.002, 0.004, 0.003], "reference_seconds": [0.001, 0.006, 0.002], "error": 1e-7, "bound": 1e-5}
    counts = {"operations": 6 * 10**9, "bytes": 3 * 10**8, "memory": 10**6, "peak_operations": 4e12, "peak_bytes": 1e12}
    return Row(**(of | counts | changes))


def test_figures():
    figures = row(more={"real-time factor": 0.5}).figures()
    expected = {"ms": 3, "reference ms": 2, "ratio": 1.5, "GFLOP/s": 2000, "of product": 0.5, "GB/s": 100}
    expected |= {"of copy": 0.1, "peak MB": 1}
    assert {name: figures[name] for name in expected} == pytest.approx(expected)
    assert figures["more"] == "real-time factor 0.5"


def test_table():
    bare = row(side="reference", reference_seconds=[], operations=None, bytes=None)
    lines = table.markdown([row().figures(), bare.figures()]).split("\n")
    assert len(lines) == 4 and len({len(line) for line in lines}) == 1
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0][:8] == ["work", "size", "device", "dtype", "side", "ms", "reference ms", "ratio"]
    assert cells[2][5:12] == ["3", "2", "1.5", "2000", "0.5", "100", "0.1"]
    assert cells[3][5:12] == ["3", "–", "–", "–", "–", "–", "–"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), ("", "–"), ("cpu", "cpu"), (0, "0"), (0.123456, "0.123"), (3137.4, "3137"), (2e-7, "2.0e-07")],
)
def test_cell(value, text):
    assert table.cell(value) == text


def test_a_report_takes_the_rows(tmp_path):
    data = json.loads(json.dumps(table.as_json([row()], {"torch": "2.13.0"})))
    (tmp_path / "b.json").write_text(json.dumps(data))
    assert table.stored(tmp_path / "b.json") == [row().figures()]
    ((name, figures),) = benchmarks(data).items()
    assert name == "w, 8 tokens, cpu, float32, mlx_impl"
    assert figures["time"] == "3 ms ± 1, 3 rounds" and figures["ratio"] == 1.5
    with pytest.raises(InputError, match="lacks 'stats'"):
        benchmarks({"benchmarks": [{"name": "w"}]})


def test_every_work_has_a_point_of_each_side():
    points = plan.points("full", ("cpu",), ("float32",))
    for name, work in WORKS.items():
        kinds = {point.kind for point in points if point.work.name == name}
        assert kinds == ({"reference", "mlx", "compile"} if work.compiles else {"reference", "mlx"})
    assert {p.kind for p in plan.points("tiny", ("cpu",), ("4bit",))} == {"mlx"}
    assert len({str(point) for point in points}) == len(points)


@pytest.mark.parametrize(
    ("device", "size", "lengths"), [("cpu", "full", {50}), ("cuda", "full", {50, 250}), ("cuda", "tiny", {8})]
)
def test_a_gpu_says_ten_seconds_too(device, size, lengths):
    points = plan.points(size, (device,), ("bfloat16",))
    assert {point.length for point in points if point.work.name == "speech"} == lengths
    assert len({str(point) for point in points}) == len(points)


@pytest.mark.parametrize(
    ("metal", "capture", "message"),
    [(False, "1", "Metal is not available here"), (True, "0", "Metal captures nothing unless MTL_CAPTURE_ENABLED=1")],
)
def test_a_trace_that_cannot_be_made_is_refused(monkeypatch, tmp_path, metal, capture, message):
    monkeypatch.setattr(plan, "mx", SimpleNamespace(metal=SimpleNamespace(is_available=lambda: metal)))
    monkeypatch.setenv(plan.CAPTURE, capture)
    with pytest.raises(ValueError, match=f"--gputrace: {message}"):
        plan.check_trace(tmp_path / "traces")
    assert not (tmp_path / "traces").exists()


def test_a_trace_is_made_where_it_can_be(monkeypatch, tmp_path):
    monkeypatch.setattr(plan, "mx", SimpleNamespace(metal=SimpleNamespace(is_available=lambda: True)))
    monkeypatch.setenv(plan.CAPTURE, "1")
    plan.check_trace(tmp_path / "traces")
    assert (tmp_path / "traces").is_dir()


def test_what_is_left_out_is_said():
    command = [sys.executable, "-m", "pytest", "tests/bench", "--collect-only", "-q", "-p", "no:cacheprovider"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    for device in ("metal", "cuda"):
        assert (f"left out: {device}: " in done.stdout) == bool(plan.unavailable(device))
    assert "left out: torch.compile: takes minutes, ask for it with --compile" in done.stdout


def test_a_work_that_there_is_not_is_refused():
    command = [sys.executable, "-m", "tests.bench", "--work", "vocoder", "nosuch"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "--work nosuch: no work has that in its name; expected one of " in done.stderr
    assert "estimator" in done.stderr
