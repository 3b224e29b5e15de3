"""Everything that is wrong with a checkpoint file: its structure, names, layouts and values, and against its source."""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

from mlx_impl.convert.conversion import Conversion, Request
from mlx_impl.convert.encoding import EPSILON, SMALLEST
from mlx_impl.convert.inventory import examine, files_of
from mlx_impl.convert.origin import ancestors, made_from
from mlx_impl.convert.source import Source, contents, sha256, source_of
from mlx_impl.convert.values import value_problems
from mlx_impl.weights.stored.layout import PYTORCH
from mlx_impl.weights.stored.layout import convert as to_layout
from mlx_impl.weights.stored.mapping import FOLD, SUM, Parameter
from mlx_impl.weights.stored.number import decode
from mlx_impl.weights.stored.reader import Tensors, Unreadable
from spec.files.safetensors_file import DTYPES, Entry, Problem

Progress = Callable[[str, int, int], None]


@dataclass
class Audit:
    """A file and what was found. The file passes when nothing was found."""

    file: Path
    naming: str = ""
    layout: str = ""
    dtype: str = ""
    tensors: int = 0
    compared: int = 0  # with their source
    problems: list[Problem] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        return {
            "schema": 1,
            "passed": self.passed,
            "file": str(self.file),
            "naming": self.naming,
            "layout": self.layout,
            "dtype": self.dtype,
            "tensors": self.tensors,
            "compared": self.compared,
            "counts": dict(Counter(problem.kind for problem in self.problems)),
            "problems": [problem._asdict() for problem in self.problems],
        }


def audit(
    file: Path,
    against: Path | Source | None = None,
    progress: Progress = lambda *_: None,
    t3: str | None = None,
) -> Audit:
    """Examine a file, and compare every tensor with its source if there is one. Of a directory: each of its files.

    Raises `ValueError` for a file that is missing and for a source that is not whole itself, or of which it is open
    which T3 is meant.
    """
    if file.is_dir():
        found = contents(file)
        report = merged(file, [audit(each, against, progress, t3) for each in found.weights])
        report.problems += [Problem("file", name, f"{name} {reason}") for name, reason in found.problems()]
        return report
    report = Audit(file)
    try:
        tensors = Tensors(file)
    except Unreadable as error:
        report.problems += error.problems
        return report
    report.naming, report.layout, report.dtype = str(tensors.scheme), tensors.scheme.layout, tensors.dtype
    report.tensors = len(tensors.header.entries)
    report.problems += examine(tensors)
    report.problems += read_problems(tensors, progress)
    if against is not None:
        source = against if isinstance(against, Source) else source_of(tensors, against, t3)
        comparison = Comparison(tensors, source)
        report.problems += comparison.problems(progress)
        report.compared = comparison.compared
    return report


def merged(folder: Path, reports: list[Audit]) -> Audit:
    """The audits of a directory's files as one."""
    report = Audit(folder)
    for name in ("naming", "layout", "dtype"):
        setattr(report, name, ", ".join(sorted({getattr(each, name) for each in reports} - {""})))
    for each in reports:
        report.tensors += each.tensors
        report.compared += each.compared
        report.problems += [problem._replace(text=f"{each.file.name}: {problem.text}") for problem in each.problems]
    return report


def read_problems(tensors: Tensors, progress: Progress) -> Iterator[Problem]:
    """What the bytes of each tensor give away."""
    total, done = sum(entry.size for entry in tensors.header.entries.values()), 0
    for parameter, found in tensors.parameters.items():
        for entry in found.parts.values():
            array = tensors.raw(entry)
            wrong = tensors.checksums and zlib.crc32(array) != tensors.checksums[entry.key]
            if wrong:
                yield Problem("checksum", entry.key, f"{entry.key} is not as it was written: its checksum differs")
            yield from value_problems(entry.key, parameter, decode(array, entry.dtype), tensors.scheme.layout)
            done += entry.size
            progress("reading", done, total)


