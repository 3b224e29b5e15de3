"""Programs in C++, Rust and Swift dump and read what NumPy does: `tox -e writers`, which has their compilers."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from parity.base import npy
from tests.writers.judging import assert_records_are_judged
from tests.writers.languages import LANGUAGES
from tests.writers.samples import SAMPLES
from tests.writers.test_golden import GOLDEN
from tests.writers.test_page import assert_steps, example, golden_input
from tests.writers.test_reduced import assert_record

EXPECTED = "expected {'descr': '<f4', 'fortran_order': False, 'shape': (6,), }"
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module", params=LANGUAGES)
def run(request, tmp_path_factory) -> Run:
    """Runs the language's program with arguments."""
    program = LANGUAGES[request.param].program("samples", tmp_path_factory.mktemp(request.param))
    return lambda *arguments: subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """What a program that failed said."""
    assert done.returncode == 1
    return done.stderr


def test_samples_are_the_committed_files(run: Run, tmp_path: Path):
    done = run("samples", tmp_path / "deep" / "dumps")
    assert done.returncode == 0, done.stderr
    made = {file.name: file.read_bytes() for file in (tmp_path / "deep" / "dumps").iterdir()}
    assert made == {file.name: file.read_bytes() for file in GOLDEN.iterdir()}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_example_of_the_page_dumps_its_steps(tmp_path: Path, language: str):
    x = golden_input(tmp_path)
    program = LANGUAGES[language].build(example(language), tmp_path)
    subprocess.run([program], cwd=tmp_path, check=True)
    assert_steps(tmp_path, x)


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "int32", "bool"])
@pytest.mark.parametrize("shape", [(), (5,), (2, 0), (3, 4), (2, 3, 1, 5)], ids=str)
def test_what_the_harness_wrote_is_read(run: Run, tmp_path: Path, order: str, dtype: str, shape: tuple[int, ...]):
    values = np.random.default_rng(0).standard_normal(shape) * 3
    array = np.array(values.astype(bool if dtype == "bool" else dtype), order=order)
    npy.write(tmp_path / "given.npy", array)
    done = run("copy", dtype, tmp_path / "given.npy", tmp_path / "dumps", "x")
    assert done.returncode == 0, done.stderr
    read = npy.read(tmp_path / "dumps" / "x.npy")
    assert read.flags.c_contiguous
    assert npy.canonical_sha256(read) == npy.canonical_sha256(array)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: b"\x93NUMPX" + data[6:], "not an NPY file of version 1.0"),
        (lambda data: data[:6] + b"\2" + data[7:], "not an NPY file of version 1.0"),
        (lambda data: b"", "not an NPY file of version 1.0"),
        (lambda data: data[:9], "truncated"),
        (lambda data: data[:60], "truncated"),
        (lambda data: data[:-1], "truncated or over-long"),
        (lambda data: data[:-4], "truncated or over-long"),
        (lambda data: data + b"\0", "truncated or over-long"),
        (lambda data: data.replace(b"<f4", b">f4"), EXPECTED),
        (lambda data: data.replace(b"<f4", b"<i4"), EXPECTED),
        (lambda data: data.replace(b"False", b"Fals "), EXPECTED),
        (lambda data: data.replace(b"(6,)", b"(-6)"), "got {'descr': '<f4', 'fortran_order': False, 'shape': (-6), }"),
        (lambda data: data.replace(b"(6,)", b"(6L)"), "got {'descr': '<f4', 'fortran_order': False, 'shape': (6L), }"),
    ],
)
def test_another_file_is_refused(run: Run, tmp_path: Path, change: Callable[[bytes], bytes], said: str):
    npy.write(tmp_path / "given.npy", np.arange(6, dtype=np.float32))
    (tmp_path / "given.npy").write_bytes(change((tmp_path / "given.npy").read_bytes()))
    message = refusal(run("copy", "float32", tmp_path / "given.npy", tmp_path / "dumps", "x"))
    assert said in message
    assert "given.npy" in message
    assert not (tmp_path / "dumps").exists()


