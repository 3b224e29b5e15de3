"""Writes a safetensors file tensor by tensor, so that a file of gigabytes needs megabytes of memory.

The library's own `save_file` takes all tensors at once. Format: eight bytes, little-endian, give the length of a JSON
header of dtypes, shapes and offsets; the tensors' bytes follow without gaps.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from reference.published_keys import Key

DTYPES = {"float32": ("F32", "<f4"), "int64": ("I64", "<i8")}


def layout(keys: Iterable[Key]) -> tuple[bytes, dict[Key, int]]:
    """The head of the file and where in the file each tensor starts, in bytes; both depend on the set of keys only."""
    header, starts, end = {}, {}, 0
    # The widest dtype first, as the library does it, so that every tensor is aligned to its items.
    for key in sorted(keys, key=lambda key: (-np.dtype(key.dtype).itemsize, key.name)):
        if key.name in header:
            raise ValueError(f"{key.name}: the same key twice; a checkpoint holds one tensor a key")
        name, dtype = DTYPES[key.dtype]
        start, end = end, end + math.prod(key.shape) * np.dtype(dtype).itemsize
        header[key.name] = {"dtype": name, "shape": key.shape, "data_offsets": (start, end)}
        starts[key] = start
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    head = len(text).to_bytes(8, "little") + text
    return head, {key: len(head) + start for key, start in starts.items()}


def write_file(file: Path, keys: Iterable[Key], values: Callable[[Key], np.ndarray]) -> None:
    """Write `values(key)` for every key into `file`, whole or not at all: the same bytes whatever the thread count.

    Raises `ValueError` for a key given twice, or whose value has another shape or dtype than it says.
    """
    head, starts = layout(keys)
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")

    def put(key: Key) -> None:
        array = values(key)
        if array.shape != key.shape or array.dtype != key.dtype:
            raise ValueError(
                f"{key.name}: got {array.dtype} of shape {array.shape}, expected {key.dtype} of {key.shape}"
            )
        stored = np.ascontiguousarray(array, DTYPES[key.dtype][1]).reshape(-1).view(np.uint8)
        write_at(handle.fileno(), stored, starts[key])

    try:
        with partial.open("wb") as handle, ThreadPoolExecutor(os.cpu_count()) as pool:
            write_at(handle.fileno(), np.frombuffer(head, np.uint8), 0)
            for _ in pool.map(put, starts):  # consumed, so that a thread's exception is raised here
                pass
        os.replace(partial, file)
    finally:
        partial.unlink(missing_ok=True)


def write_at(descriptor: int, content: np.ndarray, start: int) -> None:
    """All bytes of `content` at offset `start`: a single call may write fewer."""
    done = 0
    while done < len(content):
        done += os.pwrite(descriptor, content[done:], start + done)
