"""Functions of arrays on MLX, each place named in `tests/exact/test_exercise.py`."""

from __future__ import annotations

import mlx.core as mx
import numpy as np


def limits(x: mx.array) -> mx.array:
    floored = mx.maximum(x, 1e-10)
    capped = mx.minimum(mx.array(2.0), x)
    held = mx.clip(capped, -0.5, 0.5)
    leaky = mx.maximum(x, 0.1 * x)
    return floored + held + leaky + mx.array(np.ones(3).clip(None, 4))


def paired(x: mx.array, y: mx.array) -> mx.array:
    return mx.maximum(x, y)


def choices(x: mx.array, count: int) -> mx.array:
    x = mx.where(x > 0, x, 0)
    x = mx.where(x > 100, 100, x)
    return x * max(count, 1) + min(count, count + 1)


def branches(x: mx.array, scale: float | None = None, kind: str = "plain") -> mx.array:
    if x.ndim != 1:
        raise ValueError(f"got {x.ndim} axes, expected 1")
    if scale is not None and scale > 1:
        x = x * scale
    match kind:
        case "plain":
            x = x + 1
        case "squared":
            x = x * x
    return x if len(x) > 2 else -x


def lengths(x: mx.array) -> list[float]:
    blocks, rest = divmod(len(x), 4)
    kept = x[:1000]
    assert rest == 0
    found = [float(value) for value in kept[: 4 * blocks : 2] if value > 5]
    for _ in range(blocks - 2):
        found.append(0.0)
    return found[1:] + [len(x) // 5]


class Named(dict):
    """Has a method and slices that are called as an array's are."""

    def __getitem__(self, key: slice) -> str:
        return f"{key.start} to {key.stop}"

    def clip(self, text: str, width: str, mark: str) -> str:
        return text + width + mark


def others() -> str:
    named = Named(a="x")
    text = named["a":"c"] + named.clip("text", "...", "!")
    return text[:1000]


class Never:
    """Nobody makes one."""

    def __call__(self, x: mx.array) -> mx.array:
        def inner(y: mx.array) -> mx.array:
            return y if y.size else x

        return inner(x)

    def __repr__(self) -> str:
        return "Never()"


def abstract() -> None:
    """Nothing to run."""
    raise NotImplementedError
