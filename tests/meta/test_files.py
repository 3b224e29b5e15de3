"""parity.base.files: what is written is there whole, or what was there before."""

import errno
import hashlib
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from parity.base.errors import InputError
from parity.base.files import ANY, FOLDER, JSON, WAV, file_sha256, replacing, require_new, try_outputs, write_text


@pytest.fixture
def old(tmp_path):
    """A file and a folder that are there already."""
    (tmp_path / "file").write_text("old")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").write_text("old")
    return tmp_path


def write_folder(path):
    with replacing(path) as partial:
        partial.mkdir()
        (partial / "new").write_text("new")


def test_files_and_folders_are_replaced(old):
    write_text("new", old / "file")
    write_folder(old / "folder")
    write_folder(old / "above" / "another")
    assert (old / "file").read_text() == "new"
    assert [path.name for path in (old / "folder").iterdir()] == ["new"]
    assert sorted(path.name for path in old.iterdir()) == ["above", "file", "folder"]
    assert (old / "above" / "another" / "new").read_text() == "new"


@pytest.mark.parametrize("name", ["file", "folder"])
def test_of_a_block_that_fails_nothing_is_left(old, name):
    def fail():
        with replacing(old / name) as partial:
            if name == "folder":
                partial.mkdir()
                partial = partial / "new"
            partial.write_text("half")
            raise OSError("the model cannot be read")

    with pytest.raises(OSError, match="the model cannot be read"):
        fail()
    assert sorted(path.name for path in old.iterdir()) == ["file", "folder"]
    assert (old / "file").read_text() == (old / "folder" / "old").read_text() == "old"


@pytest.mark.parametrize("name", ["folder", "file/below", "folder/..", "."])
def test_what_cannot_be_written_is_said(old, monkeypatch, name):
    monkeypatch.chdir(old)
    with pytest.raises(InputError, match=re.escape(name) + r": cannot be written \(.*\); give another name"):
        write_text("new", old.__class__(name))
    assert sorted(path.name for path in old.iterdir()) == ["file", "folder"]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_that_was_made_for_a_block_that_fails_is_removed(old):
    with pytest.raises(OSError, match="no model"), replacing(old / "a" / "b" / "new"):
        raise OSError("no model")
    assert names(old) == ["file", "folder"]


