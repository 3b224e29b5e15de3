"""Where a converted file comes from, as it says itself."""

from __future__ import annotations

import json

from mlx_impl.weights.stored.reader import ANCESTORS, SOURCE, Tensors


def made_from(tensors: Tensors) -> dict[str, str]:
    """The files that a converted file was made from, and their hashes."""
    return json.loads(tensors.header.metadata.get(SOURCE, "{}"))


def ancestors(tensors: Tensors) -> list[str]:
    """The hashes of all files that a converted file comes from, directly or by others."""
    return [*made_from(tensors).values(), *tensors.header.metadata.get(ANCESTORS, "").split()]
