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
    """The weights in a folder. Raises `InputError` where a file is not the one that the reference read."""
    if folder is None:
        return {}
    known = {name: content for name, content in golden.manifest.get("checkpoint", {}).items() if _is_weights(name)}
    for name, content in known.items():
        if not (folder / name).is_file():
            raise InputError(f"{folder / name}: not there; give the checkpoint that the reference read")
        if file_sha256(folder / name) != content:
            raise InputError(f"{folder / name}: not the file that the reference read (SHA-256 differs); give that one")
    if not known:
        raise InputError(f"{golden.folder}: its reference read no safetensors files; leave --checkpoint out")
    return Weights(folder)


def _is_weights(name: str) -> bool:
    return name.endswith(".safetensors")
