"""Traces: the taps of a segment by name, in execution order, in memory or, where they are many, in files."""

from __future__ import annotations

import json
import math
import mmap
import os
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping
from pathlib import Path

import numpy as np

from parity.base.errors import ContractError
from parity.contract import HANDED, Contract, Segment, Tap

Trace = MutableMapping[str, np.ndarray]

ALIGNED = 64
"""Bytes that an array's place in a file is a multiple of."""

HELD = 1 << 24
"""Bytes that are read through one mapping of a file: what was read counts as this process's memory until it goes."""


class DiskTrace(MutableMapping[str, np.ndarray]):
    """Arrays by name, one behind the other in a file of the new `folder`. Storing an array copies it once; reading
    copies nothing.

    What is read is a view of the mapped file, in the memory order that was stored; it cannot be written to. Memory is
    taken by what is held of it, and by the last `HELD` bytes that were read.
    `write_index` says in the folder what lies where, for `read_only`, which opens what another process has stored.
    """

    def __init__(self, folder: Path, new: bool = True):
        if new:
            folder.mkdir(parents=True)
        self.folder = folder
        self.descriptor = os.open(folder / "trace", os.O_RDWR | os.O_CREAT | os.O_EXCL if new else os.O_RDONLY, 0o600)
        weakref.finalize(self, os.close, self.descriptor)
        self.places: dict[str, tuple[int, np.dtype, tuple[int, ...], list[int]]] = {}
        self.end = 0
        self.mapped: mmap.mmap | None = None
        self.read = 0  # bytes, through this mapping

    @classmethod
    def read_only(cls, folder: Path) -> DiskTrace:
        """A trace of which `write_index` was called."""
        trace = cls(folder, new=False)
        trace.end = os.fstat(trace.descriptor).st_size
        for name, (start, dtype, shape, order) in json.loads((folder / "index.json").read_text()).items():
            trace.places[name] = start, np.dtype(dtype), tuple(shape), order
        return trace

    def write_index(self) -> None:
        places = {name: (start, dtype.str, *rest) for name, (start, dtype, *rest) in self.places.items()}
        (self.folder / "index.json").write_text(json.dumps(places))

    def __setitem__(self, name: str, array: np.ndarray) -> None:
        order = sorted(range(array.ndim), key=lambda axis: -array.strides[axis])
        stored = np.ascontiguousarray(array.transpose(order))
        start = -(-self.end // ALIGNED) * ALIGNED
        rest, at = stored.reshape(-1).view(np.uint8).data, start
        while rest:
            written = os.pwrite(self.descriptor, rest, at)
            rest, at = rest[written:], at + written
        self.places[name] = start, array.dtype, tuple(array.shape[axis] for axis in order), order
        self.end = at

    def __getitem__(self, name: str) -> np.ndarray:
        start, dtype, shape, order = self.places[name]
        if 0 in shape:
            return np.empty(shape, dtype).transpose(np.argsort(order))
        mapped = self._mapped(math.prod(shape) * dtype.itemsize)
        array: np.ndarray = np.ndarray(shape, dtype, mapped, start)
        return array.transpose(np.argsort(order))

    def _mapped(self, size: int) -> mmap.mmap:
        """The whole file, to read so many bytes of it. A mapping lasts as long as an array from it is held."""
        if self.mapped is None or len(self.mapped) < self.end or self.read + size > HELD:
            mapped = mmap.mmap(self.descriptor, self.end, access=mmap.ACCESS_READ)
            if size > HELD:
                return mapped
            self.mapped, self.read = mapped, 0
        self.read += size
        return self.mapped

    def __delitem__(self, name: str) -> None:
        del self.places[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)


def copied(trace: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of a trace in memory, as a state that a side may hold and write to."""
    return {name: np.array(array, order="K") for name, array in trace.items()}


def keep(trace: Trace, wanted: Collection[str] | None = None) -> Callable[[Tap, np.ndarray], None]:
    """A visitor that stores taps in `trace`, every one or those `wanted`: the one copy that is made of them."""

    def visit(tap: Tap, array: np.ndarray) -> None:
        if wanted is None or tap.name in wanted:
            trace[tap.name] = np.array(array, order="K") if isinstance(trace, dict) else array

    return visit


def require_contract(contract: Contract, segment: Segment, trace: Trace, whose: str) -> None:
    """Raises `InputError` unless a trace has a segment's taps in the contract's order, each with its number of axes."""
    want, got = [tap.name for tap in segment.taps], [name for name in trace if not name.startswith(HANDED)]
    if want == got:
        wrong = [tap for tap in segment.taps if trace[tap.name].ndim != len(tap.axes.split())]
        if not wrong:
            return
        detail = f"{wrong[0].name} has shape {trace[wrong[0].name].shape}, declared with axes {wrong[0].axes!r}"
    else:
        missing, extra = [name for name in want if name not in trace], [name for name in got if name not in want]
        detail = f"missing {missing[:3]}, not declared {extra[:3]}" if missing or extra else "another order"
    raise ContractError(
        f"{contract.path}: {whose} does not give the taps that are declared for segment {segment.label}: {detail}; "
        "correct the contract or the side"
    )
