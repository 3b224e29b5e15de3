"""Where a port's dumps are: a folder of NPY files and records, one safetensors file, or a golden folder of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from parity.base import npy, safetensors
from parity.base.errors import InputError, MissingError
from parity.base.names import meant_path
from parity.base.reduced import is_record
from parity.capture.golden import MANIFEST, Golden
from parity.capture.trace_folder import StoredTrace
from parity.contract import ACCUMULATED, LOCAL
from parity.run.dumps.names import Names

LOCALS = "local/"
"""Begins the name of a dump of a block that was given the bundle's values: of the file in the folder, or the tensor."""
NPY, RECORD, TENSORS = ".npy", ".json", ".safetensors"


@dataclass(frozen=True)
class Dump:
    """A port's value of a tap, which is read when it is loaded.

    Where there is a manifest, it says the `axes`, and `trace` is what checks the content by it. Of a reduced dump there
    is the file of its `record` alone, and of one in a folder of NPY files its `file`.
    """

    where: str
    load: Callable[[], np.ndarray]
    axes: str = ""
    trace: StoredTrace | None = None
    record: Path | None = None
    file: str | None = None


Dumps = dict[str, Dump]


def read(path: Path, names: Names | None = None) -> dict[str, Dumps]:
    """The dumps of each mode by tap. Raises `InputError` where there are none, or two of one tap.

    `names` translates what the port calls its values.
    """
    if not path.exists():
        raise MissingError(f"{path}: no such folder or file{meant_path(path)}; expected a folder of dumps")
    found: dict[str, Dumps] = {ACCUMULATED: {}, LOCAL: {}}
    for own, dump in _all(path):
        mode, bare = (LOCAL, own[len(LOCALS) :]) if own.startswith(LOCALS) else (ACCUMULATED, own)
        name = bare if names is None else names.tap(bare)
        if not name:
            continue
        if other := found[mode].get(name):
            raise InputError(f"{path}: {other.where} and {dump.where} are both of {name}; leave one out")
        found[mode][name] = dump
    if not any(found.values()) and names is not None and names.left_out:
        raise InputError(f"{path}: the map leaves out all of its {names.left_out} dumps; nothing would be judged")
    if not any(found.values()):
        expected = "expected a safetensors file, or a folder of dumps named by tap, `mu.npy` and so on"
        raise InputError(f"{path}: no NPY files there; {expected}")
    return found


def unread(path: Path) -> list[str]:
    """The names of what lies in a folder of dumps and is none, so that nobody takes it for judged."""
    if not path.is_dir() or (path / MANIFEST).is_file():
        return []
    others = [(prefix, file) for prefix, file in _files(path) if not _kind(file)]
    return [
        f"{prefix}{file.name}{'/' * file.is_dir()}" for prefix, file in others if prefix + file.name + "/" != LOCALS
    ]


def _all(path: Path) -> Iterator[tuple[str, Dump]]:
    if path.suffix == TENSORS and path.is_file():
        for name, tensor in safetensors.entries(path).items():
            yield name, Dump(f"the tensor {name}", tensor.load)
    elif (path / MANIFEST).is_file():
        golden = Golden(path)
        for name, entry in golden.entries.items():
            if (file := path / entry["file"]).exists():
                yield name, Dump(entry["file"], _of(golden, name), entry["axes"], golden, file=str(file))
    else:
        for prefix, file in _files(path):
            if kind := _kind(file):
                where = prefix + file.name
                yield where.removesuffix(kind), _dump(where, file.path, kind)


def _files(path: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """What lies in a folder of dumps and in its folder of local ones, with what the names there begin with."""
    for prefix, folder in (("", path), (LOCALS, path / LOCALS)):
        if folder.is_dir():
            with os.scandir(folder) as there:
                found = sorted(there, key=lambda file: file.name)
            for file in found:
                if not file.name.startswith("."):  # macOS writes ._name.npy beside a file
                    yield prefix, file


def _kind(file: os.DirEntry[str]) -> str:
    """What the name of a dump ends in; empty for another file of a folder."""
    if file.name.endswith(NPY):
        return NPY
    return RECORD if file.name.endswith(RECORD) and is_record(Path(file.path)) else ""


def _dump(where: str, file: str, kind: str) -> Dump:
    return Dump(where, _mapped(file), file=file) if kind == NPY else Dump(where, _no_array, record=Path(file))


def _of(golden: Golden, name: str) -> Callable[[], np.ndarray]:
    return lambda: golden.load(name, mmap=True)


def _mapped(file: str) -> Callable[[], np.ndarray]:
    return lambda: npy.read(file, mmap=True)


def _no_array() -> np.ndarray:
    raise InputError("a reduced dump has no values to look at")
