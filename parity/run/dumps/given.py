"""What a diagnosis of dumps may ask beside the taps: what the reference was given, and its checkpoint's weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from parity.base import npy
from parity.base.errors import InputError
from parity.base.files import file_sha256
from parity.capture.golden import Golden
from parity.contract import Contract, Segment
from parity.contract.axes import permute
from parity.diagnose.checkpoint import Weights


def given(contract: Contract, golden: Golden, segment: Segment) -> dict[str, np.ndarray]:
    """What a case gives, and of a bundle what the segment starts from, in the reference's axes; only what is there."""
    files = {name: (f"inputs/{name}.npy", axes) for name, axes in golden.manifest.get("input_axes", {}).items()}
    for start in golden.manifest.get("starts", []):
        if start["segment"] == segment.label:
            files |= {name: (state["file"], state["axes"]) for name, state in start["state"].items()}
    return {
        name: permute(npy.read(golden.folder / file, mmap=True), axes, contract.state[name])
        for name, (file, axes) in files.items()
        if name in contract.state and (golden.folder / file).exists()
    }


def weights(golden: Golden, folder: Path | None) -> Mapping[str, np.ndarray]:
    """The weights in a folder. Raises `InputError` where none of them, or another, is of the reference's checkpoint."""
    if folder is None:
        return {}
    known = golden.manifest.get("checkpoint", {})
    there = [name for name in known if name.endswith(".safetensors") and (folder / name).is_file()]
    if not there:
        names = ", ".join(sorted(known)) or "no files"
        raise InputError(f"{folder}: has no safetensors file of the reference's checkpoint, which has {names}")
    for name in there:
        if file_sha256(folder / name) != known[name]:
            raise InputError(f"{folder / name}: not the file that the reference read (SHA-256 differs); give that one")
    return Weights(folder)
