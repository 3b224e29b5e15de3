"""One safetensors file of arrays, read strictly and mapped: nothing is in memory before it is looked at.

The format: https://huggingface.co/docs/safetensors#format
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from parity.base.bfloat16 import BFloat16
from parity.base.errors import InputError

# fmt: off
DTYPES = {
    "BOOL": "|b1", "U8": "|u1", "I8": "|i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4", "U64": "<u8",
    "I64": "<i8", "F16": "<f2", "BF16": "<u2", "F32": "<f4", "F64": "<f8",
}
# fmt: on
LONGEST = 100_000_000
"""Bytes of a header: what the format's own reader takes."""


@dataclass(frozen=True)
class Entry:
    """One array of a file: its dtype as the format calls it, and where its bytes begin in the file."""

    file: Path
    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int

    def load(self) -> np.ndarray:
        """The array, read-only and mapped; bfloat16 as its bits."""
        array = np.memmap(self.file, np.dtype(DTYPES[self.dtype]), "r", self.offset, self.shape)
        if self.dtype == "BOOL" and np.any(array.view(np.uint8) > 1):
            raise InputError(f"{self.file}: {self.name}: bools stored as other bytes than 0 and 1; write it again")
        return array.view(BFloat16) if self.dtype == "BF16" else array


def entries(file: Path) -> dict[str, Entry]:
    """The arrays of a file by name. Raises `InputError` where it is missing or no whole safetensors file."""
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            text = stream.read(length) if 2 <= length <= min(LONGEST, size - 8) else b""
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); expected a safetensors file") from error
    try:
        header = json.loads(text)
        header.pop("__metadata__", None)
        found = {name: _entry(file, name, entry, 8 + length, size) for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{file}: no whole safetensors file ({error}); write it again") from error
    ends = sorted((entry["data_offsets"] for entry in header.values()), key=tuple)
    if [start for start, _ in ends] != [0, *(end for _, end in ends[:-1])][: len(ends)]:
        raise InputError(f"{file}: its arrays overlap, or have gaps between them; write it again")
    if (ends[-1][1] if ends else 0) != size - 8 - length:
        raise InputError(f"{file}: truncated or over-long: {size} bytes, which its header does not say; write it again")
    return found


def _entry(file: Path, name: str, entry: dict[str, Any], begin: int, size: int) -> Entry:
    dtype, shape, (start, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    if dtype not in DTYPES:
        raise InputError(f"{file}: {name} has dtype {dtype}, expected one of {', '.join(DTYPES)}")
    if any(type(number) is not int or not 0 <= number <= sys.maxsize for number in (*shape, start, end)):
        raise ValueError(f"{name} has shape {shape} and offsets {start}, {end}")
    if end - start != math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize:
        raise ValueError(f"{name} of shape {shape} has {end - start} bytes")
    return Entry(file, name, dtype, tuple(shape), begin + start)
