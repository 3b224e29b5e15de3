"""`python -m parity.cli.github`: the steps of action.yml, as commands that run anywhere.

`judge` runs a command of parity, and writes its outcome where GitHub looks for it: outputs, a summary, errors at lines.
`comment` puts the summary on the pull request, in one comment that later runs change.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from parity.base import bounded
from parity.base.arguments import Parser
from parity.base.errors import UsageError
from parity.base.files import write_text
from parity.base.gate import BROKEN, FAILURE, PASS, guarded
from parity.show.github import Told, errors, markdown, told

JUDGES = ("compare", "prove", "verify", "demo")
RESULT, COMMENT, PAGE = "result.json", "comment.md", "index.html"
EXAMPLE = "python -m parity.cli.github judge --bundle bundle --dumps dumps --out parity-report"


def main(arguments: list[str] | None = None) -> int:
    """Run a step and return its exit code: that of the command that judges."""
    options = parser().parse_args(arguments)
    return guarded("parity.cli.github", lambda: int(options.run(options)))


def parser() -> argparse.ArgumentParser:
    top = Parser(prog="python -m parity.cli.github", description="The steps of the GitHub action.", example=EXAMPLE)
    steps = top.add_subparsers(dest="step", required=True)
    step = steps.add_parser("judge", help="run a command of parity and tell GitHub what came of it")
    step.add_argument("--command", default="", help=f"command without `parity`, one of {', '.join(JUDGES)}")
    step.add_argument("--bundle", default="", help="bundle or golden folder; with --dumps, in place of a command")
    step.add_argument("--dumps", default="", help="folder of what the port wrote")
    step.add_argument("--out", type=Path, required=True, help="folder for the result, the report and the comment")
    step.set_defaults(run=judge)
    step = steps.add_parser("comment", help="put a text on the pull request, in place of the one of an earlier run")
    step.add_argument("--body", type=Path, required=True, help="Markdown to show")
    step.add_argument("--name", default="parity", help="one comment for each name (%(default)s)")
    step.set_defaults(run=_comment)
    return top


def judge(options: argparse.Namespace) -> int:
    """Run the command. Whatever came of it is told: a pass, a failure, and that nothing could be judged."""
    result, out = options.out / RESULT, options.out
    for file in (result, out / PAGE):
        file.unlink(missing_ok=True)  # of an earlier step
    try:
        words = command_of(options.command, options.bundle, options.dumps)
        page = ["--report", str(out)] if _makes_a_page(words) else []
        code, said = _run([*words, "--json", str(result), *page])
    except UsageError as error:
        words, code, said = [], BROKEN, f"{error} [{error.code}]"
        print(f"parity.cli.github: {said}", file=sys.stderr)
    found = Told(None, cause=said)
    if code in (PASS, FAILURE):
        found = told(bounded.read_json(result))
        if words[0] == "compare" and not _makes_a_page(words):
            _run(["report", str(result), "--out", str(out), "--quiet"])
    _tell(found, shlex.join(["parity", *words]) if words else "", out)
    return code


def command_of(command: str, bundle: str, dumps: str) -> list[str]:
    """The words of the command that judges. Raises `UsageError` for none, for two, and for one that judges nothing."""
    if bool(bundle) != bool(dumps) or bool(command.strip()) == bool(bundle):
        raise UsageError("expected a command, or a bundle and dumps; give one of the two")
    if bundle:
        return ["compare", bundle, dumps]
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"command {command!r}: cannot be read ({error}); close the quotation") from error
    words = words[1:] if words[0] == "parity" else words
    if words[:1] == [] or words[0] not in JUDGES:
        raise UsageError(f"command {command!r}: expected one that judges: {', '.join(JUDGES)}")
    if own := [word for word in words if word.partition("=")[0] in ("--json", "--report")]:
        raise UsageError(f"command {command!r}: {own[0]} is the action's own; leave it out, and name its folder")
    return words


def _makes_a_page(words: list[str]) -> bool:
    """Whether the command takes `--report`. Of dumps, `parity report` makes the page; proofs and demos have none."""
    models = words[0] == "compare" and any(word.startswith("--inputs") for word in words)
    return models or (words[0] == "verify" and "--exact" not in words)


def _run(words: list[str]) -> tuple[int, str]:
    """The exit code of a command of parity, and the last sentence of its errors. Both outputs are shown."""
    line = [sys.executable, "-m", "parity", *words]
    last = ""
    with _no_commands(), subprocess.Popen(line, stderr=subprocess.PIPE, text=True, errors="replace") as process:
        for text in process.stderr or ():
            sys.stderr.write(text)
            last = text.strip().partition(": ")[2] or last
    return process.returncode, last


@contextmanager
def _no_commands() -> Iterator[None]:
    """What a model or a tap's name prints is no command to GitHub."""
    if not os.environ.get("GITHUB_ACTIONS"):
        yield
        return
    token = secrets.token_hex(16)
    print(f"::stop-commands::{token}", flush=True)
    try:
        yield
    finally:
        print(f"::{token}::", flush=True)


def _tell(found: Told, command: str, out: Path) -> None:
    """Outputs, summary, comment and errors, each where GitHub looks for it, else on standard output."""
    page = str(out / PAGE) if (out / PAGE).is_file() else ""
    text = markdown(found, command, page)
    write_text(text, out / COMMENT)
    values = {
        "passed": "true" if found.passed else "false",
        "first-wrong-tap": found.tap,
        "cause": found.cause,
        "report-path": page,
    }
    _append("GITHUB_OUTPUT", "".join(f"{name}={' '.join(value.split())}\n" for name, value in values.items()))
    _append("GITHUB_STEP_SUMMARY", text)
    for line in errors(found, Path(os.environ.get("GITHUB_WORKSPACE", "."))):
        print(line, flush=True)


def _append(variable: str, text: str) -> None:
    if file := os.environ.get(variable):
        with open(file, "a", encoding="utf-8") as stream:
            stream.write(text)
    else:
        print(text, end="")


def _comment(options: argparse.Namespace) -> int:
    from parity.cli.pull_request import comment

    comment(options.body.read_text(encoding="utf-8"), options.name)
    return PASS


if __name__ == "__main__":
    sys.exit(main())
