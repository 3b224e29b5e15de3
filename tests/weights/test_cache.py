"""Synthetic checkpoints kept under build/: made once, added to, and outdated ones removed when nobody uses them."""

import os
import subprocess
import sys

import pytest

from spec import synthetic
from spec.synthetic import cache
from spec.synthetic.cache import cached


@pytest.fixture
def written(monkeypatch):
    """The names that are made, each as empty files."""
    names = []

    def write(out, config, files, edges):
        names.extend(files)
        out.mkdir(parents=True, exist_ok=True)
        for name in files:
            for file in synthetic.file_names(name):
                (out / file).touch()

    monkeypatch.setattr(synthetic, "write", write)
    return names


def test_what_is_there_is_not_made_again(tmp_path, written):
    folder = cached("tiny", ["s3gen"], tmp_path)
    assert cached("tiny", ["s3gen"], tmp_path) == folder
    assert written == ["s3gen"]
    assert folder.parent == tmp_path
    assert cached("full", ["s3gen"], tmp_path) != folder


def test_missing_files_are_added(tmp_path, written):
    folder = cached("tiny", ["s3gen"], tmp_path)
    assert cached("tiny", root=tmp_path) == folder
    assert written == ["s3gen", *(name for name in synthetic.DEFAULT if name != "s3gen")]
    (folder / "tokenizer.json").unlink()  # one of T3's two
    cached("tiny", root=tmp_path)
    assert written[-1] == "t3_cfg"


def test_what_write_makes_is_what_the_cache_looks_for(tmp_path):
    cached("tiny", root=tmp_path)
    (folder,) = tmp_path.iterdir()
    names = {file for name in synthetic.DEFAULT for file in synthetic.file_names(name)}
    assert {path.name for path in folder.iterdir()} == names


def test_outdated_folders_of_the_size_are_removed(tmp_path, written):
    others = [tmp_path / name for name in ("full-0123456789ab", "tiny-other-0123456789ab", "tiny-notes")]
    outdated = [tmp_path / name for name in ("tiny-0123456789ab", "tiny-ffffffffffff")]
    for folder in (*others, *outdated):
        folder.mkdir(parents=True)
        (folder / "s3gen.safetensors").touch()
    folder = cached("tiny", ["s3gen"], tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([folder, *others])


def test_edges_have_a_folder_of_their_own(tmp_path, written):
    usual, edges = (cached("tiny", ["s3gen"], tmp_path, edges=edges) for edges in (False, True))
    assert written == ["s3gen", "s3gen"]
    assert usual != edges
    assert usual.is_dir()
    assert edges.is_dir()


def test_a_folder_in_use_is_left_until_its_process_ends(tmp_path, written):
    used = tmp_path / "tiny-0123456789ab"
    program = (
        "import pathlib, sys; from spec.synthetic import cache; cache.hold(pathlib.Path(sys.argv[1])); "
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, used], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        (used / "s3gen.safetensors").touch()
        cached("tiny", ["s3gen"], tmp_path)
        assert (used / "s3gen.safetensors").exists()
        process.stdin.close()
        process.wait()
    cached("tiny", ["ve"], tmp_path)
    assert not used.exists()


def test_a_folder_that_is_removed_before_it_is_locked_is_made_again(tmp_path, monkeypatch):
    folder, lock = tmp_path / "tiny-0123456789ab", cache.fcntl.flock
    left = [1]

    def late(descriptor, operation):
        if left:
            left.pop()
            folder.rmdir()
        lock(descriptor, operation)

    monkeypatch.setattr(cache.fcntl, "flock", late)
    descriptor = cache.hold.__wrapped__(folder)
    assert not left
    assert os.path.samestat(os.fstat(descriptor), folder.stat())
    os.close(descriptor)


def test_processes_that_make_the_same_leave_it_whole(tmp_path):
    program = (
        "import pathlib, sys; from spec.synthetic.cache import cached; "
        "print(cached('tiny', ['ve', 't3_cfg', 'conds'], pathlib.Path(sys.argv[1])))"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", program, tmp_path], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    folders = {process.communicate()[0] for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(folders) == 1
    (folder,) = tmp_path.iterdir()
    names = {file for name in ("ve", "t3_cfg", "conds") for file in synthetic.file_names(name)}
    assert {path.name for path in folder.iterdir()} == names


def test_the_name_is_that_of_the_code(tmp_path, monkeypatch):
    assert cache.code_hash() == cache.code_hash.__wrapped__()
    for name in ("synthetic", "keys", "watermark"):
        assert any((cache.REFERENCE / name).glob("*.py"))
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.py").touch()
    for name in ("config.py", "turbo.py", "watermark/config.py"):
        (tmp_path / name).touch()
    monkeypatch.setattr(cache, "REFERENCE", tmp_path)
    before = cache.code_hash.__wrapped__()
    (tmp_path / "keys" / "a.py").write_text("KEYS = 3")
    keys = cache.code_hash.__wrapped__()
    (tmp_path / "turbo.py").write_text("WIDTH = 3")
    assert len({before, keys, cache.code_hash.__wrapped__()}) == 3
