"""A reduced dump: what a tensor that is too big to be stored leaves behind. The format is `run/dumps/format.md`.

All that is random is the sequence of SplitMix64 with seed 0 (Steele, Lea and Flood 2014), one number for each element.
Its bits are the signs of up to 64 projections. Mixed with the element's own bits it gives the hash.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from parity.base import bounded
from parity.base.bfloat16 import stored_dtype, widened
from parity.base.errors import InputError
from parity.base.files import write_text
from parity.base.walk import consecutive

VERSION, PROJECTIONS, MOST = 1, 16, 64
FLOATS = {"float16", "bfloat16", "float32", "float64"}
WHOLE = {"bool"} | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
SLICES = 4096
"""The most slices that are kept where nobody says how many axes are."""

STEP = np.uint64(0x9E3779B97F4A7C15)
FACTORS = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
SIGN = np.uint64(1 << 63)
NEAR = 1e-6
"""By what factor two sums of the same values may differ, whoever adds them up."""
PART = 1 << 14
"""Elements that are projected at a time, so that all that is made of them stays in a core's cache."""


@dataclass(frozen=True)
class Record:
    """What is kept of an array: `leading` axes have a row of `values` each, of as many as there are `projections`."""

    shape: tuple[int, ...]
    dtype: str
    leading: int
    projections: int
    hash: str
    rms: float
    min: float
    max: float
    nonfinite: int
    values: np.ndarray

    @property
    def slices(self) -> int:
        return math.prod(self.shape[: self.leading])

    @property
    def sound(self) -> bool:
        """Whether its numbers can be those of one array: extremes, RMS and sums bound each other."""
        size, most = math.prod(self.shape), max(abs(self.min), abs(self.max))
        finite = size - self.nonfinite
        numbers = np.array([self.rms, self.min, self.max, *self.values])
        if self.dtype not in FLOATS | WHOLE or not 0 <= finite <= size or not np.isfinite(numbers).all():
            return False
        if self.values.shape != (0 if self.dtype in WHOLE else self.slices * self.projections,):
            return False
        if not (self.min <= self.max and 0 <= self.rms <= most * (1 + NEAR)):
            return False
        energy = self.values.reshape(-1, self.projections) ** 2
        # By Cauchy and Schwarz, whatever the signs are.
        allowed = size / max(self.slices, 1) * self.rms**2 * finite
        return bool((energy.sum(axis=0) <= allowed * (1 + NEAR)).all())

    def unlike(self, other: Record) -> str:
        """Which number of two records of the same values differs by more than adding up explains; empty for none."""
        scale = other.rms * math.sqrt(max(math.prod(other.shape) / max(other.slices, 1), 1))
        for name in ("nonfinite", "rms", "min", "max"):
            ours, theirs = getattr(self, name), getattr(other, name)
            if abs(ours - theirs) > NEAR * max(abs(theirs), other.rms):
                return f"its {name} is {ours:.6g}, not {theirs:.6g}"
        if self.projections == other.projections and not np.allclose(self.values, other.values, NEAR, NEAR * scale):
            return "its sums are others"
        return ""

    def save(self, file: Path) -> None:
        """Write the record as JSON. Raises `InputError` where it cannot be written."""
        about = {"reduced": VERSION} | asdict(self) | {"values": self.values.ravel().tolist()}
        write_text(json.dumps(about) + "\n", file)


def load(file: Path) -> Record:
    """Read a record. Raises `InputError` for a file that is none."""
    try:
        about: dict[str, Any] = bounded.read_json(file)
        version = about.pop("reduced")
        found = Record(**about | {"shape": tuple(about["shape"]), "values": np.array(about["values"], np.float64)})
        counts = (*found.shape, found.leading, found.projections, found.nonfinite)
        if version != VERSION or any(type(count) is not int or count < 0 for count in counts):
            raise ValueError(f"its version is {version!r} and its counts are {counts}")
        if not PROJECTIONS <= found.projections <= MOST:
            raise ValueError(f"{found.projections} projections, expected {PROJECTIONS} to {MOST}")
        if found.leading > len(found.shape) or not re.fullmatch("[0-9a-f]{16}", found.hash) or not found.sound:
            raise ValueError("its numbers do not fit each other")
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); expected a reduced dump") from error
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise InputError(f"{file}: no reduced dump ({error}); the bundle's README.md has the format") from error
    return found


