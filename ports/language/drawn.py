"""What becomes of random weights, by their names, where normal ones would hide something or cannot be packed."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Drawing = Callable[[str, Tensor], Tensor]

TERNARY = 0.1
"""The scale of ternary weights."""


def scaled(end: str, factor: float) -> Drawing:
    """Weights whose names have this end, times the factor."""
    return lambda name, value: value * factor if name.endswith(end) else value


def ternary(name: str, value: Tensor) -> Tensor:
    """-0.1, 0 or 0.1 in each projection."""
    return TERNARY * value.sign() * (value.abs() > 0.05) if name.endswith("_proj.weight") else value
