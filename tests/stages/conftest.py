"""Both sides behind NumPy arrays in the reference's layout, so that one test body is run on either."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from parity.capture.runner import adapter
from spec.config import TINY


@dataclass(frozen=True)
class Side:
    """One side with its tiny flow. Mel-like arrays are `(B, C, M)` here, whatever the side's own layout."""

    name: str
    framework: str
    flow: Any

    def module(self, name: str) -> ModuleType:
        """The side's module of that name: `ode`, `decoder`, ..."""
        return importlib.import_module(f"{self.name}.{name}")

    def own(self, array: np.ndarray) -> Any:
        """The array in the side's framework, `(B, C, M)` in the side's layout; other ranks have no layout."""
        return self.as_is(swapped(array) if self.name == "mlx_impl" else array)

    def common(self, value: Any) -> np.ndarray:
        """The inverse of `own`; half precision is widened to float32."""
        array = self.as_numpy(value)
        return swapped(array) if self.name == "mlx_impl" else array

    def as_is(self, array: np.ndarray) -> Any:
        """The array in the side's framework, no axis moved: for what is `(B, t, c)` on both sides."""
        # Not at the top: pytest may import this file before the plugin has prepared the process for MLX.
        framework = importlib.import_module({"torch": "torch", "mlx": "mlx.core"}[self.framework])
        convert = framework.from_numpy if self.framework == "torch" else framework.array
        return convert(np.ascontiguousarray(array).copy())

    def as_numpy(self, value: Any) -> np.ndarray:
        """The inverse of `as_is`."""
        return adapter(self.framework).to_numpy(value)

    def encode(self, tokens: np.ndarray, lengths: Sequence[int], finalize: bool = True) -> tuple[np.ndarray, list[int]]:
        """Tokens `(B, T)` -> mu `(B, C, M)` and the valid frames of each item."""
        mu, frames = self.flow.encode(self.own(tokens), list(lengths), finalize)
        return self.common(mu), frames

    def conditions(self, mu: np.ndarray, frames: Sequence[int], prompt: np.ndarray, embedding: np.ndarray) -> Any:
        """mu `(B, C, M)`, prompt mel `(B, P, C)` and x-vector -> this side's `Conditions`."""
        return self.flow.conditions(self.own(mu), list(frames), self.as_is(prompt), self.own(embedding))

    def solve(
        self, noise: np.ndarray, grid: np.ndarray, conditions: Any, guidance: float, decoder: Any = None
    ) -> np.ndarray:
        """Noise `(B, C, M)` -> mel `(B, C, M)` over `grid`, with this side's own decoder when none is given."""
        solve_euler = self.module("ode").solve_euler
        mel = solve_euler(decoder or self.flow.decoder, self.own(noise), self.own(grid), conditions, guidance)
        return self.common(mel)


def swapped(array: np.ndarray) -> np.ndarray:
    """`(B, C, M)` <-> `(B, M, C)`; other ranks as they are."""
    return array.swapaxes(1, 2) if array.ndim == 3 else array


@pytest.fixture(scope="session")
def sides(tiny_checkpoint: Path) -> dict[str, Side]:
    """Both sides, by name, with the same tiny checkpoint."""
    return {
        name: Side(name, framework, importlib.import_module(f"{name}.weights").load_flow(tiny_checkpoint, TINY))
        for name, framework in (("reference", "torch"), ("mlx_impl", "mlx"))
    }


@pytest.fixture(params=["reference", "mlx_impl"])
def side(request: pytest.FixtureRequest, sides: dict[str, Side]) -> Side:
    return sides[request.param]


@pytest.fixture
def on_cpu() -> Iterator[None]:
    """MLX's default device is the CPU, also where there is a GPU."""
    import mlx.core as mx

    device = mx.default_device()
    mx.set_default_device(mx.cpu)
    yield
    mx.set_default_device(device)