def test_an_interrupt_between_two_renames_loses_nothing(old, monkeypatch):
    renamed = os.replace

    def replace(source, target):
        if str(source).endswith(".partial"):
            raise KeyboardInterrupt
        renamed(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        write_folder(old / "folder")
    assert names(old) == ["file", "folder"]
    assert (old / "folder" / "old").read_text() == "old"


def test_a_full_disk_is_said_of_the_file_that_was_asked_for(old):
    def fill():
        with replacing(old / "folder") as outer, replacing(outer / "file"):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(
        InputError, match=re.escape(f"{old / 'folder'}/file: cannot be written (No space left on device)")
    ):
        fill()


def test_a_symbolic_link_is_kept(old):
    (old / "link").symlink_to("file")
    (old / "dangling").symlink_to("made")
    (old / "loop").symlink_to("loop")
    for name, target in (("link", "file"), ("dangling", "made")):
        write_text("new", old / name)
        assert (old / name).readlink() == Path(target)
        assert (old / target).read_text() == "new"
    with pytest.raises(InputError, match="Too many levels of symbolic links"):
        write_text("new", old / "loop")
    assert (old / "loop").is_symlink()


def test_the_mode_of_a_file_is_kept(old):
    (old / "file").chmod(0o600)
    write_text("new", old / "file")
    assert (old / "file").stat().st_mode & 0o777 == 0o600


def test_a_pipe_is_written_through(old):
    os.mkfifo(old / "pipe")
    read = []
    reader = threading.Thread(target=lambda: read.append((old / "pipe").read_text()))
    reader.start()
    try_outputs([(old / "pipe", JSON)])
    write_text("new", old / "pipe")
    reader.join()
    assert read == ["new"]
    assert (old / "pipe").is_fifo()
    assert names(old) == ["file", "folder", "pipe"]


def test_a_name_of_an_open_file_is_written_through(old):
    """`/dev/stdout` leads there: a rename would leave what was printed in a file without a name."""
    with (old / "file").open("a") as stream:
        path = Path(f"/dev/fd/{stream.fileno()}")
        try_outputs([(path, JSON)])
        write_text(" and new", path)
    assert (old / "file").read_text() == "old and new"


@pytest.mark.parametrize("write", [lambda path: path.hardlink_to, lambda path: path.symlink_to])
def test_an_output_that_is_an_input_is_refused(old, write):
    alias = old / "alias"
    write(alias)(old / "folder" / "old")
    for read in (old / "folder", old / "folder" / "old"):
        for path in (alias, old / "folder" / "old"):
            with pytest.raises(InputError, match=r"is read as well \(.*\), and would be destroyed"):
                try_outputs([(path, ANY)], [read])
    with pytest.raises(InputError, match="is read as well"):
        try_outputs([(old / "folder", FOLDER)], [alias])
    try_outputs([(old / "file", ANY), (old / "folder" / "new", ANY)], [old / "folder"])


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ([("file/below", ANY)], "cannot be written (Not a directory)"),
        ([("/proc/none", ANY)], "cannot be written (No such file or directory)"),
        ([("/proc/none/folder", FOLDER)], "cannot be written (No such file or directory)"),
        ([("folder", ANY)], "cannot be written (Is a directory)"),
        ([("a" * 256, ANY)], "cannot be written (File name too long)"),
        ([("a\0", ANY)], "cannot be written (embedded null byte)"),
        ([("file", JSON)], "is a file of another kind"),
        ([("file", WAV)], "is a file of another kind"),
        ([("new", ANY), ("./new", ANY)], "cannot be written beside new"),
        ([("new/index.html", ANY), ("new", JSON)], "cannot be written beside new"),
        ([("new", JSON), ("new", FOLDER)], "cannot be written beside new"),
    ],
)
def test_a_place_is_tried_before_the_work(old, monkeypatch, outputs, message):
    monkeypatch.chdir(old)
    with pytest.raises(InputError, match=re.escape(message)):
        try_outputs([(Path(path), kind) for path, kind in outputs])
    assert names(old) == ["file", "folder"]


def test_a_file_that_may_not_be_written_is_refused(old, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write any
    with pytest.raises(InputError, match="Permission denied"):
        try_outputs([(old / "file", ANY)])


def test_a_trial_of_good_places_leaves_all_as_it_is(old):
    (old / "result.json").write_text('{"old": 1}')
    (old / "empty").touch()
    given = [old / "result.json", old / "empty", old / "new" / "result.json", Path("-")]
    try_outputs([(path, JSON) for path in given] + [(old / "new", FOLDER)], [old / "file"])
    assert names(old) == ["empty", "file", "folder", "result.json"]
    assert (old / "result.json").read_text() == '{"old": 1}'


def test_what_replaces_nothing_refuses_what_is_there(old):
    (old / "dangling").symlink_to("nowhere")
    for name in ("file", "dangling"):
        with pytest.raises(InputError, match="exists; nothing is replaced"):
            require_new([old / "new", old / name])
    with pytest.raises(InputError, match="cannot be written"):
        require_new([old / "file" / "new"])
    require_new([old / "new"])


def test_a_digest_is_of_all_bytes(tmp_path):
    content = bytes(range(256)) * 5000
    (tmp_path / "file").write_bytes(content)
    assert file_sha256(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_a_command_that_is_stopped_leaves_nothing_behind(tmp_path):
    script = (
        "import signal, sys\n"
        "from pathlib import Path\n"
        "from parity.base.files import replacing\n"
        "from parity.base.gate import guarded\n"
        "def command():\n"
        "    with replacing(Path('out')) as partial:\n"
        "        partial.write_text('half')\n"
        "        signal.raise_signal(signal.SIGTERM)\n"
        "code = guarded('parity', command)\n"
        "assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL\n"
        "sys.exit(code)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stderr) == (130, "parity: terminated [interrupted]\n")
    assert list(tmp_path.iterdir()) == []
