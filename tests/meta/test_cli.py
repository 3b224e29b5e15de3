"""parity.cli: exit code 0 for a pass, 1 for a parity failure, 2 for wrong use or broken input, and clean JSON."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from parity.base import npy
from parity.capture.golden import MANIFEST
from parity.capture.runner import adapter
from parity.cli import main
from tests.meta.conftest import ROOT, TOY

Run = Callable[..., int]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command line in the checkout and gives its exit code."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return lambda *arguments: main([str(argument) for argument in arguments])


@pytest.fixture
def on_toy(run: Run, toy_checkpoint: Path) -> Run:
    """Runs a command on the toy contract."""

    def on_toy(command: str, *arguments: object) -> int:
        return run(command, "--contract", TOY, "--checkpoint", toy_checkpoint, *arguments)

    return on_toy


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory, toy_checkpoint: Path) -> Path:
    out = tmp_path_factory.mktemp("cli") / "golden"
    assert (
        main(["capture", "--contract", str(TOY), "--checkpoint", str(toy_checkpoint), "--floors", "--out", str(out)])
        == 0
    )
    return out


def refusal(capsys: pytest.CaptureFixture[str]) -> str:
    """What was said on standard error, where it is one line, the last: what was being done may stand before it."""
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.startswith("parity: ") for line in err.splitlines()][-2:] in ([True], [False, True])
    assert err.endswith("\n")
    return err


def test_the_flow_passes(run, tiny_checkpoint, tmp_path, capsys):
    assert (
        run(
            "verify", "--case", "tiny-flow", "--checkpoint", tiny_checkpoint, "--json", tmp_path / "out" / "report.json"
        )
        == 0
    )
    out = capsys.readouterr().out
    assert "PASS all 3794 verdicts passed" in out
    assert "ode.state[step=9]" in out
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (report["passed"], len(report["verdicts"]), report["first_failure"]) == (True, 3794, None)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report.json"]


def test_a_pass(on_toy, capsys):
    assert on_toy("verify") == 0
    assert "PASS all 92 verdicts passed; case tiny" in capsys.readouterr().out


def test_the_contracts_own_checkpoint_is_the_default(run):
    assert run("verify", "--contract", TOY) == 0


@pytest.mark.parametrize("case", ["gain", "nan", "codes", "transposed", "skip", "extra", "order", "twice"])
def test_a_failure(on_toy, tmp_path, capsys, case):
    assert on_toy("verify", "--case", case, "--json", tmp_path / "report.json") == 1
    out = capsys.readouterr().out
    assert "FAIL" in out
    assert "first wrong: " in out
    report = json.loads((tmp_path / "report.json").read_text())
    assert not report["passed"]
    assert report["failures"] == sum(not verdict["passed"] for verdict in report["verdicts"]) > 0


def test_a_failure_is_explained(on_toy, capsys):
    on_toy("verify", "--case", "gain")
    out = capsys.readouterr().out
    assert "middle.1[step=0,cond] (local error): ratio32" in out
    assert "gain 1.001" in out
    assert "would pass with" not in out
    assert "first wrong: middle.1[step=0,cond], local" in out
    assert "departs: x (" in out and "against 1.001 · x (" in out
    assert "the error from there on" in out


def test_the_exit_code_and_the_json_of_a_process(toy_checkpoint):
    command = [sys.executable, "-m", "parity", "verify", "--contract", TOY, "--checkpoint", toy_checkpoint]
    done = subprocess.run([*command, "--case", "nan", "--json", "-"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report["first_failure"]["tap"] == "middle.1[step=0]"
    assert report["first_failure"]["ratio32"] is None  # JSON has no NaN
    assert "FAIL" in done.stderr


def test_the_installed_command_is_main():
    (script,) = importlib.metadata.entry_points(group="console_scripts", name="parity")
    assert script.load() is main


@pytest.mark.parametrize("command", ["verify", "capture", "compare", "inspect", "doctor"])
def test_json_alone_on_standard_output(on_toy, run, golden, tmp_path, capsys, command):
    arguments = {
        "verify": ["--contract", TOY],
        "capture": ["--contract", TOY, "--out", tmp_path / "out"],
        "compare": ["--contract", TOY, golden, shutil.copytree(golden, tmp_path / "dumps")],
        "inspect": [golden / "mu.npy"],
        "doctor": [],
    }[command]
    capsys.readouterr()
    assert run(command, *arguments, "--json", "-") == 0
    assert isinstance(json.loads(capsys.readouterr().out), dict)


def test_compare(on_toy, run, golden, tmp_path, capsys):
    assert run("compare", "--contract", TOY, golden, shutil.copytree(golden, tmp_path / "dumps")) == 0
    assert on_toy("capture", "--side", "candidate", "--case", "gain", "--out", tmp_path / "candidate") == 0
    assert run("compare", "--contract", TOY, golden, tmp_path / "candidate") == 1
    assert "first wrong: middle.1[step=0,cond]" in capsys.readouterr().out


def test_inspect(run, golden, tmp_path, capsys):
    array = np.array([[1, 2, np.nan], [-3, 4, 0]], dtype=np.float32)
    npy.write(tmp_path / "a.npy", array)
    assert run("inspect", tmp_path / "a.npy", "--json", tmp_path / "a.json") == 0
    found = json.loads((tmp_path / "a.json").read_text())
    assert (found["shape"], found["dtype"], found["nonfinite"], found["min"], found["max"]) == (
        [2, 3],
        "float32",
        1,
        -3,
        4,
    )
    assert found["sha256"] == npy.canonical_sha256(array)
    assert found["rms"] == pytest.approx(np.sqrt(30 / 5))
    capsys.readouterr()
    assert run("inspect", golden) == 0
    assert "24 taps, every file as the manifest says" in capsys.readouterr().out


@pytest.mark.parametrize("array", [np.zeros((0, 3)), np.float32(2), np.array([True]), np.ones(2, np.complex64)])
def test_inspect_takes_every_kind_of_array(run, tmp_path, array):
    npy.write(tmp_path / "a.npy", np.asarray(array))
    assert run("inspect", tmp_path / "a.npy") == 0


@pytest.mark.parametrize("framework", ["torch", "mlx"])
def test_doctor_passes_here_and_fails_where_float32_is_not(run, monkeypatch, capsys, framework):
    assert run("doctor") == 0
    assert "NOT float32" not in capsys.readouterr().out
    operations = adapter(framework).probe()
    degraded = operations | {"conv1d": lambda x, w: operations["conv1d"](x.astype(np.float16).astype(np.float32), w)}
    monkeypatch.setattr(adapter(framework), "probe", lambda: degraded)
    assert run("doctor") == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if "NOT float32" in line]
    assert len(lines) == 1
    assert f"{framework} conv1d" in lines[0]


def test_a_degraded_framework_gets_no_verdict(on_toy, monkeypatch, capsys):
    operations = adapter("mlx").probe()
    monkeypatch.setattr(
        adapter("mlx"), "probe", lambda: operations | {"matmul": lambda a, b: a @ b * np.float32(1.001)}
    )
    assert on_toy("verify") == 2
    assert "float32 is not float32 here" in refusal(capsys)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["verify", "--contract", "none.toml"], "none.toml: cannot read the contract"),
        (["verify", "--contract", "LICENSE"], "not valid TOML"),
        (["verify", "--contract", TOY, "--case", "none"], "unknown case 'none'"),
        (["verify", "--case", "none"], "unknown case 'none'; expected one of tiny, "),
        (["verify", "--contract", TOY, "--checkpoint", "none"], "none/weights.npy: got no regular file"),
        (["verify", "--contract", TOY, "--recording", "x", "--precision", "half"], "--precision half with --recording"),
        (["capture", "--contract", TOY, "--side", "none", "--out", "build/none"], "unknown side 'none'"),
        (["capture", "--contract", TOY, "--out", "README.md"], "README.md exists; nothing was written"),
        (["capture", "--contract", TOY, "--out", "README.md/out"], "README.md/out: cannot be written"),
        (["compare", "none", "none"], "none/manifest.json: cannot be read"),
        (["inspect", "none"], "none: neither an NPY file nor a golden folder"),
        (["inspect", "tests"], "tests: neither an NPY file nor a golden folder"),
        (["inspect", "pyproject.toml"], "expected an NPY file"),
        (["verify", "--contract", TOY, "--json", "README.md/x.json"], "README.md/x.json: cannot be written"),
        (["inspect", "{golden}/mu.npy", "--json", "tests"], "tests: cannot be written"),
        (["inspect", "{golden}/mu.npy", "--json", "."], ".: cannot be written"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(run, golden, capsys, arguments, message):
    capsys.readouterr()
    assert run(*(str(argument).format(golden=golden) for argument in arguments)) == 2
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err
    assert [line.startswith("parity: ") for line in err.splitlines()][-2:] in ([True], [False, True])
    assert err.endswith("\n")


def test_a_json_file_that_cannot_be_written_leaves_nothing_behind(run, golden, tmp_path):
    (tmp_path / "report.json").mkdir()
    assert run("inspect", golden / "mu.npy", "--json", tmp_path / "report.json") == 2
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_an_altered_golden_is_refused(on_toy, run, tmp_path, capsys):
    assert on_toy("capture", "--floors", "--out", tmp_path / "golden") == 0
    dumps = shutil.copytree(tmp_path / "golden", tmp_path / "dumps")
    file = tmp_path / "golden" / "mu.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    for command in (
        ["inspect", tmp_path / "golden"],
        ["compare", "--contract", TOY, tmp_path / "golden", dumps],
    ):
        capsys.readouterr()
        assert run(*command) == 2
        assert "mu.npy: its content was altered" in refusal(capsys)
    (tmp_path / "golden" / MANIFEST).write_text("{")
    assert run("inspect", tmp_path / "golden") == 2
    assert "not valid JSON" in refusal(capsys)


def test_goldens_without_floors_are_refused(on_toy, run, tmp_path, capsys):
    assert on_toy("capture", "--out", tmp_path / "golden") == 0
    dumps = shutil.copytree(tmp_path / "golden", tmp_path / "dumps")
    capsys.readouterr()
    assert run("compare", "--contract", TOY, tmp_path / "golden", dumps) == 2
    assert "capture it again with `parity capture --floors`" in refusal(capsys)


def test_an_unknown_blas_is_refused(on_toy, monkeypatch, capsys):
    monkeypatch.setenv("PARITY_BLAS", "fast")
    assert on_toy("verify") == 2
    assert "PARITY_BLAS='fast': expected 'torch' or 'plain'" in refusal(capsys)


@pytest.mark.parametrize(
    "arguments",
    [[], ["prove"], ["capture"], ["compare", "a"], ["compare", "a", "b", "--layout", "c"], ["verify", "--bound", "3"]],
)
def test_wrong_use_is_refused(run, arguments):
    with pytest.raises(SystemExit) as caught:
        run(*arguments)
    assert caught.value.code == 2
