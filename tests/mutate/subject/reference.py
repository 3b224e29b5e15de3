"""The reference, in PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from parity.contract.implementation import State


class Reference:
    def __init__(self, folder: Path, options: Mapping[str, Any], dtype: str):
        self.dtype = getattr(torch, dtype)
        self.model = torch.nn.Module()

    def root(self, segment: str) -> torch.nn.Module:
        return self.model

    def release(self) -> None:
        """It has no weights."""

    def run(self, segment: str, index: int | None, state: State, observe: Callable[[str, Any], Any]) -> State:
        x = torch.tensor(state["x"]).to(self.dtype)
        if segment == "first":
            scaled = observe("scaled", 8 * 3 * x)
            return {"x": observe("limited", torch.clamp(scaled, max=1000)).numpy(), "kept": (2 * x).numpy()}
        observe("summed", torch.sin(x) + torch.cos(x) + x)
        return {"x": observe("cancelled", x + 1073741824.0 - 1073741824.0).numpy()}
