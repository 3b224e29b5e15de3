"""What an audit is given: the tensors of a side, read when they are needed, and what its program makes of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from parity.exact.constants import HALF
from parity.exact.operations import casts

CODES = "uint32"
"""The dtype of packed codes of a few bits."""

LEAST = 8
"""Different numbers that tell a tensor from others of its size, where nothing else does."""


@dataclass(frozen=True, eq=False)
class Tensor:
    """One tensor of a side: a parameter or buffer by its path, or a constant of the program.

    `read` gives its values where they lie, or widened; nothing keeps them. Complex ones have two parts, the last axis.
    `used`: some output is made of it.
    `weight`: a checkpoint has it; others are tables. `number` is that of the constant in the side's first program.
    `told`: it has a name, or enough numbers to be no mere argument. `restored`: the reference's digits are taken where
    rounding lost them. `taken` is the module and the line that take it first, in words.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], np.ndarray] = field(repr=False)
    used: bool = True
    weight: bool = True
    number: int | None = None
    others: tuple[str, ...] = ()
    told: bool = True
    restored: bool = False
    taken: str = ""

    @property
    def real(self) -> bool:
        """It has numbers that may be rounded: no integers, and no codes of a few bits."""
        return not self.dtype.startswith(("int", "uint", "bool"))

    @property
    def name(self) -> str:
        """Its path, or its shape where it has none."""
        return self.path or f"a tensor {self.shape}"

    @property
    def names(self) -> tuple[str, ...]:
        """All paths at which it stands."""
        return (self.name, *self.others)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=int))

    @property
    def lengths(self) -> tuple[int, ...]:
        """Its lengths but those of 1, in ascending order: the same in every layout of its axes."""
        return tuple(sorted(n for n in self.shape if n > 1))

    @cached_property
    def ends(self) -> tuple[float, float]:
        """The first and the last number, which stay where they are in every order of the axes."""
        flat = self.read().flat
        return float(flat[0]), float(flat[-1])

    @cached_property
    def fill(self) -> float | None:
        """The number that all of it is; None where two differ."""
        if self.ends[0] != self.ends[1]:
            return None
        values = self.read()
        return self.ends[0] if bool((values == values.flat[0]).all()) else None

    def rounded(self, dtype: str) -> np.ndarray:
        """The values as float32, rounded to a narrower dtype first."""
        return nearest(self.read(), dtype)


def nearest(values: np.ndarray, dtype: str) -> np.ndarray:
    """The nearest values of a dtype, ties to even, as float32; those that are float32 already are not copied."""
    if dtype == "bfloat16" and values.dtype == np.float32:
        bits = np.ascontiguousarray(values).view(np.uint32)
        kept = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) & np.uint32(0xFFFF0000)
        return np.where(np.isnan(values), values, kept.view(np.float32))
    if dtype in HALF:
        return casts.rounded(values, dtype).astype(np.float32)
    with np.errstate(over="ignore"):
        return values.astype(np.float32, copy=False)


@dataclass(frozen=True, eq=False)
class Made:
    """A value that a program makes of weights alone: the paths of these, and the operations."""

    value: np.ndarray
    sources: tuple[str, ...]
    operations: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Normed:
    """A batch norm by its running statistics, behind a linear operation that a loader may fold it into.

    `weight` has its output channels along `axis`. All four of the norm have one number for each channel.
    """

    weight: Tensor
    axis: int
    bias: Tensor | None
    gain: Tensor | None
    shift: Tensor | None
    mean: Tensor
    variance: Tensor
    eps: float


def _none(sizes: Collection[int]) -> Iterator[Made]:
    return iter(())


@dataclass(frozen=True, eq=False)
class Side:
    """All tensors of one side. `made` gives what its program makes of them alone, of values that have such sizes."""

    tensors: list[Tensor]
    made: Callable[[Collection[int]], Iterable[Made]] = _none
    norms: list[Normed] = field(default_factory=list)
