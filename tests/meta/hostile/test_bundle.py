"""A bundle that others made: judging dumps by it runs nothing that lies in it, and follows no number that it says."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from parity.capture.golden import MANIFEST
from parity.cli import main
from parity.run import dumps as offline
from tests.meta import toy
from tests.meta.test_altered_bundle import edit


@pytest.fixture(scope="module")
def exported(toy_contract, toy_checkpoint, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("hostile")
    offline.capture(toy_contract, toy.load("tiny"), toy_checkpoint, "reference", out / "bundle", bundle="candidate")
    offline.capture(toy_contract, toy.load("tiny"), toy_checkpoint, "candidate", out / "dumps")
    return out


@pytest.fixture
def bundle(exported, tmp_path) -> Path:
    return Path(shutil.copytree(exported / "bundle", tmp_path / "bundle"))


def compare(bundle: Path, exported: Path) -> int:
    return main(["compare", str(bundle), str(exported / "dumps"), "--quiet"])


def test_settings_of_git_in_a_bundle_run_nothing(bundle, exported, tmp_path) -> None:
    trace = tmp_path / "ran"
    git = ["git", "-C", str(bundle), "-c", "user.name=x", "-c", "user.email=x"]
    for words in (["init", "-q"], ["add", MANIFEST], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *words], check=True)
    with (bundle / ".git" / "config").open("a") as file:
        file.write(f'[core]\n\tfsmonitor = "touch {trace}; false"\n')
    assert compare(bundle, exported) == 0
    assert not trace.exists()
    subprocess.run(["git", "-C", str(bundle), "describe", "--always", "--dirty"], check=True, capture_output=True)
    assert trace.exists()  # it would have


def test_the_sides_of_a_bundle_are_not_imported(bundle, exported, monkeypatch, tmp_path) -> None:
    (bundle / "evil_sides.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    text = (bundle / "contract.toml").read_text().replace("tests.meta.toy", "evil_sides")
    (bundle / "contract.toml").write_text(text)
    monkeypatch.chdir(bundle)
    assert main(["compare", ".", str(exported / "dumps"), "--quiet", "--contract", "contract.toml"]) == 0
    assert "evil_sides" in text and not (tmp_path / "ran").exists()


@pytest.mark.parametrize("length", [1 << 60, -1, 2.5, "2", None])
def test_a_loop_of_another_length_is_refused(bundle, exported, capsys, length) -> None:
    edit(bundle, lambda manifest: manifest["dims"].update(steps=length))
    assert compare(bundle, exported) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert "expected whole numbers up to 1000000" in said


def test_a_link_leads_to_what_the_manifest_says_alone(bundle, exported, capsys, tmp_path) -> None:
    """Content counts: the hash in the manifest, wherever a file lies. Caches of downloads are made of links."""
    file = next(iter(sorted(bundle.glob("*.npy"))))
    moved = Path(shutil.move(file, tmp_path / "moved.npy"))
    file.symlink_to(moved)
    assert compare(bundle, exported) == 0
    file.unlink()
    file.symlink_to("/etc/hostname")
    assert compare(bundle, exported) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert "expected an NPY file" in said
