"""Files of arrays: .safetensors, .npz and .npy. The reported dtype is the file's, the values are exact."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from parity.base.errors import InputError
from parity.exact.program import NoProgram
from parity.exact.standin import dtypes
from parity.exact.standin.array import array, asarray, cast, wrapped
from parity.exact.standin.dispatch import Names
from parity.exact.standin.dtypes import Dtype

NAMES = Names()

_STORED: dict[str, tuple[Dtype, Any]] = {
    "BOOL": (dtypes.bool_, np.bool_),
    "U8": (dtypes.uint8, np.uint8),
    "U16": (dtypes.uint16, np.uint16),
    "U32": (dtypes.uint32, np.uint32),
    "U64": (dtypes.uint64, np.uint64),
    "I8": (dtypes.int8, np.int8),
    "I16": (dtypes.int16, np.int16),
    "I32": (dtypes.int32, np.int32),
    "I64": (dtypes.int64, np.int64),
    "F16": (dtypes.float16, np.float16),
    "BF16": (dtypes.bfloat16, np.uint16),
    "F32": (dtypes.float32, np.float32),
    "F64": (dtypes.float32, np.float64),
    "C64": (dtypes.complex64, np.complex64),
    "F8_E4M3": (dtypes.uint8, np.uint8),
}
_LONGEST_HEADER = 100_000_000


@NAMES.plain
def load(file: Any, /, format: str | None = None, return_metadata: bool = False, *, stream: Any = None) -> Any:
    """`.npy` gives an array, `.npz` and `.safetensors` a dict by name, with `return_metadata` and what is beside it."""
    path = Path(file) if isinstance(file, str | Path) else None
    kind = format or (path.suffix[1:] if path is not None else "npy")
    if path is not None and not path.exists():
        raise RuntimeError(f"[load] Failed to open file {path}")
    if kind == "safetensors":
        if path is None:
            raise NoProgram("mx.load of an open .safetensors has no definition in double here; give its path")
        arrays, metadata = _read(path)
        return (arrays, metadata) if return_metadata else arrays
    if kind == "npy":
        return array(np.load(file))
    if kind == "npz":
        with np.load(file) as found:
            return {name: array(found[name]) for name in found.files}
    raise NoProgram(f"mx.load of .{kind} has no definition in double here; load weights from .safetensors or .npz")


def _read(path: Path) -> tuple[dict[str, array], dict[str, str]]:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= _LONGEST_HEADER:
            raise InputError(f"{path}: not a .safetensors file: its header would have {length} bytes")
        header = json.loads(file.read(length))
    metadata = header.pop("__metadata__", {})
    if not header:
        return {}, metadata
    whole = np.memmap(path, np.uint8, "r")
    raw = whole[8 + length :]
    return {name: _tensor(path, raw, name, entry) for name, entry in header.items()}, metadata


def _tensor(path: Path, raw: np.ndarray, name: str, entry: dict[str, Any]) -> array:
    if entry["dtype"] not in _STORED:
        raise InputError(f"{path}: {name} has dtype {entry['dtype']}, expected one of {', '.join(_STORED)}")
    dtype, stored = _STORED[entry["dtype"]]
    start, stop = entry["data_offsets"]
    size = math.prod(entry["shape"]) * np.dtype(stored).itemsize
    if stop - start != size or stop > raw.size:
        raise InputError(f"{path}: {name} of shape {entry['shape']} takes {size} bytes, the file has another number")
    found = np.ndarray(entry["shape"], stored, raw[start:stop])
    if dtype is dtypes.bfloat16:
        found = (found.astype(np.uint32) << 16).view(np.float32)
    return wrapped(found.astype(dtype.storage), dtype)


def stored(a: array) -> np.ndarray:
    """A value as its reported dtype stores it, bfloat16 as its bits."""
    if a.dtype is dtypes.bfloat16:
        return (cast(a.value, dtypes.float32, a.dtype).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    kinds = {dtypes.float16: np.float16, dtypes.float32: np.float32, dtypes.complex64: np.complex64}
    return a.value.astype(kinds.get(a.dtype, a.dtype.storage))


@NAMES.plain
def save(file: Any, arr: Any) -> None:
    a = asarray(arr)
    np.save(file, a.value if a.dtype is dtypes.float64 else stored(a))


@NAMES.plain
def savez(file: Any, *args: Any, **kwargs: Any) -> None:
    named = {f"arr_{place}": a for place, a in enumerate(args)} | kwargs
    found: dict[str, Any] = {name: stored(asarray(a)) for name, a in named.items()}
    np.savez(file, **found)


@NAMES.plain
def savez_compressed(file: Any, *args: Any, **kwargs: Any) -> None:
    named = {f"arr_{place}": a for place, a in enumerate(args)} | kwargs
    found: dict[str, Any] = {name: stored(asarray(a)) for name, a in named.items()}
    np.savez_compressed(file, **found)


@NAMES.plain
def save_safetensors(file: Any, arrays: dict[str, Any], metadata: dict[str, str] | None = None) -> None:
    """Values in the precision of the dtypes that are reported."""
    path = Path(file)
    path = path if path.suffix == ".safetensors" else path.with_name(path.name + ".safetensors")
    names = {dtype: name for name, (dtype, _) in reversed(_STORED.items()) if name != "F64"}
    header: dict[str, Any] = {"__metadata__": {"format": "mlx"} | (metadata or {})}
    offset, parts = 0, []
    for name, value in arrays.items():
        data = np.ascontiguousarray(stored(asarray(value)))
        header[name] = {
            "dtype": names[asarray(value).dtype],
            "shape": list(data.shape),
            "data_offsets": [offset, offset + data.nbytes],
        }
        offset += data.nbytes
        parts.append(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for data in parts:
            out.write(data.tobytes())


@NAMES.plain
def save_gguf(file: Any, arrays: dict[str, Any], metadata: Any = None) -> None:
    raise NoProgram("mx.save_gguf has no definition in double here; save as .safetensors or .npz")
