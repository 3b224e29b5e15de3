"""Traces that outlive a run: an NPY file an array, and entries in a manifest that say what each file holds.

Goldens (`parity/capture/golden.py`) and recordings (`parity/run/recordings.py`) are made of them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import numpy as np

from parity.base import npy
from parity.base.bfloat16 import stored_dtype
from parity.base.errors import InputError, UnknownNameError
from parity.base.files import file_sha256, is_below

Entries = dict[str, dict[str, Any]]


class StoredTrace(MutableMapping[str, np.ndarray]):
    """Arrays by name, each in a file of `place` below `folder`, in its own memory order.

    An array is read anew each time, and checked against its entry: `file`, `shape`, `dtype`, `sha256` of the content.
    `seconds` is what checking has taken. Raises `InputError` for entries that name no file below the folder.
    """

    def __init__(self, folder: Path, entries: Entries, place: str = ""):
        self.folder, self.entries, self.place = folder, entries, place
        self.seconds = 0.0
        for name, entry in entries.items():
            if not is_below(entry.get("file")):
                raise InputError(
                    f"{folder}: the file of {name} is {entry.get('file')!r}, expected one below the folder; "
                    "write the folder anew"
                )

    def add(self, name: str, array: np.ndarray, **more: Any) -> None:
        """Store an array, with what else its entry is to say."""
        file = self.folder / self.place / f"{name}.npy"
        file.parent.mkdir(exist_ok=True)
        npy.write(file, array)
        self.entries[name] = {
            "name": name,
            "file": file.relative_to(self.folder).as_posix(),
            "shape": list(array.shape),
            "dtype": array.dtype.name,
            "fortran_order": npy.read_header(file).fortran_order,
            "sha256": npy.canonical_sha256(array),
            "file_sha256": file_sha256(file),
        } | more

    def load(self, name: str, *, mmap: bool = False, known: bool = False) -> np.ndarray:
        """An array, read-only with `mmap`. Raises `InputError` for a file that is missing or altered.

        The content of one that is `known` to be whole is not checked again.
        """
        if name not in self.entries:
            raise UnknownNameError(f"{self.folder}: no tap {name!r}; it has {len(self)} taps, see its manifest")
        entry = self.entries[name]
        file = os.path.join(self.folder, entry["file"])
        array = npy.read(file, mmap=mmap)
        if list(array.shape) != entry["shape"] or stored_dtype(array) != entry["dtype"]:
            holds, says = f"{array.dtype.name} {list(array.shape)}", f"{entry['dtype']} {entry['shape']}"
            raise InputError(f"{file}: holds {holds}, the manifest says {says}; write the folder anew")
        if known:
            return array
        began = time.perf_counter()
        # A file in another order than C is hashed as it lies there: its pages would be read once for every row.
        whole = file_sha256(Path(file)) == entry.get("file_sha256") if mmap and not array.flags.c_contiguous else False
        whole = whole or npy.canonical_sha256(array) == entry["sha256"]
        self.seconds += time.perf_counter() - began
        if not whole:
            raise InputError(
                f"{file}: its content was altered (SHA-256 differs from the manifest's); restore the file, "
                "or write the folder anew"
            )
        return array

    def __setitem__(self, name: str, array: np.ndarray) -> None:
        self.add(name, array)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.load(name)

    def __delitem__(self, name: str) -> None:
        (self.folder / self.entries.pop(name)["file"]).unlink()

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)
