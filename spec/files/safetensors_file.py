"""Safetensors files, read and written tensor by tensor, so that a file of gigabytes needs megabytes of memory.

The library's own `save_file` takes all tensors at once, and its reader takes the last of two equal keys. Format: eight
bytes, little-endian, give the length of a JSON header of dtypes, shapes and offsets; the tensors' bytes follow without
gaps. This file imports no framework: both sides and the tools read it.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from parity.base.files import replacing
from parity.base.pointer import ADVICE, is_pointer

METADATA = "__metadata__"
LONGEST_HEADER = 100_000_000  # the library's own limit
WORKERS = 2  # more would hold more tensors at once, and a disk is not faster for it

# The format's name of each dtype that is read here, and how NumPy holds it: bfloat16, which it has not, as its bits.
STORED = {
    "F64": "<f8",
    "I64": "<i8",
    "F32": "<f4",
    "I32": "<i4",
    "U32": "<u4",
    "F16": "<f2",
    "BF16": "<u2",
    "U8": "|u1",
    "BOOL": "|b1",
}
DTYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}  # a weight's, and the format's name of it


class Problem(NamedTuple):
    """What is wrong with a file: of what kind, at which key ("" for the file), and in words."""

    kind: str
    key: str
    text: str


class FormatError(ValueError):
    """A file that is not a whole safetensors file, with every problem found."""

    def __init__(self, *problems: Problem):
        super().__init__("; ".join(problem.text for problem in problems[:5]))
        self.problems = problems


class Entry(NamedTuple):
    """A tensor of a file: key, dtype as the format calls it, shape, and at which byte of the file it starts.

    The writer decides on the last itself.
    """

    key: str
    dtype: str
    shape: tuple[int, ...]
    start: int = 0

    @property
    def size(self) -> int:
        """In bytes."""
        return math.prod(self.shape) * np.dtype(STORED[self.dtype]).itemsize


class Header(NamedTuple):
    """What a file says of itself."""

    entries: dict[str, Entry]
    metadata: dict[str, str]

    @property
    def usual_dtype(self) -> str:
        """The dtype of most weights: a file in half precision need not say so."""
        counts = Counter(entry.dtype for entry in self.entries.values() if entry.dtype in DTYPES.values())
        return counts.most_common(1)[0][0] if counts else "F32"


def read_header(file: Path) -> Header:
    """The header of a file, every byte of the file accounted for. Raises `FormatError`, or `OSError` if unreadable."""
    size = file.stat().st_size
    if is_pointer(file):
        raise FormatError(Problem("Git LFS pointer", "", ADVICE))
    with file.open("rb") as handle:
        start = handle.read(8)
        if len(start) < 8:
            raise FormatError(Problem("truncated", "", f"{size} bytes, expected at least 8 for the header's length"))
        length = int.from_bytes(start, "little")
        if length > LONGEST_HEADER:
            raise FormatError(Problem("header length", "", f"a header of {length} bytes, expected {LONGEST_HEADER}"))
        if length > size - 8:
            raise FormatError(Problem("truncated", "", f"{size} bytes, expected {8 + length} for the header alone"))
        return parse_header(handle.read(length), size)


def parse_header(text: bytes, size: int) -> Header:
    """The header whose text is given, of a file of `size` bytes. Raises `FormatError`."""
    repeated: list[Problem] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                repeated.append(Problem("duplicate key", key, f"{key}: the same key twice in the header"))
            found[key] = value
        return found

    try:
        if not text.startswith(b"{"):
            raise ValueError("it does not begin with a brace")
        fields = json.loads(text.decode("utf-8").rstrip(" "), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise FormatError(Problem("header syntax", "", f"the header is no JSON object: {error}")) from error
    if repeated:
        raise FormatError(*repeated)
    metadata = fields.pop(METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise FormatError(Problem("metadata", METADATA, "the metadata are not texts by name"))
    first = 8 + len(text)
    parsed = [parse_entry(key, field, first) for key, field in fields.items()]
    if problems := [problem for problem in parsed if isinstance(problem, Problem)]:
        raise FormatError(*problems)
    entries = [entry for entry in parsed if isinstance(entry, Entry)]
    end = first
    for entry in sorted(entries, key=lambda entry: (entry.start, entry.size)):
        if entry.start != end:
            kind = "overlap" if entry.start < end else "gap"
            text_ = f"{entry.key} starts at byte {entry.start}, expected {end}, where the tensor before it ends"
            raise FormatError(Problem(kind, entry.key, text_))
        end += entry.size
    if end != size:
        kind = "truncated" if size < end else "trailing bytes"
        raise FormatError(Problem(kind, "", f"{size} bytes, expected {end} by the header"))
    return Header({entry.key: entry for entry in entries}, metadata)


def parse_entry(key: str, field: Any, first: int) -> Entry | Problem:
    """The entry of a key, or what is wrong with it; the file's data start at byte `first`."""

    def naturals(value: Any) -> bool:
        return isinstance(value, list) and all(type(number) is int and 0 <= number <= sys.maxsize for number in value)

    if not isinstance(field, dict) or sorted(field) != ["data_offsets", "dtype", "shape"]:
        return Problem("header entry", key, f"{key}: expected dtype, shape and data_offsets alone, got {field!r:.80}")
    dtype, shape, offsets = field["dtype"], field["shape"], field["data_offsets"]
    if not isinstance(dtype, str) or dtype not in STORED:
        return Problem("unknown dtype", key, f"{key} has dtype {dtype!r:.40}, expected one of {', '.join(STORED)}")
    if not naturals(shape):
        return Problem("shape", key, f"{key} has shape {shape!r:.80}, expected a list of natural numbers")
    if not naturals(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        return Problem("offsets", key, f"{key} has offsets {offsets!r:.80}, expected a start and an end")
    entry = Entry(key, dtype, tuple(shape), first + offsets[0])
    if entry.size != offsets[1] - offsets[0]:
        text = f"{key} has {offsets[1] - offsets[0]} bytes, expected {entry.size} for {dtype} of shape {entry.shape}"
        return Problem("tensor size", key, text)
    return entry


def read_bytes(handle: BinaryIO, entry: Entry) -> bytes:
    """The bytes of a tensor. Raises `FormatError` where the file has become shorter."""
    content = os.pread(handle.fileno(), entry.size, entry.start)
    while len(content) < entry.size:
        more = os.pread(handle.fileno(), entry.size - len(content), entry.start + len(content))
        if not more:
            raise FormatError(Problem("truncated", entry.key, f"{entry.key}: the file ends in it"))
        content += more
    return content


def layout(entries: Iterable[Entry], metadata: Mapping[str, str]) -> tuple[bytes, dict[Entry, int]]:
    """The head of the file and where in the file each tensor starts, in bytes; both depend on the set of keys only."""
    header: dict[str, Any] = {METADATA: dict(metadata)} if metadata else {}
    starts, end = {}, 0
    # The widest dtype first, as the library does it, so that every tensor is aligned to its items.
    for entry in sorted(entries, key=lambda entry: (-np.dtype(STORED[entry.dtype]).itemsize, entry.key)):
        if entry.key in header:
            raise ValueError(f"{entry.key}: the same key twice; a checkpoint holds one tensor a key")
        start, end = end, end + entry.size
        header[entry.key] = {"dtype": entry.dtype, "shape": entry.shape, "data_offsets": (start, end)}
        starts[entry] = start
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    head = len(text).to_bytes(8, "little") + text
    return head, {entry: len(head) + start for entry, start in starts.items()}


def write_file(
    file: Path,
    entries: Iterable[Entry],
    values: Callable[[Entry], np.ndarray],
    metadata: Mapping[str, str] | None = None,
    finish: Callable[[bytes], bytes] = bytes,
    workers: int = WORKERS,
) -> None:
    """Write `values(entry)` for every entry into `file`, whole or not at all: the same bytes whatever the thread count.

    `finish` may change the head once all values were given, in as many bytes. One worker is the caller's own thread:
    for values that must be made there. Raises `ValueError` for a key given
    twice, or whose value has another shape or dtype than it says.
    """
    head, starts = layout(entries, metadata or {})

    def put(entry: Entry) -> None:
        array, stored = values(entry), np.dtype(STORED[entry.dtype])
        if array.shape != entry.shape or array.dtype != stored:
            got, want = f"{array.dtype} of shape {array.shape}", f"{stored} of {entry.shape}"
            raise ValueError(f"{entry.key}: got {got}, expected {want}")
        write_at(handle.fileno(), np.ascontiguousarray(array, stored).reshape(-1).view(np.uint8), starts[entry])

    with replacing(file) as partial, partial.open("wb") as handle, ThreadPoolExecutor(workers) as pool:
        write_at(handle.fileno(), np.frombuffer(head, np.uint8), 0)
        for _ in (pool.map if workers > 1 else map)(put, starts):  # consumed, so that an exception is raised here
            pass
        write_at(handle.fileno(), np.frombuffer(finish(head), np.uint8), 0)


def write_at(descriptor: int, content: np.ndarray, start: int) -> None:
    """All bytes of `content` at offset `start`: a single call may write fewer."""
    done = 0
    while done < len(content):
        done += os.pwrite(descriptor, content[done:], start + done)
