"""The record of a tensor that is too big to be dumped: a hash, RMS, extremes, and projections of each slice.

    dump.put("decoder[step=9]", ".json", record(x, leading=1))  # slices along the first axis

NumPy alone: copy this file beside parity_dump.py. MIT licence, as all of chatterbox-parity.
"""

from __future__ import annotations

import json

import numpy as np

PROJECTIONS = 16


def record(values: np.ndarray, leading: int, stored: str = "") -> bytes:
    """The record of bool, integers or floats, as JSON. Each slice along the first `leading` axes has sums of its own.

    Bfloat16 is given as float32, with "bfloat16" as `stored`. Raises `ValueError` for more leading axes than there are.
    """
    if not 0 <= leading <= values.ndim:
        raise ValueError(f"{leading} leading axes for the shape {values.shape}")
    stored = stored or values.dtype.name
    values = values.astype(np.float32) if values.dtype == np.float16 else values
    whole = values.dtype.kind in "biu"
    slices = values.reshape(int(np.prod(values.shape[:leading])), int(np.prod(values.shape[leading:])))
    sums: list[float] = []
    total, finite, square, low, high = 0, 0, 0.0, np.inf, -np.inf
    for number, part in enumerate(slices):
        first = number * part.size + 1
        u = mix(np.arange(first, first + part.size, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
        bits = part.astype(np.int64).view(np.uint64) if whole else bits_of(part)
        total += int(mix(u ^ bits).sum(dtype=np.uint64))
        x = part.astype(np.float64)
        seen = x[np.isfinite(x)]
        finite, square = finite + seen.size, square + float(seen @ seen)
        low, high = min(low, seen.min(initial=np.inf)), max(high, seen.max(initial=-np.inf))
        x[~np.isfinite(x)] = 0
        for j in range(0 if whole else PROJECTIONS):
            sums.append(float(np.where(u >> np.uint64(j) & np.uint64(1), -x, x).sum()))
    content = {
        "reduced": 1,
        "shape": list(values.shape),
        "dtype": stored,
        "leading": leading,
        "projections": PROJECTIONS,
        "hash": f"{total % 2**64:016x}",
        "rms": float(np.sqrt(square / finite)) if finite else 0.0,
        "min": float(low) if finite else 0.0,
        "max": float(high) if finite else 0.0,
        "nonfinite": values.size - finite,
        "values": sums,
    }
    return json.dumps(content).encode()


def mix(z: np.ndarray) -> np.ndarray:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def bits_of(part: np.ndarray) -> np.ndarray:
    """The bits of each float, as unsigned 64-bit integers."""
    return np.ascontiguousarray(part).view(f"u{part.itemsize}").astype(np.uint64)
