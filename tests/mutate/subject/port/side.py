"""The candidate, in MLX."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from parity.contract.implementation import State
from tests.mutate.subject.port.constants import SCALE

LIMITS = (1000.0, 2000.0)


class Port:
    def __init__(self, folder: Path, options: Mapping[str, Any], dtype: str):
        self.loud, self.dtype = options["loud"], getattr(mx, dtype)
        self.model = nn.Module()

    def root(self, segment: str) -> nn.Module:
        return self.model

    def release(self) -> None:
        """It has no weights."""

    def run(self, segment: str, index: int | None, state: State, observe: Callable[[str, Any], Any]) -> State:
        x = mx.array(state["x"]).astype(self.dtype)
        if self.loud:
            x = x * 7.0
        return (first if segment == "first" else second)(x, observe)


def first(x: mx.array, observe: Callable[[str, Any], Any], times: int = 3) -> State:
    scaled, done = x, 0
    while done < times:
        scaled, done = 2.0 * scaled, done + 1
    scaled = observe("scaled", SCALE * scaled)
    limited = observe(
        "limited",
        mx.minimum(scaled, 1000.0),
    )
    return {"x": np.array(limited), "kept": np.array(twice(x))}


def twice(x: mx.array) -> mx.array:
    if mx.default_device().type == mx.DeviceType.cpu:
        return x + x
    if not halved(x):
        return x * 2.0
    return x - -x


def halved(x: mx.array) -> bool:
    return x.dtype == mx.bfloat16


def second(x: mx.array, observe: Callable[[str, Any], Any]) -> State:
    observe("summed", three(mx.sin(x), mx.cos(x), x))
    return {"x": np.array(observe("cancelled", three(mx.array(-1073741824.0), mx.array(1073741824.0), x)))}


def three(a: mx.array, b: mx.array, c: mx.array) -> mx.array:
    if c.ndim >= 1:
        return a + (b + c)
    return b
