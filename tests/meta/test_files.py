"""parity.base.files: what is written is there whole, or what was there before."""

import hashlib
import re

import pytest

from parity.base.errors import InputError
from parity.base.files import file_sha256, replacing, write_text


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


def test_a_digest_is_of_all_bytes(tmp_path):
    content = bytes(range(256)) * 5000
    (tmp_path / "file").write_bytes(content)
    assert file_sha256(tmp_path / "file") == hashlib.sha256(content).hexdigest()
