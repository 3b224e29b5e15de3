"""The regeneration script: what it shows, what it replaces, and what it leaves alone."""

import shutil

import numpy as np
import pytest

from fixtures import regenerate
from parity.base import npy
from parity.capture.golden import Golden, writing


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


def alter(folder, name: str, change) -> None:
    """Replace one golden by another value, its manifest included, as an older reference would have left it."""
    golden = Golden(folder)
    array = change(golden.load(name))
    npy.write(folder / f"{name}.npy", array)
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace(golden.entries[name]["sha256"], npy.canonical_sha256(array)))


def test_twice_gives_the_same_bytes(stored, fresh, capsys):
    before = {path.name: path.read_bytes() for path in (stored / "tiny-flow").rglob("*.*")}
    assert regenerate.main(["tiny-flow", "--out", str(stored), "--accept"]) == 0
    assert {path.name: path.read_bytes() for path in (stored / "tiny-flow").rglob("*.*")} == before
    assert "972 taps, 972 bit-equal" in capsys.readouterr().out


def test_a_difference_is_shown_and_kept_until_it_is_accepted(stored, capsys):
    alter(stored / "tiny-flow", "ode.state[step=4]", lambda array: array + 1)
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


@pytest.mark.parametrize(("floors", "code"), [(1.4, 0), (2.1, 1)])
def test_what_another_processor_rounds_otherwise_is_no_difference(stored, capsys, floors, code):
    folder, name = stored / "tiny-flow", "ode.state[step=4]"
    floor = max(Golden(folder).entries[name]["floors"].values())
    noise = np.random.default_rng(0).standard_normal(Golden(folder).load(name).shape)
    noise *= floors * floor / np.sqrt(np.mean(noise**2))
    alter(folder, name, lambda array: (array + noise).astype(np.float32))
    before = (folder / f"{name}.npy").read_bytes()
    assert regenerate.main(["tiny-flow", "--out", str(stored)]) == code
    printed = " ".join(capsys.readouterr().out.split())
    assert ("1 taps differ by rounding alone, by 1.4 noise floors at most" in printed) == (code == 0)
    assert (folder / f"{name}.npy").read_bytes() == before


def test_another_decision_is_no_rounding(tmp_path):
    """A token has no noise floor: that one of a hundred is its neighbour is an error of 0.1."""
    old, new = (tmp_path / side for side in ("old", "new"))
    about = {"inputs": {"x": "1"}, "checkpoint": {"y": "2"}, "generator": 1}
    for folder, last in ((old, 3), (new, 4)):
        with writing(folder, about) as trace:
            trace.add("codes", np.array([0] * 99 + [last]), axes="t", floors={"": 1.0}, margins={})
    (change,) = regenerate.changes(old, new)
    assert change.ratio == pytest.approx(0.1)
    assert not change.rounding


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