def is_record(file: Path) -> bool:
    """Whether a JSON file says that it is a record: others may lie beside dumps."""
    try:
        with file.open("rb") as stream:
            return b'"reduced"' in stream.read(4096)
    except OSError:
        return False


def reduced(array: np.ndarray, leading: int | None = None, projections: int = PROJECTIONS) -> Record:
    """The record of an array of any size, in the order of its axes.

    As many `leading` axes are kept as give at most `SLICES` slices, where nothing else is said.

    >>> record = reduced(np.arange(8, dtype=np.float32).reshape(2, 4) / 4, leading=1, projections=4)
    >>> record.hash, record.values.tolist()
    ('ad6b902f04049cbb', [0.5, 0.5, -1.5, -1.0, 0.5, 1.0, 2.0, -2.5])
    """
    if leading is None:
        leading = max(axes for axes in range(array.ndim + 1) if math.prod(array.shape[:axes]) <= SLICES)
    slices = math.prod(array.shape[:leading])
    rows = np.zeros((slices, projections))
    inner = array.size // max(slices, 1)
    total, square, least, most, nonfinite = 0, 0.0, math.inf, -math.inf, 0
    whole = array.dtype.kind in "iub" and stored_dtype(array) != "bfloat16"
    for start, stored in consecutive(array, PART):
        part = widened(stored)
        mixed = sequence(start, part.size)
        total += int(np.sum(mix(mixed ^ bits(part)), dtype=np.uint64))
        finite = np.isfinite(part)
        numbers = np.where(finite, part, 0).astype(np.float64)
        seen = numbers[finite]
        nonfinite += part.size - int(np.count_nonzero(finite))
        square += float(np.dot(numbers, numbers))
        least, most = float(seen.min(initial=least)), float(seen.max(initial=most))
        if not whole:
            _project(numbers, mixed, start, inner, rows)
    return Record(
        shape=tuple(array.shape),
        dtype=stored_dtype(array),
        leading=leading,
        projections=projections,
        hash=f"{total % 2**64:016x}",
        rms=math.sqrt(square / max(array.size - nonfinite, 1)),
        min=least if nonfinite < array.size else 0.0,
        max=most if nonfinite < array.size else 0.0,
        nonfinite=nonfinite,
        values=np.empty(0) if whole else rows.ravel(),
    )


def mix(z: np.ndarray) -> np.ndarray:
    """The finalizer of SplitMix64."""
    z = (z ^ (z >> np.uint64(30))) * FACTORS[0]
    z = (z ^ (z >> np.uint64(27))) * FACTORS[1]
    return np.asarray(z ^ (z >> np.uint64(31)))


def sequence(start: int, count: int) -> np.ndarray:
    """The numbers `start` and following of SplitMix64 with seed 0."""
    return mix(np.arange(start + 1, start + count + 1, dtype=np.uint64) * STEP)


def bits(part: np.ndarray) -> np.ndarray:
    """The bits of floats, and whole numbers as 64 bits with sign, so that their width does not count."""
    if part.dtype.kind == "f":
        wide = part if part.dtype.itemsize > 2 else part.astype(np.float32)
        return wide.view(f"u{wide.dtype.itemsize}").astype(np.uint64)
    return part.astype(np.int64 if part.dtype.kind != "u" else np.uint64).view(np.uint64)


def _project(numbers: np.ndarray, mixed: np.ndarray, start: int, inner: int, rows: np.ndarray) -> None:
    """Add what these elements give to the projections of their slices."""
    edges = np.arange(-(-(start + 1) // inner) * inner, start + numbers.size, inner) - start
    first = start // inner
    begins = np.concatenate([[0], edges]).astype(np.intp)
    bare = numbers.view(np.uint64)
    for projection in range(rows.shape[1]):
        signed = (bare ^ ((mixed << np.uint64(63 - projection)) & SIGN)).view(np.float64)
        rows[first : first + begins.size, projection] += np.add.reduceat(signed, begins)
