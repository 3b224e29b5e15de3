"""What a key of a checkpoint file says of its tensor, and the two groups of keys that every stage has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Key(NamedTuple):
    """A tensor of a checkpoint file: its name upstream, its shape in PyTorch's layout, its dtype as NumPy calls it."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"


Keys = Iterator[Key]


def weight_and_bias(name: str, *shape: int) -> Keys:
    """A layer's weight and its bias, one value per output (the first dimension)."""
    yield Key(f"{name}.weight", shape)
    yield Key(f"{name}.bias", shape[:1])