def test_lengths_that_no_memory_holds_are_refused(run: Run, tmp_path: Path):
    """Their product is 0 in 64 bits, as many as the file has."""
    npy.write(tmp_path / "given.npy", np.zeros((0, 3), np.float32))
    data = (tmp_path / "given.npy").read_bytes()
    (tmp_path / "given.npy").write_bytes(data.replace(b"(0, 3), }        ", b"(%d, %d), }" % (2**32, 2**32)))
    refusal(run("copy", "float32", tmp_path / "given.npy", tmp_path / "dumps", "x"))


def test_a_missing_file_and_other_bools_are_refused(run: Run, tmp_path: Path):
    assert "none.npy" in refusal(run("copy", "float32", tmp_path / "none.npy", tmp_path / "dumps", "x"))
    npy.write(tmp_path / "given.npy", np.array([True]))
    (tmp_path / "given.npy").write_bytes((tmp_path / "given.npy").read_bytes()[:-1] + b"\2")
    message = refusal(run("copy", "bool", tmp_path / "given.npy", tmp_path / "dumps", "x"))
    assert "bools other than 0 and 1" in message


@pytest.mark.parametrize("tap", ["", ".x", "a/b", "a\\b", "../x"])
def test_what_is_no_name_of_a_file_is_refused(run: Run, tmp_path: Path, tap: str):
    assert "a name begins with no dot" in refusal(run("twice", tmp_path / "dumps", tap))
    assert list((tmp_path / "dumps").iterdir()) == []


def test_a_tap_is_dumped_once(run: Run, tmp_path: Path):
    assert "number it, as in ode.state[step=1]" in refusal(run("twice", tmp_path / "dumps", "ode.state"))


def test_a_dump_that_cannot_be_written_leaves_nothing(run: Run, tmp_path: Path):
    (tmp_path / "dumps" / "x.npy").mkdir(parents=True)
    (tmp_path / "dumps" / "x.npy" / "kept").touch()
    refusal(run("twice", tmp_path / "dumps", "x"))
    assert [file.name for file in (tmp_path / "dumps").iterdir()] == ["x.npy"]


def test_an_older_dump_is_replaced(run: Run, tmp_path: Path):
    (tmp_path / "scalar.npy").write_bytes(b"old")
    assert run("samples", tmp_path).returncode == 0
    assert npy.read(tmp_path / "scalar.npy") == SAMPLES["scalar"]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "bool"])
@pytest.mark.parametrize("shape", [(5,), (2, 0), (0, 2), (2, 3, 1, 5)], ids=str)
def test_a_record_is_what_the_definition_says(run: Run, tmp_path: Path, dtype: str, shape: tuple[int, ...]):
    array = (np.random.default_rng(0).standard_normal(shape) * 3).astype(dtype)
    if array.size and dtype.startswith("float"):
        array.flat[:3] = np.nan, -np.inf, 1e-30
    npy.write(tmp_path / "given.npy", array)
    done = run("record", dtype, tmp_path / "given.npy", tmp_path / "dumps", "ode.state[step=2]")
    assert done.returncode == 0, done.stderr
    assert_record((tmp_path / "dumps" / "ode.state[step=2].json").read_bytes(), array, 1)


def test_a_record_without_the_leading_axis_is_refused(run: Run, tmp_path: Path):
    npy.write(tmp_path / "given.npy", np.zeros((), np.float32))
    refusal(run("record", "float32", tmp_path / "given.npy", tmp_path / "dumps", "x"))
    assert not (tmp_path / "dumps").exists() or list((tmp_path / "dumps").iterdir()) == []


def test_records_in_place_of_dumps_are_judged(run: Run, given: Path, tmp_path: Path):
    assert_records_are_judged(lambda *arguments: run("record", *arguments).check_returncode(), given, tmp_path)
