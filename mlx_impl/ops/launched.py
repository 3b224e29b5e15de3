"""How often a kernel of ours was asked for, by its name: proof that a run took a GPU's way. On a CPU there is none."""

from __future__ import annotations

from collections import Counter

CALLS: Counter[str] = Counter()
"""Calls of this process. Inside a function that MLX compiles, a call is counted when it is traced, not each time."""


def called(kernel: str) -> None:
    """Count one call."""
    CALLS[kernel] += 1
