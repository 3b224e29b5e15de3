"""Two layers with weights of four bits: the reference's are dequantised, exactly, the candidate multiplies by codes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import torch
from mlx import nn

from parity.base.draws import integers, normal
from parity.contract.implementation import Case, State

WIDTH, GROUP, BITS = 64, 32, 4


def codes(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes `(out, in)`, scales and biases `(out, in / GROUP)`: powers of two, so that the weights are exact."""
    scales = np.float32(2.0) ** -integers("quantised", f"{name} scales", (WIDTH, WIDTH // GROUP), 4).astype(np.float32)
    return integers("quantised", name, (WIDTH, WIDTH), 1 << BITS), scales / 16, -scales / 2


def load(name: str) -> Case:
    return Case(name, {}, {"x": normal("quantised", "x", (12, WIDTH))}, {})


class Quantised(nn.Module):
    """`t c` -> `t c`. Codes are packed, the first in the lowest bits."""

    def __init__(self, name: str):
        super().__init__()
        numbers, scales, biases = codes(name)
        shifts = np.arange(0, 32, BITS)
        self.words = mx.array((numbers.reshape(WIDTH, -1, len(shifts)) << shifts).sum(-1).astype(np.uint32))
        self.scales, self.biases = mx.array(scales), mx.array(biases)

    def __call__(self, x: mx.array) -> mx.array:
        return mx.quantized_matmul(x, self.words, self.scales, self.biases, group_size=GROUP, bits=BITS)


class Dequantised(torch.nn.Linear):
    def __init__(self, name: str, dtype: torch.dtype):
        super().__init__(WIDTH, WIDTH, bias=False, dtype=dtype)
        numbers, scales, biases = codes(name)
        weight = np.repeat(scales, GROUP, 1) * numbers + np.repeat(biases, GROUP, 1)
        self.weight = torch.nn.Parameter(torch.from_numpy(weight).to(dtype))


class Side:
    """One segment: two layers, and what is negative between them is zero."""

    def __init__(self, model: Any, tensor: Callable[[np.ndarray], Any], zero: Callable[[Any], Any]):
        self.model, self.tensor, self.zero = model, tensor, zero

    def root(self, segment: str) -> Any:
        return self.model

    def release(self) -> None:
        """Its weights are few."""

    def run(self, segment: str, index: int | None, state: State, observe: Callable[[str, Any], Any]) -> State:
        return {"x": np.asarray(self.model.second(self.zero(self.model.first(self.tensor(state["x"])))))}


def candidate(folder: Path, options: Mapping[str, Any], dtype: str) -> Side:
    model = nn.Module()
    model.first, model.second = Quantised("first"), Quantised("second")
    return Side(model, mx.array, lambda x: mx.maximum(x, 0))


def reference(folder: Path, options: Mapping[str, Any], dtype: str) -> Side:
    kind = getattr(torch, dtype)
    model = torch.nn.Module().requires_grad_(False)
    model.first, model.second = Dequantised("first", kind), Dequantised("second", kind)
    return Side(model.requires_grad_(False), lambda x: torch.tensor(x, dtype=kind), torch.relu)


def checkpoint(case: Case) -> Path:
    """The weights are no files."""
    return Path(__file__).parent / "planted"


CONTRACT = """
cases = "tests.exact.quantised_sides:load"
checkpoints = "tests.exact.quantised_sides:checkpoint"
[sides.reference]
factory = "tests.exact.quantised_sides:reference"
framework = "torch"
[sides.candidate]
factory = "tests.exact.quantised_sides:candidate"
framework = "mlx"
[layouts]
[state]
x = "t c"
[[segment]]
name = "layers"
taps = [["first", "t c"], ["second", "t c"]]
[[rule]]
pattern = "*"
mode = "*"
ratio64 = 2.0
ratio32 = 2.0
why = "sums of 64 terms"
"""
