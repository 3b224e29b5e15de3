"""Files that were made to harm are refused in a sentence, in bounded memory; nothing runs, nothing is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from parity.base.errors import InputError
from parity.prove.inputs import read_all
from tests.meta.hostile.attacks import ATTACKS, CLAIM, SOUND, SUFFIXES, Maker, many_tensors_of_one_storage
from tests.meta.hostile.readers import READERS, read

REFUSED = ("InputError", "ContractError", "ValueError", "FormatError")
CASES = [(kind, name) for kind, attacks in ATTACKS.items() for name in attacks]


def made(folder: Path, kind: str, make: Maker) -> Path:
    """A file of a kind in a folder of its own, below another."""
    place = folder / "inside"
    place.mkdir(parents=True)
    path = place / f"file{SUFFIXES.get(kind, f'.{kind}')}"
    make(path)
    return path


def listing(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], tuple[str, str]]]:
    """What reading each file of an attack says, and that no reader left anything behind."""
    folder = tmp_path_factory.mktemp("hostile")
    files = [(kind, made(folder / str(at), kind, ATTACKS[kind][name])) for at, (kind, name) in enumerate(CASES)]
    before = listing(folder)
    yield dict(zip(CASES, read(files), strict=True))
    assert listing(folder) == before
    assert not Path("/tmp/escaped.npy").exists()


@pytest.mark.parametrize(("kind", "name"), CASES, ids=[f"{kind}: {name}" for kind, name in CASES])
def test_an_attack_is_refused_in_a_sentence(said, kind: str, name: str) -> None:
    error, text = said[kind, name]
    assert error in REFUSED, (error, text)
    assert len(text) > 20 and "\n" not in text


def test_sound_files_of_every_kind_are_read(tmp_path: Path) -> None:
    assert READERS.keys() == ATTACKS.keys() == SOUND.keys()
    files = [(kind, made(tmp_path / kind, kind, make)) for kind, make in SOUND.items()]
    assert dict(zip(SOUND, read(files), strict=True)) == dict.fromkeys(SOUND, ("", ""))


def test_many_tensors_of_one_storage_take_the_memory_of_one(tmp_path: Path) -> None:
    assert read([("pt", made(tmp_path, "pt", many_tensors_of_one_storage))]) == [("", "")]


def test_the_bound_on_memory_is_one(tmp_path: Path) -> None:
    """An array that is really as long as the limit does not fit beside what the process has."""
    path = made(tmp_path, "npy", lambda path: np.save(path, np.zeros(CLAIM, np.uint8)))
    ((error, _),) = read([("npy", path)])
    assert error == "MemoryError"
    assert read([("npy", path)], spare=0) == [("", "")]


def test_the_attacks_do_harm_where_nobody_looks(tmp_path: Path) -> None:
    """NumPy and pickle themselves run what those files hold."""
    path = made(tmp_path, "npy", ATTACKS["npy"]["objects"])
    np.load(path, allow_pickle=True)
    assert path.with_suffix(".ran").exists()


def test_inputs_in_ever_deeper_dictionaries_are_refused(tmp_path: Path) -> None:
    for depth, refused in ((100, False), (5000, True)):
        np.savez(tmp_path / "x.npz", **{"/".join("a" * depth): np.zeros(2)})
        if refused:
            with pytest.raises(InputError, match="in 4999 dictionaries; expected at most 100"):
                read_all([tmp_path / "x.npz"])
        else:
            assert len(read_all([tmp_path / "x.npz"])) == 1
