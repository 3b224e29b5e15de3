"""What a file is that does not say it: its naming by its keys, and its quantisation by its shapes.

The converter reads such files. A module is filled from a published one alone: of any other the naming is for the error.
"""

from __future__ import annotations

from typing import NamedTuple

from mlx_impl.weights.stored.mapping import SCHEMES, UPSTREAM, Scheme
from spec.files.safetensors_file import Header

GROUP_SIZE = 64
"""Weights that share a scale and a bias: the usual group of `mlx.nn.quantize`."""


class Quantization(NamedTuple):
    """Of T3's linear layers, as `mlx.nn.quantize` does it."""

    bits: int
    group_size: int = GROUP_SIZE


def scheme_of(keys: list[str]) -> Scheme:
    """The naming that knows most of the keys, upstream's where none knows more."""
    if all(UPSTREAM.find(key) is not None for key in keys):  # no other can know more
        return UPSTREAM
    counts = {scheme: sum(scheme.find(key) is not None for key in keys) for scheme in SCHEMES.values()}
    return max(counts, key=lambda scheme: (counts[scheme], scheme is UPSTREAM))


def usual_quantization(header: Header) -> Quantization | None:
    """How a file that does not say it is quantised, in MLX's usual groups; None where it has no packed weight."""
    for key, entry in header.entries.items():
        scales = header.entries.get(key.removesuffix("weight") + "scales")
        if entry.dtype == "U32" and scales is not None and len(entry.shape) == len(scales.shape) == 2:
            inputs = scales.shape[1] * GROUP_SIZE
            return Quantization(32 * entry.shape[1] // inputs) if inputs else None
    return None
