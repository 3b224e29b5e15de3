"""Every command under every fault ends as docs/faults.md says, in a sentence, and leaves all as it was."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.docs.options import commands
from tests.meta.conftest import ROOT
from tests.meta.faults import injection
from tests.meta.faults.commands import CASE, COMMANDS, FOLDER, GOLDENS, NOTHING, PAGES, Command, prepare

FAULTS = ("unwritable", "full disk", "device", "output is an input", "closed pipe", "Ctrl-C", "unreadable", "truncated")
OUTPUTS = FAULTS[:4]
INPUTS = ("output is an input", "unreadable", "truncated")
NONE = "–"
LIBRARY = "torchinductor"  # PyTorch's own folder for temporary files
PAGE = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, before = tmp_path_factory.mktemp("whole"), Path.cwd()
    os.chdir(folder)
    try:
        prepare(folder)
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def place(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which a command runs, empty but for a disk and temporary files."""
    for name in ("disk", "tmp"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fill(command: Command, whole: Path, place: Path) -> None:
    """Copy what the command's words name."""
    for name in sorted({word.partition("/")[0] for word in command.words.split()} & set(os.listdir(whole))):
        source = whole / name
        shutil.copytree(source, place / name) if source.is_dir() else shutil.copyfile(source, place / name)


def state(place: Path) -> dict[str, str]:
    """Every path below a folder, with the digest of a file, where a link leads to, and what else it is."""
    found = {}
    for path in sorted(path for path in place.rglob("*") if LIBRARY not in str(path)):
        about = os.readlink(path) if path.is_symlink() else ""
        if path.is_file() and not about:
            about = hashlib.sha256(path.read_bytes()).hexdigest()
        found[path.relative_to(place).as_posix()] = about or oct(path.lstat().st_mode)
    return found


def hurt(command: Command, fault: str, place: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> str:
    """Bring about the fault. Returns where the command is to write."""
    out = command.out
    match fault:
        case "unwritable":
            (place / "file").touch()
            return f"file/{out}"
        case "full disk" if command.kind is not NOTHING:
            stack.enter_context(injection.full_disk(place / "disk"))
            return f"disk/{out}"
        case "device":
            stack.enter_context(injection.device(place / out))
        case "output is an input":
            if command.kind in (FOLDER, GOLDENS):
                source = command.source.partition("/")[0]
                if command.kind is FOLDER:
                    return source
                (place / out).mkdir()
                (place / out / CASE).symlink_to(place / source)
                return out
            alias = f"{out}/index.html" if command.kind is PAGES else out
            (place / alias).parent.mkdir(exist_ok=True)
            os.link(command.source, alias)
        case "closed pipe":
            stack.enter_context(injection.closed_pipe(monkeypatch))
        case "Ctrl-C" if command.kind is NOTHING:
            module = sys.modules[command.run.__module__]
            monkeypatch.setattr(module, command.event, lambda *_: signal.raise_signal(signal.SIGINT))
        case "Ctrl-C":
            stack.enter_context(injection.interrupted(command.event, out))
        case "unreadable":
            injection.unreadable(place / command.source)
        case "truncated":
            injection.truncated(place / command.source)
    return out


def applies(command: Command, fault: str) -> bool:
    return not (fault in OUTPUTS and command.kind is NOTHING) and not (fault in INPUTS and not command.source)


def expected() -> dict[tuple[str, str], str]:
    """The cells of the page's table."""
    table = PAGE[PAGE.index("| command |") :].partition("\n\n")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    (head, *rows) = [[cell.strip(" `") for cell in row] for row in rows]
    return {(row[0], fault): cell for row in rows for fault, cell in zip(head[1:], row[1:], strict=True)}


def test_every_command_and_output_of_the_command_line_is_hurt():
    lines = [command.words.split() for command in COMMANDS]
    pairs = {(line[place], line[place + 1]) for line in lines for place in range(len(line) - 1)}
    for name, parser in commands().items():
        assert name in [line[0] for line in lines]
        for output in parser.get_default("writes"):
            (option,) = (action for action in parser._actions if action.dest == output)
            assert ((option.option_strings or [name])[-1], "{out}") in pairs, f"{name} {output}"


def test_the_page_has_every_command_and_fault():
    assert list(expected()) == [(command.name, fault) for command in COMMANDS for fault in FAULTS]
    none = {key for key, cell in expected().items() if cell == NONE}
    assert none == {(c.name, fault) for c in COMMANDS for fault in FAULTS if not applies(c, fault)}


@pytest.mark.parametrize(
    ("command", "fault"),
    [(command, fault) for command in COMMANDS for fault in FAULTS if applies(command, fault)],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_a_fault_ends_as_the_page_says(command, fault, whole, place, capsys, monkeypatch):
    fill(command, whole, place)
    with ExitStack() as stack:
        with monkeypatch.context() as patch:
            out = hurt(command, fault, place, stack, patch)
            before = state(place)
            capsys.readouterr()
            code = command.run(command.words.format(out=out).split())
        said = capsys.readouterr().err
        after = state(place)
    assert str(code) == expected()[command.name, fault]
    sentences = [line for line in said.splitlines() if line.startswith(command.says)]
    assert len(sentences) == (code in (2, 130)), said
    assert "Traceback" not in said
    assert {path: after.get(path) for path in before} == before
    new = [path for path in after if path not in before]
    written = code in (0, 1) or fault == "closed pipe" or (fault == "Ctrl-C" and command.event == "open")
    assert [path for path in new if not (written and f"{path}/".startswith(f"{out}/"))] == []
    assert [path for path in new if "partial" in path] == []
