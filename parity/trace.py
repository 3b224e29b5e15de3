"""Traces: the taps of a segment by name, in execution order, in memory or, where they are many, in files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, MutableMapping
from pathlib import Path

import numpy as np

from parity.contract import Contract, Segment, Tap
from parity.errors import InputError

Trace = MutableMapping[str, np.ndarray]


class DiskTrace(MutableMapping[str, np.ndarray]):
    """Arrays by name, each in a file of its own in `folder`, which is made; an array is read anew each time."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True)
        self.folder = folder
        self.files: dict[str, Path] = {}

    def __setitem__(self, name: str, array: np.ndarray) -> None:
        file = self.files.setdefault(name, self.folder / f"{len(self.files)}.npy")
        np.save(file, array)

    def __getitem__(self, name: str) -> np.ndarray:
        array: np.ndarray = np.load(self.files[name])
        return array

    def __delitem__(self, name: str) -> None:
        self.files.pop(name).unlink()

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)


def keep(trace: Trace, wanted: Collection[str] | None = None) -> Callable[[Tap, np.ndarray], None]:
    """A visitor that stores taps in `trace`: every one, or those `wanted`."""

    def visit(tap: Tap, array: np.ndarray) -> None:
        if wanted is None or tap.name in wanted:
            trace[tap.name] = array

    return visit


def require_contract(contract: Contract, segment: Segment, trace: Trace, whose: str) -> None:
    """Raises `InputError` unless a trace has a segment's taps in the contract's order, each with its number of axes."""
    want, got = [tap.name for tap in segment.taps], list(trace)
    if want == got:
        wrong = [tap for tap in segment.taps if trace[tap.name].ndim != len(tap.axes.split())]
        if not wrong:
            return
        detail = f"{wrong[0].name} has shape {trace[wrong[0].name].shape}, declared with axes {wrong[0].axes!r}"
    else:
        missing, extra = [name for name in want if name not in trace], [name for name in got if name not in want]
        detail = f"missing {missing[:3]}, not declared {extra[:3]}" if missing or extra else "another order"
    raise InputError(
        f"{contract.path}: {whose} does not give the taps that are declared for segment {segment.label}: {detail}; "
        "correct the contract or the side"
    )
