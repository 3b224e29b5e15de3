"""Constants that were rounded to a narrower dtype: each stands for the interval of half an ulp around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np

from parity.exact.constants import HALF, half_ulp
from parity.exact.program import Constant
from parity.match.values import Pooled, Runs
from parity.match.weights import LEAST, Anchors, telling

_MOST = 1 << 16
"""Larger constants than this are compared with whole arrays of the reference alone, not number by number."""


@dataclass(frozen=True)
class Use:
    """A value of the candidate that was found within the effect of a rounded constant alone.

    `error` is in units of the RMS of the reference's quantity.
    """

    quantity: int
    key: int
    error: float


@dataclass(frozen=True, eq=False)
class Unresolved:
    """A rounded constant of the candidate inside whose interval no constant of the reference lies."""

    number: int
    key: int
    name: str
    dtype: str
    shape: tuple[int, ...]
    uses: list[Use] = field(default_factory=list)


@dataclass
class Resolved:
    """`exact` has the reference's values in place of rounded ones, by key; `unresolved` the others."""

    exact: dict[int, Pooled] = field(default_factory=dict)
    unresolved: list[Unresolved] = field(default_factory=list)


def resolve(reference: Runs, candidate: Runs, anchors: Anchors) -> Resolved:
    """Of every rounded constant of the candidate, the reference's where that lies within half an ulp everywhere.

    A weight in half precision is what it says, for the port computes with these digits. Others are compared as whole
    arrays in any layout. Single numbers are also looked for among the reference's scalars: its
    constants of one number, and the numbers that its operations take as arguments. The numbers of an array are looked
    for among those of each of the reference's, and of two rows of one module and their sum: at their places first, then
    in another order. An LSTM has two biases there, and in most ports one; of a GRU's two, ports add a part.
    """
    scalars = np.unique(np.array(list(_scalars(reference)), np.float64))
    rows = _rows(reference)
    pairs = [pair for (module, _), arrays in rows.items() if module for pair in combinations(arrays, 2)]

    @cache  # made when a constant is first looked for in them: to sort all weights takes long
    def tables() -> list[np.ndarray]:
        whole = [a for p in anchors.ours.values() if (a := p[0]) is not None and a.dtype.kind == "f"]
        short = [array for (_, size), arrays in rows.items() if size < LEAST for array in arrays]
        # A sum before the two beside it: of many numbers one that means another lies within half an ulp by chance.
        added = [array for one, other in pairs for array in (one + other, np.concatenate([one, other, one + other]))]
        return [np.unique(array) for array in (*whole, *short, *added)]

    def numbers_for(array: np.ndarray) -> Iterator[np.ndarray]:
        yield scalars
        if 1 < array.size <= _MOST:
            yield from tables()

    result = Resolved()
    for key in candidate.given:
        constants = candidate.constants(key) if key not in candidate.inputs else []
        first = constants[0] if constants else None
        if first is None or not first.rounded or first.array.dtype.kind not in "fc":
            continue
        if first.rounded in HALF and telling((first.array,)):
            continue
        if key in anchors.exact:
            result.exact[key] = anchors.exact[key]
            continue
        if key in anchors.same:  # parts of the reference's, fused
            result.exact[key] = candidate.given[key]
            continue
        if (there := _added(constants, pairs)) is not None:
            result.exact[key] = there
            continue
        distinct = [None if c is None else _distinct(c.array) for c in constants]
        arrays: list[np.ndarray | None] = []
        for numbers in numbers_for(first.array):
            arrays = [
                None if c is None or one is None else _exact(c.array, one, c.rounded, numbers)
                for c, one in zip(constants, distinct, strict=True)
            ]
            if all(array is not None for array in arrays):
                break
        if any(array is None for array in arrays):
            number = candidate.numbers[key][0]
            if not _whole_numbers(first.array):
                result.unresolved.append(
                    Unresolved(-1 if number is None else number, key, first.name, first.rounded, first.array.shape)
                )
            continue
        result.exact[key] = tuple(arrays)
    return result


def _distinct(array: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """An array's different numbers, and which of them each of its elements is; None for one that is too large."""
    if array.size > _MOST or array.dtype.kind == "c":
        return None
    return np.unique(array, return_inverse=True)


def _exact(
    array: np.ndarray, numbers: tuple[np.ndarray, np.ndarray], dtype: str, scalars: np.ndarray
) -> np.ndarray | None:
    """Every number replaced by the reference's scalar within half an ulp; None where one has none."""
    if not scalars.size:
        return None
    distinct, places = numbers
    if distinct.size > scalars.size:
        return None
    right = np.clip(np.searchsorted(scalars, distinct), 1, max(scalars.size - 1, 1))
    left = scalars[right - 1]
    nearest = (
        left
        if scalars.size == 1
        else np.where(np.abs(distinct - left) <= np.abs(scalars[right] - distinct), left, scalars[right])
    )
    if np.any(np.abs(nearest - distinct) > half_ulp(distinct, dtype) * 1.0001):
        return None
    return np.asarray(nearest[places].reshape(array.shape))


def _whole_numbers(array: np.ndarray) -> bool:
    """Numbers like 0, 1 or 1/2 are what they say: nothing was rounded."""
    finite = array[np.isfinite(array)]
    return bool(np.all(finite * 256 == np.round(finite * 256)))


def _rows(runs: Runs) -> dict[tuple[str, int], list[np.ndarray]]:
    """The rows of numbers that each module holds, by its path and their length."""
    rows: dict[tuple[str, int], list[np.ndarray]] = {}
    for key in runs.given:
        constant = runs.constants(key)[0] if key not in runs.inputs else None
        if constant is not None and constant.array.dtype.kind == "f" and _is_row(constant.array):
            module = constant.name.rpartition(".")[0]
            rows.setdefault((module, constant.array.size), []).append(constant.array.ravel())
    return rows


def _is_row(array: np.ndarray) -> bool:
    return max(array.shape, default=0) == array.size


def _added(constants: Sequence[Constant | None], pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> Pooled | None:
    """A row whose numbers are, each at its place, those of one of two rows or their sum; None where it is no such."""
    first = constants[0]
    assert first is not None
    if first.array.size == 1 or not _is_row(first.array):
        return None
    if not all(c is not None and np.array_equal(c.array, first.array) for c in constants):
        return None
    held = first.array.ravel()
    slack = half_ulp(held, first.rounded) * 1.0001
    for one, other in pairs:
        if one.size != held.size:
            continue
        options = np.stack([one + other, one, other])
        nearest = options[np.abs(options - held).argmin(0), np.arange(held.size)]
        if np.all(np.abs(nearest - held) <= slack):
            return (nearest.reshape(first.array.shape),) * len(constants)
    return None


def _scalars(runs: Runs) -> Iterator[float]:
    for key, pooled in runs.given.items():
        if key in runs.inputs or pooled[0] is None:
            continue
        array = pooled[0]
        if array.size == 1 and array.dtype.kind in "fiu" and np.isfinite(array).all():
            yield float(array.reshape(()))
    for step in runs.steps:
        yield from _numbers(step.node.arguments)


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _numbers(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _numbers(inner)
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and np.isfinite(value):
        yield float(value)
