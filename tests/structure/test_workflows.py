"""The workflows are right by actionlint; the nightly's steps run here as they stand, in a folder for each machine."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"
CHECKOUT = ("parity", "spec", "reference", "mlx_impl", "fixtures", "tests", ".github")
ACTIONLINT = shutil.which("actionlint", path=sysconfig.get_path("scripts"))


def lint(*files: Path) -> str:
    """What actionlint says of workflow files; nothing when they are right."""
    assert ACTIONLINT, "actionlint is not installed beside this Python; install the dependency group `test`"
    return subprocess.run([ACTIONLINT, *map(str, files)], capture_output=True, text=True, cwd=ROOT).stdout


def steps(workflow: str, job: str, **matrix: str) -> list[str]:
    """The commands of a job's `run` steps that are for this member of the matrix, expressions filled in."""
    found = []
    for step in yaml.safe_load((WORKFLOWS / workflow).read_text())["jobs"][job]["steps"]:
        condition = step.get("if", "")
        wanted = re.fullmatch(r"matrix\.(\w+) == '(.*)'", condition)
        if "run" not in step or (wanted and matrix[wanted[1]] != wanted[2]) or "outcome" in condition:
            continue
        command = step["run"]
        for name, value in matrix.items():
            command = command.replace(f"${{{{ matrix.{name} }}}}", value)
        assert "${{" not in command
        environment = "".join(f"{name}={value} " for name, value in step.get("env", {}).items())
        found.append(environment + command)
    return found


def test_the_workflows_are_right():
    files = sorted(WORKFLOWS.glob("*.yml"))
    assert [file.name for file in files] == ["ci.yml", "nightly.yml", "publish.yml"]
    assert lint(*files) == ""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("needs: reference", "needs: nobody", 'needs job "nobody"'),
        ("${{ matrix.case }}", "${{ matrix.place }}", "place"),
        ("runs-on: ubuntu-24.04", "runs-on: ubuntu-1.0", "ubuntu-1.0"),
    ],
)
def test_a_wrong_workflow_is_seen(tmp_path, old, new, message):
    text = (WORKFLOWS / "nightly.yml").read_text()
    assert old in text
    (tmp_path / "wrong.yml").write_text(text.replace(old, new))
    assert message in lint(tmp_path / "wrong.yml")


def test_the_cases_of_both_machines_are_the_same_and_exist():
    from fixtures import cases

    jobs = yaml.safe_load((WORKFLOWS / "nightly.yml").read_text())["jobs"]
    names = jobs["reference"]["strategy"]["matrix"]["case"]
    assert names == jobs["candidate"]["strategy"]["matrix"]["case"]
    assert set(names) <= set(cases.CASES)


def left_out(tox: str) -> set[str]:
    """The environments of a tox.ini that `tox run -m all` does not run. `parity` is the command itself."""
    config = configparser.ConfigParser(interpolation=None)
    config.read_string(tox)
    (listed,) = re.findall(r"^all = (.*)$", config["tox"]["labels"], flags=re.MULTILINE)
    every = {name.removeprefix("testenv:") for name in config.sections() if name.startswith("testenv:")}
    return (every | {"tests"}) ^ {"parity", *listed.split(", ")}


def test_one_command_and_every_night_run_every_environment():
    assert left_out((ROOT / "tox.ini").read_text()) == set()
    assert "python -m tox run -m all" in steps("nightly.yml", "environments")
    jobs = yaml.safe_load((WORKFLOWS / "nightly.yml").read_text())["jobs"]
    shards = jobs["ports"]["strategy"]["matrix"]["shard"]
    assert jobs["environments"]["env"] == {"TOX_SKIP_ENV": "ports"}
    assert shards == [f"{number}/{len(shards)}" for number in range(1, len(shards) + 1)]
    assert "python -m tox -e ports -- --shard 1/4" in steps("nightly.yml", "ports", shard="1/4")
    assert set(jobs["report"]["needs"]) == set(jobs) - {"report"}
    parts = jobs["mutants"]["strategy"]["matrix"]["shard"]
    assert parts == [f"{number}/{len(parts)}" for number in range(1, len(parts) + 1)]


def test_an_environment_that_nobody_runs_is_seen():
    tox = (ROOT / "tox.ini").read_text()
    assert left_out(f"{tox}\n[testenv:rotten]\ncommands = false\n") == {"rotten"}
    assert left_out(tox.replace(", browser,", ",")) == {"browser"}


def checkout(folder: Path) -> Path:
    for name in CHECKOUT:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "golden"))
    return folder


def run(folder: Path, commands: list[str], **variables: str) -> list[int]:
    """Exit codes of commands in a checkout of its own, tox's environment `parity` being this one.

    The site is left out: it is an environment by itself, and tests/site shows that it takes the report in.
    """
    environment = os.environ | {"PYTHONPATH": str(folder), "MLX_ENABLE_TF32": "0"} | variables
    codes = []
    for command in commands:
        if command in ("python -m pip install tox", "python -m tox -e site"):
            continue
        here = command.replace("python -m tox -e parity --", f"{sys.executable} -m parity")
        here = here.replace("python -m tox exec -e parity -- python", sys.executable)
        codes.append(
            subprocess.run(["bash", "-euc", here], cwd=folder, env=environment, capture_output=True).returncode
        )
    return codes


