"""Runs the steps of a composite action as GitHub does: expressions filled in, commands by bash, its files read."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))


@dataclass
class Run:
    """What came of an action: the exit code of each step that ran, what was printed, outputs and the summary."""

    codes: list[int] = field(default_factory=list)
    printed: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""

    @property
    def errors(self) -> list[str]:
        return [line for line in self.printed.splitlines() if line.startswith("::error")]


def run(place: Path, inputs: dict[str, str], **environment: str) -> Run:
    """Run the action in a workspace. `inputs` are those that are given; the others have their defaults."""
    assert inputs.keys() <= ACTION["inputs"].keys()
    given = {name: about["default"] for name, about in ACTION["inputs"].items()} | inputs
    files = {name: place / ".." / f"{place.name}.{name}" for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    found, outcomes = Run(), {}
    for step in ACTION["runs"]["steps"]:
        if not applies(step.get("if", "success()"), given, outcomes, failed=any(found.codes)):
            outcomes[step.get("id", "")] = "skipped"
            continue
        assert step["shell"] == "bash" and "${{" not in step["run"]
        own = {name: filled(value, given) for name, value in step.get("env", {}).items()}
        runner = {name: str(file) for name, file in files.items()} | {
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_WORKSPACE": str(place),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        }
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        done = subprocess.run(
            command, cwd=place, env=os.environ | runner | environment | own, capture_output=True, text=True
        )
        found.codes.append(done.returncode)
        found.printed += done.stdout + done.stderr
        outcomes[step.get("id", "")] = "failure" if done.returncode else "success"
    lines = files["GITHUB_OUTPUT"].read_text().splitlines() if files["GITHUB_OUTPUT"].exists() else []
    written = dict(line.split("=", 1) for line in lines)
    for name, about in ACTION["outputs"].items():
        (key,) = re.fullmatch(r"\$\{\{ steps\.judge\.outputs\.([\w-]+) \}\}", about["value"]).groups()
        found.outputs[name] = written[key]
    found.summary = files["GITHUB_STEP_SUMMARY"].read_text()
    return found


def filled(text: str, inputs: dict[str, str]) -> str:
    """A value with its expressions filled in; the token of a job is `token`."""
    known = {f"inputs.{name}": value for name, value in inputs.items()} | {"github.token": "token"}
    return re.sub(r"\$\{\{ ([\w.-]+) \}\}", lambda found: known[found[1]], text)


def applies(condition: str, inputs: dict[str, str], outcomes: dict[str, str], failed: bool) -> bool:
    """Whether a step runs: `always()` or no failure so far, and each comparison of an input or an outcome."""
    terms = condition.split(" && ")
    values = {f"inputs.{name}": value for name, value in inputs.items()}
    values |= {f"steps.{name}.outcome": outcome for name, outcome in outcomes.items()}
    for term in set(terms) - {"always()", "success()"}:
        left, operator, right = term.split(" ")
        if (values[left] == right.strip("'")) != {"==": True, "!=": False}[operator]:
            return False
    return "always()" in terms or not failed
