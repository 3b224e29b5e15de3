"""parity.cli: the commands that make reports, histories, recordings and pages of what is verified."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from parity import contract as contracts
from parity.base.errors import InputError
from parity.cli import main
from tests.meta.conftest import ROOT, TOY


@pytest.fixture
def run(monkeypatch):
    """Runs a command line in the checkout and gives its exit code."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return lambda *arguments: main([str(argument) for argument in arguments])


@pytest.fixture
def toy(run, toy_checkpoint):
    return lambda command, *arguments: run(command, "--contract", TOY, "--checkpoint", toy_checkpoint, *arguments)


@pytest.fixture(scope="module")
def results(toy_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The JSON of a run that passes and of one that fails. Each with two pictures: to draw all takes seconds a page."""
    folder, before = tmp_path_factory.mktemp("results"), list(sys.path)
    for case, code in (("tiny", 0), ("gain", 1)):
        file = folder / f"{case}.json"
        arguments = ["--contract", TOY, "--checkpoint", toy_checkpoint, "--case", case, "--json", file]
        assert main(["verify", *map(str, arguments)]) == code
        result = json.loads(file.read_text())
        assert len(result["pictures"]) > 2
        file.write_text(json.dumps(result | {"pictures": result["pictures"][:2]}))
    sys.path[:] = before
    return folder


def test_verify_writes_a_report_and_a_history(toy, run, tmp_path, capsys):
    page, store = tmp_path / "page", tmp_path / "history"
    assert toy("verify", "--report", page, "--history", store, "--json", tmp_path / "good.json") == 0
    assert toy("verify", "--case", "gain", "--report", page, "--history", store, "--json", tmp_path / "bad.json") == 1
    text = (page / "index.html").read_text()
    assert "First wrong:" in text
    assert f"--history {store}" in text  # the command that made it
    assert re.search(r"gain, checkpoint \w{8}: worst ratio64", text)
    capsys.readouterr()
    assert run("history", store, "--json", "-") == 0
    found = json.loads(capsys.readouterr().out)
    assert [(entry["case_name"], entry["passed"]) for entry in found["runs"]] == [("tiny", 1), ("gain", 0)]
    assert run("history", store, "--add", tmp_path / "good.json", "--tap", "middle.1[step=0,cond]", "--json", "-") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["added"] == 0  # it is there
    names = [trend["series"] for trend in found["trends"]]
    assert len(names) == 12
    assert all("middle.1[step=0,cond]" in name for name in names)


def test_report_of_several_results(results, run, tmp_path):
    (tmp_path / "audit.json").write_text('{"keys": 2490, "findings": []}')
    bench = {"benchmarks": [{"name": "ode", "stats": {"mean": 0.003, "stddev": 0.0001, "rounds": 5}}]}
    bench["benchmarks"][0]["extra_info"] = {"GB/s": 87.5}
    (tmp_path / "bench.json").write_text(json.dumps(bench))
    extras = ["--audit", tmp_path / "audit.json", "--benchmarks", tmp_path / "bench.json"]
    assert run("report", results, "--out", tmp_path / "page", *extras) == 1
    text = (tmp_path / "page" / "index.html").read_text()
    assert "2490" in text
    assert "<td>3 ms ± 0.1, 5 rounds</td><td>87.5</td>" in text
    assert run("report", results / "tiny.json", "--out", tmp_path / "good") == 0
    assert run("report", tmp_path / "page" / "report.json", "--out", tmp_path / "again") == 1


def test_partial_dumps_are_judged_by_what_is_there(toy, run, tmp_path, capsys):
    assert toy("capture", "--floors", "--out", tmp_path / "golden") == 0
    dumps = tmp_path / "dumps"
    dumps.mkdir()
    for name in ("mu", "codes"):
        shutil.copy(tmp_path / "golden" / f"{name}.npy", dumps)
    given = ["compare", "--contract", TOY, tmp_path / "golden", dumps]
    assert run(*given) == 1
    capsys.readouterr()
    assert run(*given, "--allow-missing", "--json", tmp_path / "result.json") == 0
    result = json.loads((tmp_path / "result.json").read_text())
    assert {verdict["tap"] for verdict in result["verdicts"]} == {"mu", "codes"}
    assert "22 of 24 taps have no dump and were not judged" in result["program"]
    (dumps / "codes.npy").rename(dumps / "code.npy")
    (dumps / "mu.npy").unlink()
    assert run(*given, "--allow-missing") == 2
    assert "none of its 1 dumps has the name of a tap; code.npy: is codes meant?" in capsys.readouterr().err


def test_compare_gives_a_result_for_a_report(toy, run, tmp_path):
    golden, dumps = tmp_path / "golden", tmp_path / "dumps"
    assert toy("capture", "--floors", "--out", golden) == 0
    assert toy("capture", "--side", "candidate", "--case", "gain", "--out", dumps) == 0
    assert run("compare", "--contract", TOY, golden, dumps, "--json", tmp_path / "result.json") == 1
    assert run("report", tmp_path / "result.json", "--out", tmp_path / "page") == 1
    result = json.loads((tmp_path / "result.json").read_text())
    assert sum(count for _, count in result["places"]) == len(result["verdicts"]) == 42
    assert result["pictures"][0]["key"][0] == "middle.1[step=0]"


def test_record_and_verify(toy, run, tmp_path, capsys):
    out = tmp_path / "recording"
    assert toy("record", "--out", out) == 0
    assert toy("verify", "--recording", out) == 0
    assert "PASS all 92 verdicts passed" in capsys.readouterr().out
    assert toy("record", "--out", out) == 2
    assert toy("verify", "--case", "full", "--recording", out) == 2
    assert "recorded with another case" in capsys.readouterr().err


def test_status(results, run, tmp_path):
    assert run("status", results / "tiny.json", "--contract", TOY, "--out", tmp_path / "status.md") == 0
    assert "| pass | tiny |" in (tmp_path / "status.md").read_text()


def test_an_informative_run_needs_no_float32(toy, monkeypatch, tmp_path):
    from parity.capture.runner import adapter

    operations = adapter("mlx").probe()
    degraded = operations | {"matmul": lambda a, b: operations["matmul"](a, b) * 1.001}
    monkeypatch.setattr(adapter("mlx"), "probe", lambda: degraded)
    assert toy("verify") == 2
    store = tmp_path / "history"
    assert toy("verify", "--informative", "--history", store, "--json", tmp_path / "result.json") == 0
    assert json.loads((tmp_path / "result.json").read_text())["informative"] is True


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["report", "none.json", "--out", "{out}"], "none.json: cannot be read"),
        (["report", "LICENSE", "--out", "{out}"], "LICENSE: not valid JSON"),
        (["report", "{good}", "--out", "{out}", "--audit", "none.json"], "name a file that an audit of weights wrote"),
        (["report", "{good}", "--out", "{out}", "--benchmarks", "none.json"], "name a file that a benchmark wrote"),
        (["report", "{pointer}", "--out", "{out}"], "pointer.json: it is a Git LFS pointer"),
        (["report", "{good}", "--out", "README.md"], "README.md/index.html: cannot be written"),
        (["report", "{good}", "--out", "{out}", "--benchmarks", "{good}"], "a file of benchmarks lacks 'benchmarks'"),
        (["report", "{good}", "--out", "{out}", "--history", "LICENSE"], "LICENSE: is a file of another kind"),
        (["history", "LICENSE"], "LICENSE: is a file of another kind"),
        (["history", "{out}", "--add", "none.json"], "none.json: cannot be read"),
        (["status", "{good}", "--out", "tests"], "tests: cannot be written"),
    ],
)
def test_what_cannot_be_used_is_refused(results, run, tmp_path, capsys, arguments, message):
    good = tmp_path / "good.json"
    shutil.copyfile(results / "tiny.json", good)
    before = (ROOT / "LICENSE").read_bytes()
    pointer = tmp_path / "pointer.json"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n")
    given = {"good": good, "pointer": pointer, "out": tmp_path / "out"}
    assert run(*(argument.format(**given) for argument in arguments)) == 2
    assert message in capsys.readouterr().err
    assert (ROOT / "LICENSE").read_bytes() == before


@pytest.mark.parametrize("table", ["[[sound]]\nstate = 'wave'\n", "[[target]]\nname = 'x'\n"])
def test_a_contract_whose_tables_lack_a_key_is_refused(tmp_path, table):
    path: Path = tmp_path / "contract.toml"
    path.write_text(TOY.read_text() + table)
    with pytest.raises(InputError, match=r"\[\[(sound|target)\]\] lacks (rate|environment)"):
        contracts.load(path)