def test_a_night_on_two_machines(tmp_path):
    """Reference, candidate and report, each in a folder of its own, give the verdicts of one run of both sides."""
    linux, mac, third = (checkout(tmp_path / name) for name in ("linux", "mac", "third"))
    assert run(linux, steps("nightly.yml", "reference", case="tiny")) == [0, 0, 0, 0]
    assert json.loads((linux / "build" / "audits" / "tiny.json").read_text())["passed"]
    assert (linux / "build" / "golden" / "manifest.json").is_file()
    shutil.copytree(linux / "build", mac / "build")  # the artifact
    shutil.rmtree(linux)
    assert run(mac, steps("nightly.yml", "candidate", case="tiny", system="macos-26")) == [0, 0, 0]
    for machine, name in ((mac, "results"), (mac, "audits")):
        shutil.copytree(machine / "build" / name, third / "build" / name)
    commands = [each for each in steps("nightly.yml", "report") if " mutate " not in each]  # tests/mutate has shards
    codes = run(third, commands, GITHUB_STEP_SUMMARY=str(tmp_path / "summary"))
    assert codes == [0, 0, 0, 0]
    assert (tmp_path / "summary").read_text().startswith("# PASS")
    report = third / "build" / "nightly"
    assert {file.name for file in report.iterdir()} >= {
        "index.html",
        "report.json",
        "summary.md",
        "junit.xml",
        "status.md",
    }
    assert json.loads((report / "report.json").read_text())["audits"].keys() == {"build/audits/tiny.json"}
    assert "| pass | tiny |" in (report / "status.md").read_text()
    assert (third / "build" / "history.sqlite").is_file()

    command = f"{sys.executable} -m parity verify --case tiny --json build/one.json"
    assert run(mac, [command]) == [0]
    one = json.loads((mac / "build" / "one.json").read_text())
    two = json.loads((mac / "build" / "results" / "macos-26-tiny.json").read_text())
    for key in ("passed", "verdicts", "checks", "places", "pictures", "sounds", "expected_verdicts", "ties"):
        assert one[key] == two[key]
    defaults = json.loads((mac / "build" / "results" / "macos-26-tiny-defaults.json").read_text())
    assert defaults["informative"] is True


def test_a_release_has_no_secret_and_no_more_permissions_than_each_job_needs():
    workflow = yaml.safe_load((WORKFLOWS / "publish.yml").read_text())
    assert workflow["permissions"] == {} and workflow[True] == {"push": {"tags": ["v*"]}}
    assert "secrets." not in (WORKFLOWS / "publish.yml").read_text()
    jobs = workflow["jobs"]
    assert {name: job["permissions"] for name, job in jobs.items()} == {
        "build": {"contents": "read"},
        "attest": {"id-token": "write", "attestations": "write"},
        "publish": {"id-token": "write"},
    }
    assert jobs["build"]["if"] == "${{ !github.event.repository.fork }}"  # the others need it
    assert jobs["attest"]["needs"] == "build" and jobs["publish"]["needs"] == ["build", "attest"]
    assert [name for name, job in jobs.items() if any("run" in step for step in job["steps"])] == ["build"]


@pytest.mark.parametrize(
    ("tag", "heading", "said"),
    [
        ("v1.2.3", "[1.2.3] - 2030-01-31", ""),
        ("v1.2.4", "[1.2.3] - 2030-01-31", "expected the tag v1.2.3"),
        ("1.2.3", "[1.2.3] - 2030-01-31", "expected the tag v1.2.3"),
        ("v1.2.3", "[Unreleased]", "CHANGELOG.md has no heading"),
        ("v1.2.3", "[1.2.3] - soon", "CHANGELOG.md has no heading"),
    ],
)
def test_a_tag_is_of_a_version_that_the_changelog_has(tmp_path, tag, heading, said):
    (tmp_path / ".github").mkdir()
    shutil.copy(ROOT / ".github" / "release", tmp_path / ".github" / "release")
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n## {heading}\n")
    command = [sys.executable, str(tmp_path / ".github" / "release"), tag]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode == 0) == (said == "") and said in done.stderr


@pytest.mark.parametrize(("open_issue", "did"), [("", "issue create"), ("7", "issue comment 7")])
def test_a_failed_night_is_told_once(tmp_path, open_issue, did):
    """With a `gh` that notes what it is asked."""
    gh = tmp_path / "gh"
    gh.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n[ "$2" = list ] && printf %s "{open_issue}"\nexit 0\n')
    gh.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    command = [str(ROOT / ".github" / "failed-nightly"), str(tmp_path / "none.md"), "address"]
    subprocess.run(command, env=os.environ | {"PATH": path}, check=True)
    asked = (tmp_path / "asked").read_text().splitlines()
    assert len(asked) == 2
    assert did in asked[1]
