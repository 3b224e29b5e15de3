"""Golden files: a stored reference trace, one `.npy` per tap and a manifest that says what each holds and how it came.

A golden folder is written whole or not at all, and read with its hashes checked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from parity.base import bounded, npy
from parity.base.errors import InputError, OutputError
from parity.base.files import is_below, replacing
from parity.capture.trace_folder import StoredTrace

MANIFEST = "manifest.json"
SCHEMA = 3
KEYS = {"name", "file", "axes", "shape", "dtype", "sha256", "floors", "margins"}
"""What reading needs of a tap; the rest of its table is for people."""


@contextmanager
def writing(folder: Path, about: Mapping[str, Any], replace: bool = False) -> Iterator[StoredTrace]:
    """Write a golden folder, which appears when the block has ended without an error. `about` is for its manifest.

    The entry of a tap has `axes`, `floors` by branch, `""` where it is not split, those of a block that is given this
    trace's values as `local`, and the `margins` of the elements of a discrete tap.

    Raises `InputError` when `folder` exists and `replace` is not set, and where it cannot be written.
    """
    if folder.exists() and not replace:
        raise OutputError(f"{folder} exists; nothing was written: name another folder, or remove this one")
    with replacing(folder) as partial:
        partial.mkdir()
        trace = StoredTrace(partial, {})
        yield trace
        manifest = {"schema": SCHEMA} | dict(about) | {"count": len(trace), "taps": list(trace.entries.values())}
        (partial / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


class Golden(StoredTrace):
    """A golden folder, read lazily. Raises `InputError` for a missing, malformed or altered one, naming the file."""

    def __init__(self, folder: Path):
        try:
            self.manifest = bounded.read_json(folder / MANIFEST)
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
        super().__init__(folder, {entry["name"]: entry for entry in taps})
        self.doubles = {
            mode: StoredTrace(folder, {entry["name"]: entry for entry in entries})
            for mode, entries in self.manifest.get("float64", {}).items()
        }
        if len(self) != count:
            raise InputError(f"{folder / MANIFEST}: lists {len(self)} taps, its count is {count}; restore it")
        self.given = self._given()

    def _given(self) -> dict[str, str | None]:
        """The hashes of the files that are no taps, by name: the inputs, and what the segments start from.

        Raises `InputError` where the manifest says something else, or names a file that is not below the folder.
        """
        try:
            known: dict[str, str | None] = {f"inputs/{name}.npy": None for name in self.manifest.get("input_axes", {})}
            known |= {f"inputs/{name}.npy": content for name, content in self.manifest.get("inputs", {}).items()}
            for start in self.manifest.get("starts", []):
                known |= {state["file"]: state.get("sha256") for state in start["state"].values()}
        except (AttributeError, KeyError, TypeError) as error:
            raise InputError(f"{self.folder / MANIFEST}: cannot be read ({error!r}); export it again") from error
        if outside := [name for name in known if not is_below(name)]:
            raise InputError(f"{self.folder / MANIFEST}: {outside[0]!r} is no file below the folder; export it again")
        return known

    def check_inputs(self) -> None:
        """Check what the run and its segments start from by the manifest's hashes: `inputs/`, and a bundle's `state/`.

        Raises `InputError` for a file that is altered, or missing from a bundle.
        """
        taps = {entry["file"] for entry in self.entries.values()}
        for file in [self.folder / name for name in self.given if name not in taps]:
            if not file.exists() and "starts" not in self.manifest:
                continue
            if npy.canonical_sha256(npy.read(file)) != self.given[file.relative_to(self.folder).as_posix()]:
                raise InputError(
                    f"{file}: its content was altered (SHA-256 differs from the manifest's); export it again"
                )

    def float64(self, mode: str) -> StoredTrace | None:
        """The trace in float64 of that mode, where it was asked for."""
        return self.doubles.get(mode)
