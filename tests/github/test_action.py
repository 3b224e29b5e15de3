"""action.yml: its very steps, run on dumps that pass, on ones that fail, on models that depart, and on broken input."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from parity.cli import main
from parity.cli.github import command_of
from parity.cli.pull_request import marker
from parity.show.github import PLACE, Place, Told, errors, markdown, told
from tests.docs.markdown import ROOT, blocks
from tests.github.api import serving
from tests.github.steps import ACTION, run
from tests.meta import toy
from tests.meta.conftest import TOY
from tests.structure.test_workflows import lint

PAGE = (ROOT / "docs" / "github.md").read_text(encoding="utf-8")
WITHOUT_INSTALLING = {"extras": "none"}
MODEL = """
import torch


def reference(x: torch.Tensor) -> torch.Tensor:
    return torch.tanh(2 * x)
"""
PORT = """
import mlx.core as mx


def candidate(x: mx.array) -> mx.array:
    print("::error::from a model")
    return mx.sin(2 * x)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace: a bundle, dumps of a right port and of one that has a gain, and two models that depart."""
    folder = tmp_path_factory.mktemp("made")
    toy.write_checkpoint(folder / "weights")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setattr(sys, "path", list(sys.path))
        for command in (
            f"export --float64 --axes candidate --out {folder}/bundle",
            f"capture --side candidate --out {folder}/right",
            f"capture --side candidate --case gain --out {folder}/wrong",
        ):
            line = [*command.split(), "--contract", str(TOY), "--checkpoint", str(folder / "weights"), "--quiet"]
            assert main(line) == 0
    (folder / "my_torch.py").write_text(MODEL)
    (folder / "my_mlx.py").write_text(PORT)
    np.savez(folder / "short.npz", x=np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4))
    return folder


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "workspace")
    return tmp_path / "workspace"


def event(folder: Path, head: str | None) -> str:
    """The file of the event of pull request 7 of owner/port, from a branch of `head`."""
    repo = head and {"full_name": head}
    pull = {"number": 7, "head": {"repo": repo}, "base": {"repo": {"full_name": "owner/port"}}}
    (folder / "event.json").write_text(json.dumps({"pull_request": pull}))
    return str(folder / "event.json")


def test_dumps_that_pass(place):
    found = run(place, WITHOUT_INSTALLING | {"bundle": "bundle", "dumps": "right"})
    assert found.codes == [0, 0]
    page = "parity-report/index.html"
    assert found.outputs == {"passed": "true", "first-wrong-tap": "", "cause": "", "report-path": page}
    assert found.summary.startswith("### parity: PASS\n")
    assert "`parity compare bundle right`" in found.summary
    assert (place / page).is_file()
    assert found.errors == []


def test_dumps_that_fail(place):
    found = run(place, WITHOUT_INSTALLING | {"bundle": "bundle", "dumps": "wrong"})
    assert found.codes == [1, 0]
    assert found.outputs["passed"] == "false"
    assert found.outputs["first-wrong-tap"] == "middle.1[step=0,cond]"
    assert "1.001 times the reference" in found.outputs["cause"]
    assert (place / found.outputs["report-path"]).is_file()
    assert found.summary == (place / "parity-report" / "comment.md").read_text()
    assert "### parity: FAIL" in found.summary and "| first wrong tap | `middle.1[step=0,cond]` |" in found.summary
    (line,) = found.errors
    assert line.startswith("::error title=parity%3A middle.1[step=0%2Ccond] is wrong::first wrong: ")


def test_models_that_depart_are_told_at_the_line_of_the_port(place):
    command = "parity compare my_torch:reference my_mlx:candidate --inputs short.npz"
    found = run(place, WITHOUT_INSTALLING | {"command": command, "report": "site"})
    assert found.codes == [1, 0]
    assert found.outputs["passed"] == "false" and found.outputs["report-path"] == "site/index.html"
    assert "reference: tanh" in found.outputs["cause"] and "port: sin" in found.outputs["cause"]
    assert (place / "site" / "index.html").is_file()
    *_, line = found.errors
    assert line.startswith("::error file=my_mlx.py,line=7,title=parity::reference: tanh")
    printed = found.printed.splitlines()  # what models print is no command to GitHub
    start = next(number for number, text in enumerate(printed) if text.startswith("::stop-commands::"))
    end = printed.index(f"::{printed[start].removeprefix('::stop-commands::')}::")
    said = [number for number, text in enumerate(printed) if text == "::error::from a model"]
    assert said and all(start < number < end for number in said) and end < printed.index(line)


@pytest.mark.parametrize(
    ("inputs", "code", "said"),
    [
        ({"bundle": "none", "dumps": "right"}, 2, "[input.missing]"),
        ({"bundle": "bundle", "dumps": "torn"}, 2, "[input.unusable]"),
        ({"bundle": "bundle"}, 2, "[usage.options]"),
        ({"command": "doctor"}, 2, "[usage.options]"),
        ({"command": "compare a b --jsn x"}, 2, "[usage.arguments]"),
    ],
)
def test_broken_input_is_no_pass_and_no_failure(place, inputs, code, said):
    shutil.copytree(place / "right", place / "torn")
    (place / "torn" / "mu.npy").write_bytes(b"half")
    (place / "parity-report").mkdir()
    (place / "parity-report" / "index.html").write_text("of an earlier step")
    found = run(place, WITHOUT_INSTALLING | inputs)
    assert found.codes == [code, 0]
    assert found.outputs["passed"] == "false" and found.outputs["report-path"] == ""
    assert found.outputs["cause"].endswith(said)
    assert found.summary.startswith("### parity: NOT JUDGED\n")
    (line,) = found.errors
    assert line.startswith("::error title=parity%3A not judged::") and line.endswith(said)


def test_one_comment_is_written_and_then_changed(place):
    with serving() as github:
        for number in range(120):
            github.add(f"talk {number}", "User")
        github.add(f"{marker('parity')}\nsomebody quotes it", "User")
        github.add(f"{marker('another')}\nof another job")
        environment = {
            "GITHUB_EVENT_PATH": event(place, "owner/port"),
            "GITHUB_REPOSITORY": "owner/port",
            "GITHUB_API_URL": github.address,
        }
        for bundle in ("none", "neither"):
            found = run(place, WITHOUT_INSTALLING | {"bundle": bundle, "dumps": "right"}, **environment)
            assert found.codes == [2, 0]
            assert len(github.comments) == 123
            body = github.comments[-1]["body"]
            assert body.startswith(f"{marker('parity')}\n### parity: NOT JUDGED\n") and f"compare {bundle} " in body
        assert github.asked == ["GET", "GET", "POST", "GET", "GET", "PATCH"]
        assert github.tokens == {"Bearer token"}


@pytest.mark.parametrize(
    ("head", "refused", "asked", "said"),
    [
        ("somebody/port", 0, 0, "::notice title=parity::A pull request from a fork gets no comment"),
        (None, 0, 0, "::notice title=parity::A pull request from a fork gets no comment"),
        ("", 0, 0, "no pull request, so no comment"),
        ("owner/port", 403, 1, "give the job `permissions: pull-requests: write`"),
    ],
)
def test_a_fork_gets_no_comment_and_a_refusal_is_a_warning(place, head, refused, asked, said):
    with serving() as github:
        github.refused = refused
        environment = {"GITHUB_REPOSITORY": "owner/port", "GITHUB_API_URL": github.address}
        if head != "":
            environment["GITHUB_EVENT_PATH"] = event(place, head)
        found = run(place, WITHOUT_INSTALLING | {"bundle": "none", "dumps": "right"}, **environment)
    assert found.codes == [2, 0]
    assert said in found.printed
    assert (len(github.asked), github.comments) == (asked, [])


def test_without_a_comment_its_step_does_not_run(place):
    assert run(place, WITHOUT_INSTALLING | {"bundle": "none", "dumps": "x", "comment": "false"}).codes == [2]


def test_what_is_installed_has_the_extras_that_there_are():
    (step,) = [step for step in ACTION["runs"]["steps"] if "pip install" in step["run"]]
    assert step["run"] == 'python -m pip install "$GITHUB_ACTION_PATH[$EXTRAS]"'
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(ACTION["inputs"]["extras"]["default"].split(",")) <= set(extras)


def test_the_workflow_of_the_page_is_right(tmp_path):
    """By actionlint, which holds what is given to the action against its inputs."""
    block, *_ = [block for block in blocks(PAGE) if block.language == "yaml"]
    text = block.text.replace("OWNER/chatterbox-parity@v0", "./")
    file = tmp_path / block.mark[1]
    file.parent.mkdir(parents=True)
    (tmp_path / ".git").mkdir()  # by which actionlint finds where `./` is
    shutil.copyfile(ROOT / "action.yml", tmp_path / "action.yml")
    file.write_text(text)
    assert lint(file) == ""
    file.write_text(text.replace("command:", "commnd:"))
    assert 'input "commnd" is not defined' in lint(file)


@pytest.mark.parametrize("what", ["inputs", "outputs"])
def test_the_page_has_what_the_action_has(what):
    heading = {"inputs": "| input | default | what it is |", "outputs": "| output | what it is |"}[what]
    table = PAGE[PAGE.index(heading) :].partition("\n\n")[0].splitlines()[2:]
    expected = []
    for name, about in ACTION[what].items():
        default = [f"`{about['default']}`" if about["default"] else "none"] if what == "inputs" else []
        expected.append(f"| {' | '.join([f'`{name}`', *default, about['description']])} |")
    assert table == expected


def test_names_of_taps_are_text_in_every_place():
    """Markdown, HTML, mentions and GitHub's own commands in a name are none of these where they are shown."""
    found = Told(False, "a|b`<img>\n::error::x", "<script> @somebody | 5%\r\n::set-output name=x::y")
    table = markdown(found, "parity compare a b")
    assert len(table.splitlines()) == 7
    assert "<script>" not in table and "@somebody" not in table and "a\\|b'<img> ::error::x`" in table
    (line,) = errors(found, Path())
    assert "\n" not in line and "5%25" in line
    assert re.fullmatch(r"::error title=[^:,]*::.*", line)


