"""Both sides behind NumPy arrays in the reference's layout, so that one test body is run on either."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
import torch

from reference.config import TINY


@dataclass(frozen=True)
class Side:
    """One side with its tiny flow. `own` takes mel-like `(B, C, M)` arrays into its layout, `common` brings them back.

    Arrays of other ranks have no layout and pass as they are.
    """

    name: str
    flow: Any
    own: Callable[[np.ndarray], Any]
    common: Callable[[Any], np.ndarray]

    def module(self, name: str) -> ModuleType:
        return importlib.import_module(f"{self.name}.{name}")

    def encode(self, tokens: np.ndarray, lengths: Sequence[int], finalize: bool = True) -> tuple[np.ndarray, list[int]]:
        """Tokens `(B, T)` -> mu `(B, C, M)` and the valid frames of each item."""
        mu, frames = self.flow.encode(self.own(tokens), list(lengths), finalize)
        return self.common(mu), frames

    def conditions(self, mu: np.ndarray, frames: Sequence[int], prompt: np.ndarray, embedding: np.ndarray) -> Any:
        """mu `(B, C, M)`, prompt mel `(B, P, C)` and x-vector -> this side's `Conditions`."""
        # Both sides take the prompt as (B, P, C), which is what `own` gives MLX for (B, C, P).
        prompt = self.own(prompt if self.name == "reference" else prompt.swapaxes(1, 2))
        return self.flow.conditions(self.own(mu), list(frames), prompt, self.own(embedding))

    def solve(self, noise: np.ndarray, grid: np.ndarray, conditions: Any, guidance: float, decoder: Any = None) -> Any:
        """Noise `(B, C, M)` -> mel `(B, C, M)` over `grid`, with this side's own decoder when none is given."""
        solve_euler = self.module("ode").solve_euler
        mel = solve_euler(decoder or self.flow.decoder, self.own(noise), self.own(grid), conditions, guidance)
        return self.common(mel)


def swapped(array: np.ndarray) -> np.ndarray:
    """`(B, C, M)` <-> `(B, M, C)`; other ranks as they are."""
    return array.swapaxes(1, 2) if array.ndim == 3 else array


def from_torch(tensor: torch.Tensor) -> np.ndarray:
    tensor = tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor
    return tensor.numpy()


def from_mlx(array: mx.array) -> np.ndarray:
    array = array.astype(mx.float32) if array.dtype in (mx.float16, mx.bfloat16) else array
    return swapped(np.array(array))


@pytest.fixture(scope="session")
def sides(tiny_checkpoint: Path) -> dict[str, Side]:
    """Both sides, by name, with the same tiny checkpoint."""
    own = {
        "reference": lambda array: torch.from_numpy(np.ascontiguousarray(array)),
        "mlx_impl": lambda array: mx.array(np.ascontiguousarray(swapped(array))),
    }
    common = {"reference": from_torch, "mlx_impl": from_mlx}
    flows = {
        name: importlib.import_module(f"{name}.weights").load_flow(tiny_checkpoint, TINY)
        for name in ("reference", "mlx_impl")
    }
    return {name: Side(name, flows[name], own[name], common[name]) for name in flows}


@pytest.fixture(params=["reference", "mlx_impl"])
def side(request: pytest.FixtureRequest, sides: dict[str, Side]) -> Side:
    return sides[request.param]