class Comparison:
    """A file against what its source converts to."""

    def __init__(self, tensors: Tensors, source: Source):
        self.tensors, self.source, self.compared = tensors, source, 0
        dtype = next(name for name, stored in DTYPES.items() if stored == tensors.dtype)
        quantization = tensors.quantization if source.quantization is None else None
        files = files_of(tensors.parameters)
        part = {p: shape for p, shape in source.expected.items() if set(files_of([p])) <= set(files)}
        self.conversion = Conversion(source, Request(tensors.scheme, dtype, quantization), part)

    def problems(self, progress: Progress) -> Iterator[Problem]:
        yield from self.source_problems()
        entries = self.conversion.entries
        total, done = sum(entry.size for entry in entries), 0
        right: dict[str, str] = {}  # digest to key
        wrong: list[tuple[Entry, str]] = []
        for entry in entries:
            want = np.asarray(self.conversion.array(entry), order="C")
            right.setdefault(digest(want), entry.key)
            there = self.tensors.header.entries.get(entry.key)
            if there is not None and there.dtype == entry.dtype:
                have = self.tensors.raw(there)
                self.compared += 1
                if not same(have, want, entry.dtype):
                    wrong.append((entry, digest(have)))
            done += entry.size
            progress("comparing", done, total)
        for entry, own in wrong:
            if not self.equal_when_joined(self.conversion.entries[entry][0]):
                yield self.difference(entry, right.get(own))

    def equal_when_joined(self, parameter: Parameter) -> bool:
        """Whether two parts are others than the source's and the weight or bias that they make is the same.

        So it is on the way back from a naming that has it whole: how it was parted is lost there.
        """
        if len(self.tensors.parameters[parameter].parts) != 2:
            return False
        try:
            have, want = (whole.value(parameter) for whole in (self.tensors, self.source))
        except ValueError:  # parts that make no weight
            return False
        allowed = 4 * EPSILON[self.tensors.dtype] * np.abs(want).max(axis=tuple(range(1, want.ndim)), keepdims=True)
        return have.shape == want.shape and bool(np.all(np.abs(have - want) <= allowed))

    def source_problems(self) -> Iterator[Problem]:
        for file in self.source.files:
            if file.name in made_from(self.tensors) and sha256(file) not in ancestors(self.tensors):
                yield Problem("source hash", "", f"made from another {file.name} than {file}")

    def difference(self, entry: Entry, holds: str | None) -> Problem:
        """Why a tensor is not what its source converts to, as far as it can be told."""
        key, (parameter, _) = entry.key, self.conversion.entries[entry]
        have = self.tensors.raw(self.tensors.header.entries[key])
        want = self.conversion.array(entry)
        if holds is not None:
            return Problem("swapped tensor", key, f"{key} holds what {holds} should")
        for order in permutations(range(want.ndim)):
            turned = want.transpose(order)
            if turned.shape == have.shape and same(have, turned, entry.dtype):
                fits = tuple(int(axis) for axis in np.argsort(order))
                return Problem("wrong layout", key, f"{key}: its axes in the order {fits} are the source's")
        for kind, what, other in self.mistakes(parameter):
            if other.shape == have.shape and same(have, other, entry.dtype, 4):
                return Problem(kind, key, f"{key}: {what}")
        if have.shape != want.shape:
            return Problem("other values", key, f"{key} has shape {have.shape}, its source converts to {want.shape}")
        different = have.reshape(-1).view(np.uint8) != want.reshape(-1).view(np.uint8)
        count = int(np.count_nonzero(different.reshape(have.size, -1).any(1)))
        text = f"{key}: {count} of {have.size} values are not what its source converts to"
        return Problem("other values", key, text)

    def mistakes(self, parameter: Parameter) -> Iterator[tuple[str, str, np.ndarray]]:
        """Known mistakes in making a parameter: their kind, in words, and what they make, in the file's layout."""
        holder = self.source.holder.get(parameter)
        found = holder.parameters[parameter].parts if holder is not None else {}
        if len(found) != 2:
            return
        first, second = (holder.part(found[part]) for part in (0, 1))

        def stored(array: np.ndarray) -> np.ndarray:
            return to_layout(array, parameter.leaf.layout, PYTORCH, self.tensors.scheme.layout)

        if parameter.leaf.operation == SUM:
            yield "sum", "holds the first of two biases, not their sum", first
            yield "sum", "holds the second of two biases, not their sum", second
        if parameter.leaf.operation == FOLD:
            wide = second.astype(np.float64)
            yield "fold", "holds v: weight norm is not folded", stored(second)
            for axis in range(1, wide.ndim):
                others = tuple(each for each in range(wide.ndim) if each != axis)
                norm = np.sqrt((wide * wide).sum(axis=others, keepdims=True))
                text = f"weight norm is folded over all axes but {axis}, expected all but the first"
                yield "fold axis", text, stored((first * wide / norm).astype(np.float32))
            norm = np.sqrt((wide * wide).sum())
            yield "fold axis", "weight norm is folded over all axes", stored((first * wide / norm).astype(np.float32))


def digest(array: np.ndarray) -> str:
    head = f"{array.shape} {array.dtype} "
    return head + hashlib.blake2b(array.reshape(-1).view(np.uint8), digest_size=16).hexdigest()


def same(have: np.ndarray, want: np.ndarray, dtype: str, ulps: float = 1.0) -> bool:
    """Whether two stored arrays are equal, to the bit or to so many roundings of their dtype."""
    if have.shape != want.shape:
        return False
    if np.array_equal(have, want):
        return True
    if dtype not in EPSILON:
        return False
    left, right = (decode(array, dtype).astype(np.float64) for array in (have, want))
    return bool(np.all(np.abs(left - right) <= ulps * (EPSILON[dtype] * np.abs(right) + SMALLEST[dtype])))
