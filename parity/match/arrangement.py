"""How an array of one program lies in an array of another: axes split, transposed and merged, never computed with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, permutations

import numpy as np

from parity.base.metrics import MASKED, dot

BOUND = 1e-10
"""Largest |Δ| of two equal quantities in double, in units of the reference's RMS."""

EXACT = 1e-13
"""Largest |Δ| of what no small term sets apart: a tiny epsilon makes two quantities of what `BOUND` calls equal."""

_SAMPLED = 61
"""Places of a block at which a hypothesis of an arrangement is checked before all elements are."""

_TRIED = 3000
"""Hypotheses of an arrangement that are checked at most. Values that repeat let many wrong ones live for long."""

_PERMUTED = 5
"""Arrays of more axes than this are tried in the arrangement of their memory alone."""


@dataclass(frozen=True)
class Arrangement:
    """The reference's array read as `split`, its axes in `order`, and reshaped to the candidate's shape.

    `split` has no axes of size 1 and none that could be merged, so that one arrangement has one form.
    """

    split: tuple[int, ...]
    order: tuple[int, ...]

    @property
    def plain(self) -> bool:
        """The elements lie in the same order on both sides."""
        return len(self.split) < 2

    def apply(self, reference: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """The reference's array as the candidate would hold it."""
        return reference.reshape(self.split).transpose(self.order).reshape(shape)

    def invert(self, candidate: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """The candidate's array as the reference would hold it."""
        turned = candidate.reshape([self.split[axis] for axis in self.order])
        return turned.transpose(np.argsort(self.order)).reshape(shape)

    def __str__(self) -> str:
        if self.plain:
            return "same order"
        return f"{'×'.join(map(str, self.split))} in the order {','.join(map(str, self.order))}"


def root_mean_square(array: np.ndarray) -> float:
    """Of the finite elements; 0 for none."""
    flat = array.ravel(order="K").astype(np.result_type(array, np.float64), copy=False)
    flat = flat.view(np.float64) if flat.dtype.kind == "c" else flat
    with np.errstate(over="ignore", invalid="ignore"):  # an exchange may put any number anywhere
        total = dot(flat, flat)
    if not np.isfinite(total):
        finite = np.isfinite(array.ravel(order="K"))
        flat = flat.reshape(len(finite), -1)[finite].ravel()
        with np.errstate(over="ignore"):
            total = dot(flat, flat)
    count = flat.size if array.dtype.kind != "c" else flat.size // 2
    return float(np.sqrt(total / count)) if count else 0.0


def difference(candidate: np.ndarray, reference: np.ndarray) -> float:
    """Largest |Δ| in units of the reference's RMS; infinite where one is not finite and the other is another number.

    A reference of zeros is equal to zeros alone. Both arrays have one shape.
    """
    if reference.dtype.kind in "biu" and candidate.dtype.kind in "biu":
        return 0.0 if np.array_equal(reference, candidate) else np.inf
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(np.subtract(candidate, reference, dtype=np.result_type(candidate, reference, np.float64)))
    if not np.isfinite(largest := float(apart.max(initial=0.0))):
        same = (candidate == reference) | (np.isnan(candidate) & np.isnan(reference))
        apart[same] = 0.0
        largest = float(apart.max(initial=0.0))
        if not np.isfinite(largest):
            return np.inf
    if largest == 0:
        return 0.0
    scale = scales(reference)
    if isinstance(scale, np.ndarray):
        return float((apart / scale).max()) if scale.all() else np.inf
    return largest / scale if scale else np.inf


def scales(reference: np.ndarray) -> float | np.ndarray:
    """What |Δ| is measured in: the RMS, or for an array with some masked elements a scale for each."""
    size = np.abs(reference)
    masked = size >= MASKED
    if masked.all() or not masked.any():
        return root_mean_square(reference)
    return np.where(masked, size, root_mean_square(reference[~masked]))


def relative_error(candidate: np.ndarray, reference: np.ndarray) -> float:
    """RMS of Δ in units of the reference's RMS, over the elements that are finite, and not masked, on both sides."""
    usual, expected = (np.abs(array) < MASKED for array in (candidate, reference))
    if not expected.any():
        usual, expected = np.isfinite(candidate), np.isfinite(reference)
    finite = usual & expected
    if not finite.any():
        return np.inf
    x, y = candidate[finite].astype(np.complex128), reference[finite].astype(np.complex128)
    scale = np.sqrt(np.mean(np.abs(y) ** 2))
    apart = np.sqrt(np.mean(np.abs(x - y) ** 2))
    error = float(apart / scale) if scale else (0.0 if apart == 0 else np.inf)
    return error if np.array_equal(usual, expected) else max(error, 1.0)


def find(candidate: np.ndarray, reference: np.ndarray, bound: float = BOUND) -> Arrangement | None:
    """The arrangement in which the two are equal within `bound`, or None.

    An arrangement is a mixed radix: the candidate's index counts sub-axes of the reference, each a size and a stride.
    The first element lies at the first place of both, so the strides are read off from the innermost sub-axis outwards.
    """
    if candidate.size != reference.size:
        return None
    x, y = (array.view(np.int8) if array.dtype == bool else array for array in (candidate.ravel(), reference.ravel()))
    if difference(x, y) <= bound:
        return Arrangement((x.size,), (0,))
    for arrangement in guesses(candidate.shape, reference.shape):
        if difference(arrangement.apply(y, x.shape), x) <= bound:
            return arrangement
    near = np.broadcast_to(bound * scales(y), y.shape)
    for digits in _digits(x, y, reference.shape, near):
        arrangement = _canonical(digits)
        if difference(arrangement.apply(y, x.shape), x) <= bound:
            return arrangement
    return None


def guesses(candidate: tuple[int, ...], reference: tuple[int, ...]) -> Iterator[Arrangement]:
    """Arrangements that fit two shapes of one size, for arrays that are not equal: permutations of axes, then none."""
    size = int(np.prod(reference))
    split = tuple(n for n in reference if n > 1)
    want = tuple(n for n in candidate if n > 1)
    seen = set()
    for order in _orders(split):
        if tuple(split[axis] for axis in order) == want:
            seen.add(arrangement := from_axes(split, order))
            yield arrangement
    if (plain := Arrangement((size,), (0,))) not in seen:
        yield plain


def merges(candidate: tuple[int, ...], reference: tuple[int, ...]) -> Iterator[Arrangement]:
    """The same of permutations of axes after which neighbours are made one: channels and frequencies, or heads."""
    split = tuple(n for n in reference if n > 1)
    want = set(np.cumprod([n for n in candidate if n > 1]).tolist())
    for order in _orders(split):
        ends = np.cumprod([split[axis] for axis in order]).tolist()
        if len(want) < len(split) and want <= set(ends):
            yield from_axes(split, order)


def _orders(split: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    return permutations(range(len(split))) if len(split) <= _PERMUTED else iter(())


def from_axes(split: tuple[int, ...], order: tuple[int, ...]) -> Arrangement:
    """The arrangement of a reference read as `split` with its axes in `order`, in its one form."""
    strides = [int(np.prod(split[axis + 1 :], dtype=int)) for axis in range(len(split))]
    return _canonical([(split[axis], strides[axis]) for axis in reversed(order)])


Digit = tuple[int, int]
"""Size and stride of a sub-axis."""


def _canonical(digits: list[Digit]) -> Arrangement:
    """Of sub-axes from the innermost outwards: neighbours that count on are one."""
    merged: list[Digit] = []
    for size, stride in digits:
        if size == 1:
            continue
        if merged and stride == merged[-1][0] * merged[-1][1]:
            merged[-1] = (merged[-1][0] * size, merged[-1][1])
        else:
            merged.append((size, stride))
    outwards = merged[::-1] or [(1, 1)]
    by_stride = sorted(range(len(outwards)), key=lambda place: -outwards[place][1])
    rank = {place: position for position, place in enumerate(by_stride)}
    split = tuple(outwards[place][0] for place in by_stride)
    return Arrangement(split, tuple(rank[place] for place in range(len(outwards))))


def _digits(x: np.ndarray, y: np.ndarray, shape: tuple[int, ...], near: np.ndarray) -> Iterator[list[Digit]]:
    """Sub-axes of y, from the innermost of x outwards, under which x and y agree in every block that they make up.

    A block is checked at some of its places: a hypothesis is dropped as soon as it is wrong, zeros on the way or not.
    """
    free = [(n, int(np.prod(shape[axis + 1 :], dtype=int))) for axis, n in enumerate(shape) if n > 1]

    def agrees(digits: list[Digit], size: int) -> bool:
        places = np.arange(size - 1, -1, -max(1, size // _SAMPLED))
        there, left = np.zeros_like(places), places
        for size_of_one, stride in digits:
            there = there + left % size_of_one * stride
            left = left // size_of_one
        with np.errstate(invalid="ignore"):
            return bool(np.all((np.abs(x[places] - y[there]) <= near[there]) | (x[places] == y[there])))

    tried = count(1)

    def grow(digits: list[Digit], done: int, left: list[Digit]) -> Iterator[list[Digit]]:
        if done == x.size:
            yield digits
            return
        for place, (size, stride) in enumerate(left):
            rest = left[:place] + left[place + 1 :]
            for inner in _divisors(size)[:-1]:
                for length in reversed(_divisors(size // inner)[1:]):
                    more = [*digits, (length, stride * inner)]
                    if next(tried) > _TRIED:
                        return
                    if x.size % (done * length) or not agrees(more, done * length):
                        continue
                    outer = (size // inner // length, stride * inner * length)
                    yield from grow(more, done * length, [*rest, *(d for d in ((inner, stride), outer) if d[0] > 1)])

    return grow([], 1, free)


def _divisors(number: int) -> list[int]:
    """In ascending order."""
    small = [n for n in range(1, int(number**0.5) + 1) if number % n == 0]
    return sorted({*small, *(number // n for n in small)})
