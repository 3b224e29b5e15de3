"""Golden files: a stored reference trace, one `.npy` per tap and a manifest that says what each holds and how it came.

A golden folder is written whole or not at all, and read with its hashes checked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from parity.base import npy
from parity.base.errors import InputError
from parity.base.files import file_sha256, replacing
from parity.contract import Tap

MANIFEST = "manifest.json"
SCHEMA = 2
KEYS = {"name", "file", "axes", "shape", "dtype", "sha256", "floors", "near"}
"""What reading needs of a tap; the rest of its table is for people."""


class Writer:
    """Stores the taps of a golden folder that is being written."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.taps: list[dict[str, Any]] = []

    def add(
        self,
        tap: Tap,
        array: np.ndarray,
        floors: Mapping[str, float] | None = None,
        near: Mapping[int, float] | None = None,
    ) -> None:
        """Store one tap, in its own memory order. `floors`: noise floor of each branch, `""` where it is not split.

        `near`: of a discrete tap, the margins of the elements that were within rounding of another value.
        """
        file = self.folder / f"{tap.name}.npy"
        npy.write(file, array)
        header = npy.read_header(file)
        self.taps.append(
            {
                "name": tap.name,
                "file": file.name,
                "axes": tap.axes,
                "shape": list(array.shape),
                "dtype": array.dtype.name,
                "fortran_order": header.fortran_order,
                "sha256": npy.canonical_sha256(array),
                "file_sha256": file_sha256(file),
                "floors": dict(floors or {}),
                "near": dict(near or {}),
            }
        )


@contextmanager
def writing(folder: Path, about: Mapping[str, Any], replace: bool = False) -> Iterator[Writer]:
    """Write a golden folder, which appears when the block has ended without an error. `about` is for its manifest.

    Raises `InputError` when `folder` exists and `replace` is not set, and where it cannot be written.
    """
    if folder.exists() and not replace:
        raise InputError(f"{folder} exists; nothing was written: name another folder, or accept its replacement")
    with replacing(folder) as partial:
        partial.mkdir()
        writer = Writer(partial)
        yield writer
        manifest = {"schema": SCHEMA} | dict(about) | {"count": len(writer.taps), "taps": writer.taps}
        (partial / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")


class Golden:
    """A golden folder, read lazily. Raises `InputError` for a missing, malformed or altered one, naming the file."""

    def __init__(self, folder: Path):
        self.folder = folder
        try:
            self.manifest = json.loads((folder / MANIFEST).read_text())
        except OSError as error:
            raise InputError(
                f"{folder / MANIFEST}: cannot be read ({error.strerror}); expected a golden folder, as "
                "`parity capture` or fixtures/regenerate.py writes it"
            ) from error
        except ValueError as error:
            raise InputError(f"{folder / MANIFEST}: not valid JSON ({error}); regenerate the goldens") from error
        schema = self.manifest.get("schema") if isinstance(self.manifest, dict) else None
        if schema != SCHEMA:
            raise InputError(f"{folder / MANIFEST}: schema {schema!r}, expected {SCHEMA}; regenerate the goldens")
        taps, count = self.manifest.get("taps"), self.manifest.get("count")
        if not isinstance(taps, list) or any(not isinstance(tap, dict) or not tap.keys() >= KEYS for tap in taps):
            expected = f"a list of tables with {', '.join(sorted(KEYS))}"
            raise InputError(f"{folder / MANIFEST}: its taps are not {expected}; regenerate the goldens")
        self.entries = {entry["name"]: entry for entry in taps}
        if len(self.entries) != count:
            raise InputError(f"{folder / MANIFEST}: lists {len(self.entries)} taps, its count is {count}; restore it")

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def load(self, name: str, *, mmap: bool = False) -> np.ndarray:
        """The array of a tap, its shape, dtype and content checked against the manifest; read-only with `mmap`."""
        if name not in self.entries:
            raise InputError(f"{self.folder}: no tap {name!r}; it has {len(self)} taps, see its {MANIFEST}")
        entry = self.entries[name]
        file = self.folder / entry["file"]
        array = npy.read(file, mmap=mmap)
        if list(array.shape) != entry["shape"] or array.dtype.name != entry["dtype"]:
            holds, says = f"{array.dtype.name} {list(array.shape)}", f"{entry['dtype']} {entry['shape']}"
            raise InputError(f"{file}: holds {holds}, the manifest says {says}; regenerate the goldens")
        if npy.canonical_sha256(array) != entry["sha256"]:
            raise InputError(
                f"{file}: its content was altered (SHA-256 differs from the manifest's); restore the file "
                "or regenerate the goldens"
            )
        return array
