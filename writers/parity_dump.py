"""Dumps a port's tensors under the names of taps, and reads the inputs that a bundle holds.

    mel = read("bundle/inputs/mel.npy", np.float32)
    dump = Dump("dumps")
    dump.write("vocoder.f0_predictor", f0)

Files are NPY 1.0, little-endian, in the array's own order in memory. A file appears whole or not at all.
NumPy alone: copy this file into the port. MIT licence, as all of chatterbox-parity.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np


class Dump:
    """A folder of dumps, made where it is not there."""

    def __init__(self, folder: str | os.PathLike[str]):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.written: set[str] = set()

    def write(self, tap: str, values: Any) -> None:
        """The values of a tap: whatever `np.asarray` takes. A loop numbers its taps: `ode.state[step=3]`.

        Raises `ValueError` for a name that is no file name or was dumped before, and for what are no numbers.
        """
        array = np.asarray(values)
        if array.dtype.char not in "?bhilqBHILQefd":
            raise ValueError(f"tap {tap!r}: got dtype {array.dtype}; expected bool, integers, float16, 32 or 64")
        array = array.astype(array.dtype.newbyteorder("<"), order="A", copy=False)
        file = io.BytesIO()
        np.lib.format.write_array(file, array, version=(1, 0), allow_pickle=False)
        self.put(tap, ".npy", file.getvalue())

    def put(self, tap: str, ending: str, data: bytes) -> None:
        """A file of a tap, whole or not at all. Raises `ValueError` for the tap as `write` does."""
        if not tap or tap.startswith(".") or any(character in tap for character in "/\\\0"):
            raise ValueError(f"tap {tap!r}: a name begins with no dot and has no / and no \\")
        if tap in self.written:
            raise ValueError(f"tap {tap!r} is dumped twice: number it, as in {tap}[step=1]")
        partial = self.folder / f".{tap}{ending}.partial"
        try:
            partial.write_bytes(data)
            os.replace(partial, self.folder / f"{tap}{ending}")
        finally:
            partial.unlink(missing_ok=True)
        self.written.add(tap)


def widened(bfloat16: np.ndarray) -> np.ndarray:
    """The bits of bfloat16 numbers as floats of the same values, for NPY has no bfloat16."""
    return (bfloat16.astype(np.uint32) << 16).view(np.float32)


def read(path: str | os.PathLike[str], dtype: Any) -> np.ndarray:
    """The array in a file. Raises `ValueError` for another format, `dtype` or length."""
    with Path(path).open("rb") as file:
        try:
            version = np.lib.format.read_magic(file)
            file.seek(0)
            array = np.lib.format.read_array(file, allow_pickle=False)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        rest = len(file.read())
    if version != (1, 0) or array.dtype != dtype or rest:
        got = f"NPY {version[0]}.{version[1]} of {array.dtype} and {rest} bytes more"
        raise ValueError(f"{path}: got {got}; expected NPY 1.0 of {np.dtype(dtype)}")
    return array
