"""A new user without PyTorch, MLX or an extra: every command that needs no model works, or says what to install."""

from __future__ import annotations

import json
import shutil
import sys

import pytest

from parity.cli import main
from tests.meta.conftest import ROOT, TOY
from tests.without import run_without

PROGRAM = """
import json, sys
from parity.cli import main
for line in json.loads(sys.argv[1]):
    code = main(line)
    print("\\n\\0", code, sep="", flush=True)
    print("\\n\\0", file=sys.stderr, flush=True)
"""
SIDES = ["torch", "mlx", "scipy", "soundfile", "soxr", "safetensors", "tokenizers"]
ALL = ["doctor", "inspect", "compare", "report", "history", "status"]
LACKING = {
    "no side and no extra": ([*SIDES, "jinja2", "matplotlib"], ALL),
    "no rich": (["rich"], ALL),
    "no PyTorch": (["torch"], ["doctor", "compare"]),
    "no MLX": (["mlx"], ["doctor", "compare"]),
    "no jinja2": (["jinja2"], ["report"]),
    "no matplotlib": (["matplotlib"], ["report"]),
}


@pytest.fixture(scope="module")
def lines(tmp_path_factory) -> dict[str, list[str]]:
    """The commands by name, with what earlier runs left for them."""
    out = tmp_path_factory.mktemp("alone")
    result, golden, store = out / "result.json", out / "golden", out / "history.sqlite"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setattr(sys, "path", list(sys.path))
        for line in (f"verify --json {result} --history {store}", f"capture --floors --out {golden}"):
            assert main([*line.split(), "--contract", str(TOY)]) == 0
    commands = {
        "doctor": "doctor",
        "inspect": f"inspect {golden}",
        "compare": f"compare {golden} {shutil.copytree(golden, out / 'dumps')} --contract {TOY}",
        "report": f"report {result} --out {out / 'page'}",
        "history": f"history {store}",
        "status": f"status {result} --out {out / 'status.md'} --contract {TOY}",
    }
    return {name: line.split() for name, line in commands.items()}


def expected(command: str, lacking: list[str]) -> tuple[int, str]:
    """The exit code of a command and what it says, on either stream."""
    if "rich" in lacking:
        return 2, "pip install rich"
    if command == "report" and {"jinja2", "matplotlib"} & set(lacking):
        return 2, "a report needs `pip install chatterbox-parity[report]`"
    if command == "doctor" and {"torch", "mlx"} & set(lacking):
        return 0, f"not installed: pip install {'torch' if 'torch' in lacking else 'mlx'}"
    return 0, ""


@pytest.mark.parametrize("name", LACKING)
def test_each_command_works_or_says_what_to_install(lines, name):
    lacking, names = LACKING[name]
    done = run_without(lacking, PROGRAM, json.dumps([lines[command] for command in names]))
    assert done.returncode == 0, done.stderr
    said = [part.rpartition("\n\0") for part in (done.stdout, done.stderr)]
    printed, errors = ("".join(parts).split("\n\0") for parts in said)
    codes = [int(part.splitlines()[0]) for part in printed[1:]]
    texts = [printed[0], *(part.partition("\n")[2] for part in printed[1:])]
    for command, code, out, err in zip(names, codes, texts, errors, strict=False):
        wanted, words = expected(command, lacking)
        assert code == wanted, (command, err)
        assert words in out + err, command
        assert len(err.strip().splitlines()) == (wanted != 0), (command, err)  # one sentence, or none
    assert len(codes) == len(names)
