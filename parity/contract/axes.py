"""Named axes: the one place where arrays are permuted. Nothing is ever reshaped or truncated to make two comparable."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from parity.base.errors import ContractError

ROLES = ("batch", "time", "channel", "head", "feature", "width", "class")
"""What an axis may be to a hypothesis: independent items, places in an order, channels, heads, features of one vector,
the width of a head, and the classes that are decided among."""


def permute(array: np.ndarray, have: str, want: str) -> np.ndarray:
    """A view of `array`, whose axes are `have` (say `"b t c"`), with its axes in the order `want`.

    Raises `InputError` when the two do not name the same axes, or the array has another number of them.
    """
    order = _order(have, want)
    if array.ndim != len(order):
        raise ContractError(f"an array of shape {array.shape} was declared with axes {have!r}; declare one axis each")
    return array.transpose(order)


@lru_cache
def _order(have: str, want: str) -> tuple[int, ...]:
    source, target = have.split(), want.split()
    if sorted(source) != sorted(target) or len(set(source)) != len(source):
        raise ContractError(
            f"axes {have!r} cannot be permuted to {want!r}: the contract must name the same axes once each"
        )
    return tuple(source.index(axis) for axis in target)


def split(array: np.ndarray, axes: str, labels: dict[str, list[str]]) -> list[tuple[str, np.ndarray]]:
    """The parts of an array along the axis that the contract splits, each with its label; one part `""` without one.

    A guided batch holds B conditional and then B unconditional items: they are judged apart.
    """
    for position, axis in enumerate(axes.split()):
        if axis in labels:
            names = labels[axis]
            if array.shape[position] % len(names):
                raise ContractError(
                    f"axis {axis!r} of {axes!r} has length {array.shape[position]}, which does not split "
                    f"into {len(names)} equal parts ({', '.join(names)})"
                )
            step, before = array.shape[position] // len(names), (slice(None),) * position
            return [(name, array[*before, slice(i * step, (i + 1) * step)]) for i, name in enumerate(names)]
    return [("", array)]


def roles(table: Mapping[str, str], where: str) -> dict[str, str]:
    """The role of each axis, from a table of the axes of each role.

    >>> roles({"time": "t n"}, "[axes]")
    {'t': 'time', 'n': 'time'}

    Raises `InputError` for a role that is not known, and for an axis that has two.
    """
    found: dict[str, str] = {}
    for role, names in table.items():
        if role not in ROLES:
            raise ContractError(f"{where}: unknown role {role!r}; known: {', '.join(ROLES)}")
        for name in names.split():
            if name in found:
                raise ContractError(f"{where}: axis {name!r} has the roles {found[name]} and {role}; give it one")
            found[name] = role
    return found
