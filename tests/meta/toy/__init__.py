"""A toy model on both frameworks, as the engine takes any: what it needs of a pair of sides, and faults to find.

Tokens `(B, T)` -> codes -> mu `(B, C, T)`; then steps that refine a state `x (B, C, T)` with a guided batch.
The side that plays the candidate has the fault that the case names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from parity.base import npy
from parity.base.draws import integers, normal
from parity.base.errors import InputError
from parity.contract.implementation import Case, State
from tests.meta.toy.mlx_model import MlxParts
from tests.meta.toy.torch_model import TorchParts

BATCH, TIME, WIDTH, DEPTH = 2, 5, 8, 2
STEPS = {"tiny": 3, "full": 4}
FAULTS = {
    "gain": "the second middle block is 0.1 % too large",
    "nan": "the second middle block gives NaN",
    "codes": "one code is wrong",
    "transposed": "mu has two axes swapped",
    "skip": "mu is not observed",
    "extra": "a value is observed that nobody declared",
    "order": "codes are observed after the embedding",
    "twice": "the embedding is called twice",
    "hands on": "mu is observed as it is, and handed on with a number added",
    "meddles": "the noise is handed on with a number added by a segment that should pass it on",
    "keeps": "the last segment hands on nothing",
    "no prepare": "the first segment is not ported",
    "no refine": "the other segments are not ported",
    "draws": "a random tensor is drawn, and used for nothing",
}
GAINS = {"gain": 1.001, "nan": float("nan")}
WEIGHTS = "weights.npy"
BUILD = Path(__file__).resolve().parents[3] / "build"


CASES = [*STEPS, *FAULTS]


def load(name: str) -> Case:
    """`tiny`, `full`, or `tiny` with a fault."""
    if name not in STEPS and name not in FAULTS:
        raise ValueError(f"unknown case {name!r}")
    inputs = {
        "tokens": integers("toy", "tokens", (BATCH, TIME), WIDTH),
        "x": normal("toy", "noise", (BATCH, WIDTH, TIME)),
    }
    fault = name if name in FAULTS else ""
    return Case(name, {"steps": STEPS.get(name, 3), "depth": DEPTH}, inputs, {"fault": fault})


def write_checkpoint(folder: Path) -> Path:
    """One file: the embedding and the matrices of every layer, `(3 + DEPTH, C, C)`."""
    folder.mkdir(parents=True, exist_ok=True)
    npy.write(folder / WEIGHTS, normal("toy", "weights", (3 + DEPTH, WIDTH, WIDTH)) / np.float32(WIDTH**0.5))
    return folder


def checkpoint(case: Case) -> Path:
    return write_checkpoint(BUILD / "toy")


class Toy:
    """What both frameworks have in common: the batch axis is first in every layout."""

    def __init__(self, folder: Path, fault: str, dtype: str, framework: type[TorchParts] | type[MlxParts]):
        try:
            weights = npy.read(folder / WEIGHTS)
        except InputError as error:
            raise ValueError(str(error)) from error
        self.parts, self.fault = framework(dtype), fault
        self.model = self.parts.model(weights)
        if fault in GAINS:
            self.model.middle[1].gain = GAINS[fault]

    def root(self, segment: str) -> Any:
        return self.model

    def release(self) -> None:
        """Its weights are few."""

    def run(self, segment: str, index: int | None, state: State, observe: Callable[[str, Any], Any]) -> State:
        if self.fault == f"no {segment}":
            raise NotImplementedError(f"{segment} is not ported")
        left = {"prepare": self.prepare, "refine": self.refine}[segment](state, observe)
        return {} if self.fault == "keeps" and index == STEPS["tiny"] - 1 else left

    def prepare(self, state: State, observe: Callable[[str, Any], Any]) -> State:
        codes = self.parts.tensor(state["tokens"] * 3 % WIDTH)
        if self.fault == "codes":
            codes[0, 1] = (codes[0, 1] + 1) % WIDTH
        if self.fault == "order":
            embedded = self.model.embedding(codes)
            codes = observe("codes", codes)
        else:
            codes = observe("codes", codes)
            embedded = self.model.embedding(codes)
        if self.fault == "twice":
            self.model.embedding(codes)
        if self.fault == "extra":
            observe("surplus", embedded)
        if self.fault == "draws":
            self.parts.draw()
        mu = self.parts.to_own_layout(embedded)
        if self.fault != "skip":
            seen = observe("mu", mu.swapaxes(1, 2) if self.fault == "transposed" else mu)
            mu = seen.swapaxes(1, 2) if self.fault == "transposed" else seen
        mu = self.parts.numpy(mu)
        if self.fault == "hands on":
            mu = mu + np.float32(0.5)
        return {"mu": mu, "x": state["x"] + np.float32(0.5) if self.fault == "meddles" else state["x"]}

    def refine(self, state: State, observe: Callable[[str, Any], Any]) -> State:
        x, mu = self.parts.floats(state["x"]), self.parts.floats(state["mu"])
        velocity = self.model(self.parts.stack([x + mu, x]))
        cond, uncond = velocity[:BATCH], velocity[BATCH:]
        x = observe("refine.state", x + 0.25 * (1.5 * cond - 0.5 * uncond))
        return state | {"x": self.parts.numpy(x)}


def torch_reference(folder: Path, options: Mapping[str, Any], dtype: str) -> Toy:
    return Toy(folder, "", dtype, TorchParts)


def torch_candidate(folder: Path, options: Mapping[str, Any], dtype: str) -> Toy:
    return Toy(folder, options["fault"], dtype, TorchParts)


def mlx_reference(folder: Path, options: Mapping[str, Any], dtype: str) -> Toy:
    return Toy(folder, "", dtype, MlxParts)


def mlx_candidate(folder: Path, options: Mapping[str, Any], dtype: str) -> Toy:
    return Toy(folder, options["fault"], dtype, MlxParts)
