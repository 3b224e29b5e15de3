"""Names of taps: with a branch, and by parts of the model, of which those that differ in their number are one row."""

from __future__ import annotations

from typing import TypeVar

Item = TypeVar("Item")

ROWS = 40
"""Parts that differ in their number alone from which on they are one row."""


def label(tap: str, branch: str) -> str:
    """The name of a tap with its branch: `mu[cond]`, `x[step=4,cond]`."""
    if not branch:
        return tap
    return f"{tap[:-1]},{branch}]" if tap.endswith("]") else f"{tap}[{branch}]"


def part(tap: str) -> str:
    """The part of the model that a tap belongs to: its path up to the first number, or its first two names."""
    names = tap.partition("[")[0].split(".")
    for position, name in enumerate(names):
        if name.isdigit():
            return ".".join(names[: position + 1])
    return ".".join(names[:2])


def merged(groups: dict[str, list[Item]]) -> dict[str, list[Item]]:
    """The same, with parts that differ in their number alone as one where they are many: `t3.tokens.2 ... 73`."""
    numbers: dict[str, list[str]] = {}
    for name in groups:
        stem, _, number = name.rpartition(".")
        if number.isdigit():
            numbers.setdefault(stem, []).append(number)
    rows: dict[str, list[Item]] = {}
    for name, items in groups.items():
        stem = name.rpartition(".")[0]
        same = numbers.get(stem, [])
        row = f"{stem}.{same[0]} ... {same[-1]}" if len(same) > ROWS else name
        rows.setdefault(row, []).extend(items)
    return rows
