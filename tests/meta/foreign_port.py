"""The toy model of `tests/meta/toy` by somebody who has a bundle and its page alone: NumPy, channels-last.

It reads no contract and imports nothing of this project.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

State = dict[str, np.ndarray]
Tap = Callable[[str, np.ndarray], np.ndarray]


class Port:
    """Runs on the inputs of a bundle, and writes each tap below `dumps`. `gain` of the second block is its fault."""

    def __init__(self, bundle: Path, weights: Path, dumps: Path, gain: float = 1.0):
        self.bundle, self.dumps, self.gain = bundle, dumps, gain
        self.weights = np.load(weights)
        self.manifest = json.loads((bundle / "manifest.json").read_text())

    def free(self) -> None:
        """Every value is made of the port's own."""
        self.dumps.mkdir(exist_ok=True)

        def tap(name: str, value: np.ndarray) -> np.ndarray:
            np.save(self.dumps / f"{name}.npy", value)
            return value

        state = {name: np.load(self.bundle / "inputs" / f"{name}.npy") for name in self.manifest["inputs"]}
        for start in self.manifest["starts"]:
            state = self.segment(start["segment"], state, tap)

    def local(self, whole: str = "") -> None:
        """Every block is given the bundle's values; of a block whose name ends in `whole` nothing inside is seen."""
        (self.dumps / "local").mkdir(parents=True)

        def tap(name: str, value: np.ndarray) -> np.ndarray:
            if whole and f"{whole}." in name:
                return value
            np.save(self.dumps / "local" / f"{name}.npy", value)
            return np.load(self.bundle / f"{name}.npy")

        for start in self.manifest["starts"]:
            if start["local"]:
                state = {name: np.load(self.bundle / entry["file"]) for name, entry in start["state"].items()}
                self.segment(start["segment"], state, tap)

    def segment(self, label: str, state: State, tap: Tap) -> State:
        if label == "prepare":
            codes = tap("codes", state["tokens"] * 3 % 8)
            return state | {"mu": tap("mu", tap("embedding", self.weights[0][codes]))}
        step = label.removeprefix("refine")
        x, mu, count = state["x"], state["mu"], len(state["x"])
        velocity = tap(f"first{step}", np.concatenate([x + mu, x]) @ self.weights[1].T)
        for number, weight in enumerate(self.weights[2:-1]):
            linear = tap(f"middle.{number}.linear{step}", velocity @ weight.T)
            scale = np.float32(self.gain if number == 1 else 1)
            velocity = tap(f"middle.{number}{step}", scale * (velocity + np.maximum(linear, 0)))
        velocity = tap(f"last{step}", velocity @ self.weights[-1].T)
        cond, uncond = velocity[:count], velocity[count:]
        return state | {"x": tap(f"refine.state{step}", x + np.float32(0.25) * (1.5 * cond - 0.5 * uncond))}
