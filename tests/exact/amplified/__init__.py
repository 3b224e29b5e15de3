"""A small model of which one tap amplifies rounding, in float32 as in double, and one is a decision with a tie."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from parity.base.draws import normal
from parity.contract import Tap
from parity.contract.implementation import Case, State

FAR = 4e6  # added and taken off again, it leaves seven digits of a double, and not one of a float32
CASES = {
    "equal": "it never adds what the reference takes off again",
    "wrong": "besides, it is too large by a ten-millionth",
    "tie": "it decides otherwise, where the reference is at a tie",
    "otherwise": "it decides otherwise, where the reference is not",
}


def load(name: str) -> Case:
    x = normal("amplified", "x", (3, 64))
    x[0, 0] = 0.0  # the tie
    return Case(name, {}, {"x": x}, {"fault": name})


def nowhere(case: Case) -> Path:
    """It has no weights."""
    return Path()


def margin(case: Case, tap: Tap, third: np.ndarray) -> np.ndarray:
    """How far a value is from 0, where the choice changes."""
    return np.abs(third)


class Reference:
    """A third of `x (B, C)`, and a choice by its sign; then rounded by a large number, and multiplied by zero."""

    def __init__(self, checkpoint: Path, options: Mapping[str, Any], dtype: str):
        self.dtype, self.fault = getattr(torch, dtype), ""

    def root(self, segment: str) -> torch.nn.Module:
        return torch.nn.Module()

    def release(self) -> None:
        """It has no weights."""

    def run(self, segment: str, index: int | None, state: State, observe: Callable[[str, Any], Any]) -> State:
        x = torch.tensor(state["x"]).to(self.dtype)
        if segment == "divide":
            third = observe("third", x / 3)
            observe("choice", self.choice(third))
            return {"x": third.numpy()}
        far = observe("far", self.far(x))
        observe("zero", far * 0)
        return {"x": far.numpy()}

    def choice(self, third: torch.Tensor) -> torch.Tensor:
        return third > 0

    def far(self, x: torch.Tensor) -> torch.Tensor:
        return (x + FAR) - FAR


class Candidate(Reference):
    """The same without the large number, with the fault of the case."""

    def __init__(self, checkpoint: Path, options: Mapping[str, Any], dtype: str):
        super().__init__(checkpoint, options, dtype)
        self.fault = options["fault"]

    def choice(self, third: torch.Tensor) -> torch.Tensor:
        if self.fault == "otherwise":
            return third > third[1, 1] - 1e-6 if third[1, 1] <= 0 else third > third[1, 1] + 1e-6
        return third >= 0 if self.fault == "tie" else third > 0

    def far(self, x: torch.Tensor) -> torch.Tensor:
        return x * (1 + 1e-7) if self.fault == "wrong" else x