def test_lines_outside_of_the_workspace_are_not_shown_as_lines(tmp_path):
    (tmp_path / "port.py").touch()
    places = tuple(Place(file, 3, "x") for file in ("port.py", str(tmp_path / "port.py"), "../port.py", "/etc/passwd"))
    assert [line.partition(",line")[0] for line in errors(Told(False, "x", "y", places), tmp_path)] == [
        "::error file=port.py",
        "::error file=port.py",
    ]
    assert list(errors(Told(True), tmp_path)) == []
    assert PLACE.search("called at a/b.py:12)")[1] == "a/b.py"


def test_a_result_without_a_diagnosis_says_the_reason():
    first = {"tap": "x[step=1]", "branch": "cond", "reason": "differs by 2"}
    result = {"passed": False, "first_failure": first, "departures": [], "diagnosis": None, "operation": None}
    assert told(result) == Told(False, "x[step=1,cond]", "differs by 2")
    assert told(result | {"first_failure": None}).cause.endswith("see the report")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("", "", ""), "expected a command, or a bundle and dumps"),
        (("verify", "bundle", "dumps"), "give one of the two"),
        (("verify --json x.json", "", ""), "--json is the action's own"),
        (("verify 'x", "", ""), "close the quotation"),
    ],
)
def test_what_is_no_command_is_refused_in_a_sentence(given, said):
    with pytest.raises(Exception, match=said):
        command_of(*given)
    assert command_of("parity verify --case x", "", "") == ["verify", "--case", "x"]


def test_the_commands_say_what_they_take():
    command = [sys.executable, "-m", "parity.cli.github", "judge", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "--bundle" in done.stdout
