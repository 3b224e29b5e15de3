"""A name that is not known is answered with those that may be meant; and what names there are can be asked for."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from parity.base.names import meant
from parity.cli import main
from parity.show.history import History
from tests.meta.conftest import ROOT, TOY
from tests.meta.test_history import report


@pytest.fixture
def run(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return lambda *arguments: main([str(argument) for argument in arguments])


def test_the_nearest_names_are_given_else_all_of_them():
    assert meant("Decoder.1", ["decoder.0", "decoder.1", "mu"]) == "is decoder.1 or decoder.0 meant?"
    assert meant("x", ["decoder", "mu"]) == "expected one of decoder, mu"
    assert meant("x", map(str, range(14))).endswith(", 11 and 2 more")
    assert meant("x", []) == "there are none"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["verify", "--case", "tinny"], "unknown case 'tinny'; is tiny meant?"),
        (["verify", "--precision", "flaot32"], "no precision 'flaot32'; is float32 meant?"),
        (
            ["capture", "--side", "refrence", "--out", "build/x"],
            "unknown side 'refrence' in {toy}; is reference meant?",
        ),
        (["bisect", "--stage", "refin"], "no stage 'refin' in case tiny; is refine meant?"),
        (["bisect", "--end", "last[step=5]"], "no tap 'last[step=5]' in the stage; is last[step=2]"),
        (["taps", "--stage", "refin"], "no stage 'refin'; is refine meant?"),
        (["stages", "--case", "ful"], "unknown case 'ful'; is full meant?"),
    ],
)
def test_a_name_of_the_contract_that_is_mistyped(run, capsys, arguments, said):
    assert run(*arguments, "--contract", TOY) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said.format(toy=TOY) in err
    assert "reference:" not in err  # nothing was run before


def test_a_file_that_is_mistyped(run, tmp_path, capsys):
    History(tmp_path / "nights.sqlite").add(report(1))
    assert run("history", tmp_path / "night.sqlite") == 2
    assert "is nights.sqlite meant?" in capsys.readouterr().err
    assert run("verify", "--contract", "fixtures/contrakt.toml") == 2
    assert "is contract.toml meant?" in capsys.readouterr().err
    assert run("verify", "--contract", tmp_path / "none" / "contract.toml") == 2
    assert "meant?" not in capsys.readouterr().err


def test_cases_stages_and_taps_are_listed(run, capsys):
    assert run("cases", "--contract", TOY) == 0
    assert capsys.readouterr().out.splitlines()[:3] == ["tiny", "full", "gain"]
    assert run("stages", "--contract", TOY, "--case", "full") == 0
    assert capsys.readouterr().out.splitlines() == ["prepare\t3", "refine\t28"]
    assert run("taps", "--contract", TOY, "--stage", "refine") == 0
    listed = capsys.readouterr().out.splitlines()
    assert listed[-1] == "refine.state[step=2]\tb c t\trefine"
    assert run("taps", "--contract", TOY, "--json", "-") == 0
    rows = json.loads(capsys.readouterr().out)["taps"]
    assert {"tap": "mu", "axes": "b c t", "stage": "prepare"} in rows
    assert [row["tap"] for row in rows if row["stage"] == "refine"] == [line.split("\t")[0] for line in listed]


def test_cases_that_nobody_lists_are_said_to_be(run, tmp_path, capsys):
    own = tmp_path / "contract.toml"
    own.write_text(Path(TOY).read_text().replace("tests.meta.toy:load", "tests.meta.toy.torch_model:TorchParts"))
    assert run("cases", "--contract", own) == 2
    assert "has no list CASES beside it" in capsys.readouterr().err
