"""The weights of a checkpoint, by which a hypothesis computes a block again: any safetensors files of one folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from parity.base import safetensors

GAIN = ".parametrizations.weight.original0"
PARTS = ("original0", "original1")
"""How PyTorch stores a weight norm: gain and direction."""

FLOATS = {"F32", "F64", "F16"}


class Weights(Mapping[str, np.ndarray]):
    """The numbers of all files of a folder, by name, mapped when they are asked for."""

    def __init__(self, folder: Path):
        self.entries = {
            name: entry
            for file in sorted(folder.glob("*.safetensors"))
            for name, entry in safetensors.entries(file).items()
            if entry.dtype in FLOATS
        }
        self.loaded: dict[str, np.ndarray] = {}

        self.folded = {f"{n.removesuffix(GAIN)}.weight": n for n in self.entries if n.endswith(GAIN)}

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.loaded:
            self.loaded[name] = self._folded(name) if name in self.folded else self.entries[name].load()
        return self.loaded[name]

    def __iter__(self) -> Iterator[str]:
        yield from self.entries
        yield from self.folded

    def __len__(self) -> int:
        return len(self.entries) + len(self.folded)

    def _folded(self, name: str) -> np.ndarray:
        """A weight of a weight norm: its gain times its direction, of length 1 in all axes but the first."""
        gain, direction = (np.asarray(self[self.folded[name].replace("original0", part)], np.float64) for part in PARTS)
        length = np.sqrt((direction**2).sum(axis=tuple(range(1, direction.ndim)), keepdims=True))
        return np.asarray(gain * direction / length)
