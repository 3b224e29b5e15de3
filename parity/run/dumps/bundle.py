"""The two forms of a golden folder: in the reference's own axes and memory order, or a bundle for any language."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from parity.base import npy
from parity.base.errors import InputError, MissingError
from parity.capture.golden import Golden
from parity.capture.trace_folder import StoredTrace
from parity.contract import ACCUMULATED, LOCAL, Contract, Segment, Tap, toml_files
from parity.contract.axes import permute
from parity.contract.implementation import State

BLOCK = "block"
"""A local run in which the taps inside of a block are not replaced: the block runs as one."""
KEYS = {ACCUMULATED: "floors", LOCAL: "local", BLOCK: "block"}
"""The key of a tap's entry that has its noise floors in each mode."""
INPUTS, STATE = "inputs", "state"
CONTRACT = "contract.toml"
README = Path(__file__).with_name("format.md")
"""The page for whoever writes a reader in another language."""


class Plain:
    """Arrays as the reference has them."""

    def __init__(self, contract: Contract, stored: StoredTrace):
        self.contract, self.stored = contract, stored
        self.doubles: dict[str, StoredTrace] = {}

    def axes(self, axes: str) -> str:
        return axes

    def array(self, array: np.ndarray, axes: str) -> np.ndarray:
        """An array as it is stored, from the reference's axes."""
        return array

    def add_inputs(self, inputs: State, about: dict[str, Any]) -> StoredTrace:
        """Store what the case gives."""
        trace = StoredTrace(self.stored.folder, {}, INPUTS)
        trace.update({name: self.array(array, self.contract.state[name]) for name, array in inputs.items()})
        return trace

    def start(self, segment: Segment, state: State) -> None:
        """What a segment starts from."""

    def add(
        self, tap: Tap, array: np.ndarray, margins: np.ndarray | None, doubles: Mapping[str, np.ndarray], **floors: Any
    ) -> None:
        """Store a tap, and its values in double by the mode of the run."""
        ordered = [] if margins is None else [float(margin) for margin in self.array(margins, tap.axes).ravel()]
        self.stored.add(tap.name, self.array(array, tap.axes), axes=self.axes(tap.axes), **floors, margins=ordered)
        for mode, double in doubles.items():
            trace = self.doubles.setdefault(mode, StoredTrace(self.stored.folder, {}, f"float64-{mode}"))
            trace.add(tap.name, self.array(double, tap.axes))

    def finish(self, about: dict[str, Any]) -> None:
        """What the manifest says beside."""
        if self.doubles:
            about["float64"] = {mode: list(trace.entries.values()) for mode, trace in self.doubles.items()}


class Bundle(Plain):
    """Arrays in C order, in the axes of the side `layout`, with what each segment starts from, contract and page."""

    def __init__(self, contract: Contract, stored: StoredTrace, layout: str):
        super().__init__(contract, stored)
        self.layout = layout
        self.state = StoredTrace(stored.folder, {}, STATE)
        self.files: dict[str, str] = {}
        self.starts: list[dict[str, Any]] = []

    def axes(self, axes: str) -> str:
        return axes if self.layout == "reference" else self.contract.candidate_axes(axes)

    def array(self, array: np.ndarray, axes: str) -> np.ndarray:
        return np.require(permute(array, axes, self.axes(axes)), requirements="C")

    def add_inputs(self, inputs: State, about: dict[str, Any]) -> StoredTrace:
        trace = super().add_inputs(inputs, about)
        about["layout"] = self.layout
        about["inputs"] = {name: entry["sha256"] for name, entry in trace.entries.items()}
        about["input_axes"] = {name: self.axes(axes) for name, axes in about["input_axes"].items()}
        self.files |= {entry["sha256"]: entry["file"] for entry in trace.entries.values()}
        return trace

    def start(self, segment: Segment, state: State) -> None:
        """A state's arrays are stored, but for those that are inputs or taps: the manifest names their files."""
        local = LOCAL in segment.modes
        found = {}
        for name, array in state.items() if local else ():
            own, axes = self.array(array, self.contract.state[name]), self.axes(self.contract.state[name])
            content = npy.canonical_sha256(own)
            if content not in self.files:
                entry = segment.handed(name, axes).name.partition(".")[2]
                self.state.add(entry, own)
                self.files[content] = self.state.entries[entry]["file"]
            found[name] = {"file": self.files[content], "axes": axes, "sha256": content}
        names = [tap.name for tap in segment.taps]
        about = {"segment": segment.label, "stage": segment.stage, "local": local, "state": found, "taps": names}
        self.starts.append(about)

    def add(self, tap: Tap, array: np.ndarray, *args: Any, **more: Any) -> None:
        super().add(tap, array, *args, **more)
        entry = self.stored.entries[tap.name]
        self.files.setdefault(entry["sha256"], entry["file"])

    def finish(self, about: dict[str, Any]) -> None:
        super().finish(about)
        about["starts"] = self.starts
        shutil.copyfile(README, self.stored.folder / "README.md")
        toml_files.copy(self.contract.path, self.stored.folder / CONTRACT)
        about["contract"] = toml_files.sha256(self.contract.path)


def contract_file(golden: Golden) -> Path | None:
    """The contract that lies in a bundle; none where a golden folder is no bundle.

    Raises `InputError` where it is missing or altered: it has the bounds.
    """
    file = golden.folder / CONTRACT
    if "layout" not in golden.manifest and not file.is_file():
        return None
    if not file.is_file():
        raise MissingError(f"{file}: not there; export the bundle again, or give --contract FILE")
    if "layout" in golden.manifest and toml_files.sha256(file) != golden.manifest.get("contract"):
        raise InputError(
            f"{file}: altered (SHA-256 differs from the manifest's); export the bundle again, or give --contract FILE"
        )
    return file
