"""parity.capture.golden: a golden folder is written whole or not at all, and nothing altered is read from it."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from parity.base import npy
from parity.base.errors import InputError
from parity.base.files import file_sha256
from parity.capture.golden import MANIFEST, Golden, writing

MU = np.arange(24, dtype=np.float32).reshape(1, 4, 6)
CODES = np.arange(6).reshape(2, 3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "deep" / "golden"
    with writing(folder, {"case": "toy"}) as stored:
        stored.add("mu[step=1]", MU, axes="b c t", floors={"cond": 1e-6, "uncond": 2e-6}, local={}, margins=[])
        stored.add("codes", CODES, axes="b t", floors={}, local={}, margins=[])
        stored.add("turned", MU.transpose(0, 2, 1), axes="b t c", floors={}, local={}, margins=[])
    return folder


def change(folder: Path, **entries: object) -> None:
    """Change the manifest."""
    manifest = json.loads((folder / MANIFEST).read_text()) | entries
    (folder / MANIFEST).write_text(json.dumps(manifest))


def change_tap(folder: Path, position: int, **entries: object) -> None:
    taps = json.loads((folder / MANIFEST).read_text())["taps"]
    taps[position] |= entries
    change(folder, taps=taps)


def test_what_is_written_is_read(folder):
    golden = Golden(folder)
    assert list(golden) == ["mu[step=1]", "codes", "turned"]
    assert ("codes" in golden, "mu" in golden, len(golden)) == (True, False, 3)
    np.testing.assert_array_equal(golden.load("mu[step=1]"), MU)
    np.testing.assert_array_equal(golden.load("turned"), MU.transpose(0, 2, 1))
    assert golden.load("codes").dtype == np.int64
    assert golden.entries["mu[step=1]"]["floors"] == {"cond": 1e-6, "uncond": 2e-6}
    assert golden.manifest["case"] == "toy"
    assert golden.manifest["count"] == 3


def test_the_manifest_says_what_each_file_holds(folder):
    entry = Golden(folder).entries["turned"]
    file = folder / "turned.npy"
    assert entry == {
        "name": "turned",
        "file": "turned.npy",
        "axes": "b t c",
        "shape": [1, 6, 4],
        "dtype": "float32",
        "fortran_order": True,
        "sha256": npy.canonical_sha256(MU.transpose(0, 2, 1)),
        "file_sha256": file_sha256(file),
        "floors": {},
        "local": {},
        "margins": [],
    }
    assert sorted(path.name for path in folder.iterdir()) == ["codes.npy", MANIFEST, "mu[step=1].npy", "turned.npy"]


def test_an_existing_folder_is_kept(folder):
    before = (folder / MANIFEST).read_bytes()
    with (
        pytest.raises(InputError, match="name another folder, or remove this one"),
        writing(folder, {}),
    ):
        pass
    assert (folder / MANIFEST).read_bytes() == before


def test_an_existing_folder_is_replaced_when_asked(folder):
    with writing(folder, {}, replace=True) as stored:
        stored.add("mu", MU, axes="b c t", floors={}, local={}, margins=[])
    assert list(Golden(folder)) == ["mu"]
    assert sorted(path.name for path in folder.iterdir()) == [MANIFEST, "mu.npy"]
    assert [path.name for path in folder.parent.iterdir()] == ["golden"]


@pytest.mark.parametrize("replace", [False, True])
def test_a_failed_write_leaves_everything_as_it_was(folder, replace):
    target = folder if replace else folder.with_name("other")

    def write() -> None:
        with writing(target, {}, replace=replace) as stored:
            stored.add("mu", MU, axes="b c t", floors={}, local={}, margins=[])
            raise RuntimeError("the run fails")

    with pytest.raises(RuntimeError, match="the run fails"):
        write()
    assert [path.name for path in folder.parent.iterdir()] == ["golden"]
    assert len(Golden(folder)) == 3


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(InputError, match=r"cannot be written .* give another name"),
        writing(tmp_path / "file" / "x", {}),
    ):
        pass


def test_an_unknown_tap_is_refused(folder):
    with pytest.raises(InputError, match=r"no tap 'nu'; it has 3 taps"):
        Golden(folder).load("nu")


@pytest.mark.parametrize("offset", [-1, -4 * 24, 9])
def test_an_altered_byte_is_refused(folder, offset):
    file = folder / "mu[step=1].npy"
    content = bytearray(file.read_bytes())
    content[offset] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(str(file))):
        Golden(folder).load("mu[step=1]")
    np.testing.assert_array_equal(Golden(folder).load("codes"), CODES)  # the others are still good


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (MU + np.float32(1e-6), "content was altered"),
        (MU[:, :, :5], "holds float32 [1, 4, 5], the manifest says float32 [1, 4, 6]"),
        (MU.astype(np.float64), "holds float64 [1, 4, 6], the manifest says float32"),
        (-0.0 * MU, "content was altered"),
    ],
)
def test_another_array_in_the_file_is_refused(folder, array, message):
    npy.write(folder / "mu[step=1].npy", array)
    with pytest.raises(InputError, match=re.escape(message)):
        Golden(folder).load("mu[step=1]")


def test_a_missing_or_truncated_file_is_refused(folder):
    file = folder / "codes.npy"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(InputError, match="truncated"):
        Golden(folder).load("codes")
    file.unlink()
    with pytest.raises(InputError, match=r"codes\.npy"):
        Golden(folder).load("codes")


@pytest.mark.parametrize(
    "entry", [{"sha256": "0" * 64}, {"shape": [4, 6]}, {"dtype": "float16"}, {"file": "codes.npy"}, {"file": "no.npy"}]
)
def test_an_altered_manifest_is_refused(folder, entry):
    change_tap(folder, 0, **entry)
    with pytest.raises(InputError):
        Golden(folder).load("mu[step=1]")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"schema": 2}, "schema 2, expected 3; regenerate"),
        ({"schema": None}, "schema None, expected 3"),
        ({"taps": "all"}, "its taps are not a list"),
        ({"taps": ["mu"]}, "its taps are not a list"),
        ({"taps": [{"name": "mu"}]}, "its taps are not a list of tables with axes, dtype, file"),
        ({"taps": []}, "lists 0 taps, its count is 3"),
        ({"count": 4}, "lists 3 taps, its count is 4"),
    ],
)
def test_a_malformed_manifest_is_refused(folder, entries, message):
    change(folder, **entries)
    with pytest.raises(InputError, match=message):
        Golden(folder)


def test_a_tap_listed_twice_is_refused(folder):
    change_tap(folder, 1, name="turned")
    with pytest.raises(InputError, match="lists 2 taps, its count is 3"):
        Golden(folder)


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xff", b""])
def test_a_manifest_that_is_no_manifest_is_refused(folder, content):
    (folder / MANIFEST).write_bytes(content)
    with pytest.raises(InputError, match=r"manifest\.json: (not valid JSON|schema None)"):
        Golden(folder)


def test_a_folder_without_a_manifest_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"manifest\.json: cannot be read .* expected a golden folder"):
        Golden(tmp_path)
