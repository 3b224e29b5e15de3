"""The regeneration script: what it shows, what it replaces, and what it leaves alone."""

import shutil

import pytest

from fixtures import regenerate
from parity.base import npy
from parity.capture.golden import Golden


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """A folder with the goldens of the tiny flow, made now."""
    out = tmp_path_factory.mktemp("golden")
    assert regenerate.main(["tiny-flow", "--out", str(out)]) == 0
    return out


@pytest.fixture
def stored(fresh, tmp_path):
    shutil.copytree(fresh / "tiny-flow", tmp_path / "tiny-flow")
    return tmp_path


def alter(folder, name: str) -> None:
    """Replace one golden by another value, its manifest included, as an older reference would have left it."""
    golden = Golden(folder)
    array = golden.load(name) + 1
    npy.write(folder / f"{name}.npy", array)
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace(golden.entries[name]["sha256"], npy.canonical_sha256(array)))


def test_twice_gives_the_same_bytes(stored, fresh, capsys):
    before = {path.name: path.read_bytes() for path in (stored / "tiny-flow").rglob("*.*")}
    assert regenerate.main(["tiny-flow", "--out", str(stored), "--accept"]) == 0
    assert {path.name: path.read_bytes() for path in (stored / "tiny-flow").rglob("*.*")} == before
    assert "972 taps, 972 bit-equal" in capsys.readouterr().out


def test_a_difference_is_shown_and_kept_until_it_is_accepted(stored, capsys):
    alter(stored / "tiny-flow", "ode.state[step=4]")
    before = (stored / "tiny-flow/ode.state[step=4].npy").read_bytes()
    assert regenerate.main(["tiny-flow", "--out", str(stored)]) == 1
    printed = capsys.readouterr().out
    assert "972 taps, 971 bit-equal" in printed
    assert "ode.state[step=4]" in printed
    assert "--accept" in printed
    assert (stored / "tiny-flow/ode.state[step=4].npy").read_bytes() == before
    assert regenerate.main(["tiny-flow", "--out", str(stored), "--accept"]) == 0
    assert (stored / "tiny-flow/ode.state[step=4].npy").read_bytes() != before
    assert [path.name for path in stored.iterdir()] == ["tiny-flow"]


def test_another_checkpoint_is_a_change_even_if_no_value_differs(stored, capsys):
    manifest = stored / "tiny-flow/manifest.json"
    digest = Golden(stored / "tiny-flow").manifest["checkpoint"]["s3gen.safetensors"]
    manifest.write_text(manifest.read_text().replace(digest, 64 * "0"))
    assert regenerate.main(["tiny-flow", "--out", str(stored)]) == 1
    assert "checkpoint" in capsys.readouterr().out
    assert regenerate.main(["tiny-flow", "--out", str(stored), "--accept"]) == 0
    assert digest in manifest.read_text()


def test_an_unknown_case_is_refused(tmp_path, capsys):
    assert regenerate.main(["tinny", "--out", str(tmp_path)]) == 2
    assert "unknown case 'tinny'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
