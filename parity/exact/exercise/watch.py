"""What a watched source calls: each method notes which way a site went, and gives what the source asked for."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

from parity.base import exercise as sites
from parity.base.exercise import Site

Function = Callable[..., Any]
LIMIT_NAMES = {sites.LOWER: ("a_min", "min"), sites.UPPER: ("a_max", "max")}
"""How MLX, NumPy and PyTorch call the limits of `clip` and `clamp`."""


class Switch:
    """Whether anything is noted: not after a run, and not while the engine runs the program again."""

    on = True

    @contextmanager
    def off(self) -> Iterator[None]:
        before, self.on = self.on, False
        try:
            yield
        finally:
            self.on = before


class Ran(dict[int, None]):
    """`ran[n]` says that a function or a case ran: the first time alone costs more than reading a dictionary."""

    def __init__(self, noted: list[Site], switch: Switch):
        super().__init__()
        self.sites, self.switch = noted, switch

    def __missing__(self, number: int) -> None:
        if self.switch.on:
            self[number] = None
            self.sites[number].ways.update(self.sites[number].wanted)


class Truth(dict[bool, bool]):
    """`truth[n][not x]` is the truth of x: the first of each kind alone costs more than reading a dictionary."""

    def __init__(self, site: Site, switch: Switch):
        super().__init__()
        self.site, self.switch = site, switch

    def __missing__(self, otherwise: bool) -> bool:
        if self.switch.on:
            self[otherwise] = not otherwise
            self.site.ways.add("false" if otherwise else "true")
        return not otherwise


class Watch:
    """Notes the sites of one module. Values pass through as they are; of what is no number nothing is noted.

    What went every way is looked at no more.
    """

    slice, mod, floordiv = slice, operator.mod, operator.floordiv

    def __init__(self, noted: list[Site], switch: Switch):
        self.sites, self.switch = noted, switch
        self.ran = Ran(noted, switch)
        self.truth = [Truth(site, switch) for site in noted]

    def loop(self, number: int, over: Iterable[Any]) -> Iterable[Any]:
        return over if "more than once" in self.sites[number].ways else self._counted(number, over)

    def _counted(self, number: int, over: Iterable[Any]) -> Iterator[Any]:
        rounds = 0
        try:
            for value in over:
                rounds += 1
                yield value
        finally:
            if self.switch.on:
                self.sites[number].ways.add(("never", "once", "more than once")[min(rounds, 2)])

    def divided(self, number: int, function: Function, a: Any, b: Any) -> Any:
        if self.switch.on and type(a) is int and type(b) is int and abs(b) > 1:
            self.sites[number].ways.add("rest" if a % b else "none")
            self.sites[number].approached(abs(a))
        return function(a, b)

    def cut(self, numbers: tuple[int | None, ...], value: Any, index: Any) -> Any:
        watched = any(number is not None and self.sites[number].missing for number in numbers)
        if watched and self.switch.on and not isinstance(value, str | bytes):
            parts = index if isinstance(index, tuple) else (index,)
            for number, part, length in zip(numbers, parts, _lengths(value, parts), strict=False):
                if number is not None and length:
                    try:
                        start, stop, step = part.indices(length)
                    except TypeError:  # no slice of positions
                        continue
                    taken = len(range(start, stop, 1 if step > 0 else -1))
                    self.sites[number].ways.add("whole" if taken == length else "cut")
                    self.sites[number].approached(length)
        return value[index]

    def limit(self, number: int, function: Function, *args: Any, **kwargs: Any) -> Any:
        """`maximum` and `minimum` of two arrays; the limit is the one of one number, else the second."""
        if self.switch.on and len(args) == 2 and self.sites[number].missing:
            value, limit = (_numbers(one) for one in args)
            _limit(self.sites[number], *((limit, value) if value.size == 1 < limit.size else (value, limit)))
        return function(*args, **kwargs)

    def clip(self, lower: int, upper: int, function: Function, *args: Any, **kwargs: Any) -> Any:
        if self.switch.on:
            value, *limits = [*_owner(function), *args]
            for place, site in enumerate((self.sites[lower], self.sites[upper])):
                named = (kwargs[name] for name in LIMIT_NAMES[site.kind] if name in kwargs)
                limit = limits[place] if len(limits) > place else next(named, None)
                if limit is None:
                    site.ways.update(site.wanted)  # there is no such limit
                else:
                    _limit(site, _numbers(value), _numbers(limit))
        return function(*args, **kwargs)

    def choice(self, number: int, function: Function, *args: Any, **kwargs: Any) -> Any:
        site = self.sites[number]
        if self.switch.on and site.missing and not _owner(function):
            true = _numbers(args[0]) != 0
            site.ways |= ({"true"} if true.any() else set()) | (set() if true.all() else {"false"})
        return function(*args, **kwargs)

    def extreme(self, number: int, function: Function, *args: Any, **kwargs: Any) -> Any:
        """`max` and `min` of several values: which of them it is."""
        found = function(*args, **kwargs)
        if self.switch.on:
            site = self.sites[number]
            chosen = [way for way, value in zip(site.wanted, args, strict=True) if value is found or value == found]
            site.ways |= set(chosen) if len(chosen) == 1 else {"equal"}
        return found


def _owner(function: Function) -> list[Any]:
    """What a method is one of: `x` in `x.clip(0, 1)`."""
    owner = getattr(function, "__self__", None)
    return [] if owner is None or isinstance(owner, ModuleType) else [owner]


def _numbers(value: Any) -> np.ndarray:
    """A number or an array in double; empty where it is neither."""
    try:
        found = np.asarray(value.detach() if hasattr(value, "detach") else value)
    except (TypeError, ValueError, RuntimeError):
        return np.empty(0)
    return found.astype(np.float64, copy=False) if found.dtype.kind in "biuf" else np.empty(0)


def _limit(site: Site, value: np.ndarray, limit: np.ndarray) -> None:
    """Whether any value lies beyond its limit, and any within; and which came nearest."""
    if not site.missing or not value.size or not limit.size:
        return
    try:
        distance = value - limit if site.kind == sites.LOWER else limit - value
    except ValueError:  # of shapes that do not fit: the call itself says so
        return
    if (distance < 0).any():
        site.ways.add("bound")
    if (distance > 0).any():
        site.ways.add("free")
    nearest = int(np.argmin(distance))
    site.approached(*(float(np.broadcast_to(one, distance.shape).flat[nearest]) for one in (value, limit)))


def _lengths(value: Any, parts: tuple[Any, ...]) -> Iterator[int]:
    """The length of the axis that each part of an index is of; 0 where it is of none, or of several."""
    shape = getattr(value, "shape", None)
    if shape is None:
        shape = (len(value),) if hasattr(value, "__len__") else ()
    if any(getattr(part, "ndim", 0) > 1 for part in parts):
        return  # a mask takes as many axes as it has
    taking = sum(part is not None and part is not Ellipsis for part in parts)
    axis = 0
    for part in parts:
        if part is Ellipsis:
            axis = len(shape) - taking
        taking -= part is not None and part is not Ellipsis
        yield shape[axis] if isinstance(part, slice) and axis < len(shape) else 0
        axis += part is not None and part is not Ellipsis
