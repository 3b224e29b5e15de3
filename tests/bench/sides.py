"""One framework on one device, as a benchmark needs it: models, arrays, runs that are done when they return, memory.

Imports no framework: a cold start is that of one side alone.
"""

from __future__ import annotations

import importlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from parity.base import runtime
from spec.config import ChatterboxConfig

DEVICES = ("cpu", "metal", "cuda")
HALF = ("float16", "bfloat16")
BITS = {"4bit": 4, "8bit": 8}  # of T3's linear layers
GROUP = 64  # inputs that share a scale and a bias
# Loader of each stage's model, and what of the configuration it takes.
STAGES = {
    "conditioner": ("conditioning", "load_conditioner", None),
    "t3": ("t3", "load_t3", "t3"),
    "flow": ("flow", "load_flow", "flow"),
    "vocoder": ("vocoder", "load_vocoder", "vocoder"),
}
Call = Callable[[], Any]


class Side(ABC):
    """What the two have in common. Arrays given and returned are NumPy's, in the reference's layout.

    `kind` is the device's, of `DEVICES`.
    """

    package: str
    name: str
    kind: str

    def module(self, name: str) -> ModuleType:
        """A module of this side's package."""
        return importlib.import_module(f"{self.package}.{name}")

    def loader(self, stage: str, checkpoint: Path, config: ChatterboxConfig) -> Callable[..., Any]:
        """What loads the model of a stage, of all that it takes but the dtype."""
        file, name, part = STAGES[stage]
        load = getattr(self.module(f"weights.{file}"), name)
        own = config if part is None else getattr(config, part)
        return lambda *dtype: load(checkpoint, own, *dtype)

    def stored(self, dtype: str) -> str:
        """What its models are loaded in for a work in a dtype."""
        return dtype

    @abstractmethod
    def load(self, stage: str, checkpoint: Path, config: ChatterboxConfig, dtype: str) -> Any:
        """A stage's model on the device."""

    @abstractmethod
    def array(self, array: np.ndarray, like: Any = None) -> Any:
        """An array on the device: numbers in float32, or in the dtype of `like`; tokens as they are."""

    @abstractmethod
    def frames(self, array: np.ndarray) -> Any:
        """`b c t`, in this side's order."""

    @abstractmethod
    def numpy(self, value: Any, frames: bool = False) -> np.ndarray:
        """What this side returned; `frames` if that has frames in this side's order."""

    def prepared(self, call: Call) -> Call:
        """What is timed in place of a call."""
        return call

    @abstractmethod
    def run(self, call: Call) -> Any:
        """What it returns, when the device is done with it."""

    def decoding(self, model: Any, token: int, position: int, cache: Any) -> Call:
        """A step of T3 as this side speaks: a token at its speech position -> the next logits, over a cache."""
        decode, given = self.module("t3.generation").decode, self.array(np.full((1, 1), token))
        return lambda: decode(model, given, position, cache)

    @abstractmethod
    def parameters(self, module: Any) -> list[Any]:
        """The weights of a module."""

    def magnitude(self, module: Any) -> float:
        """The sum of its weights' magnitudes, in double."""
        return sum(float(np.abs(self.numpy(weight)).sum(dtype=np.float64)) for weight in self.parameters(module))

    def weight_bytes(self, modules: Iterable[Any]) -> int:
        return sum(weight.nbytes for module in modules for weight in self.parameters(module))

    @abstractmethod
    def memory(self, call: Call) -> int | None:
        """Bytes by which memory in use rose at most, above what was held before; None where nobody counts it."""

    @abstractmethod
    def product(self, size: int, dtype: str) -> Call:
        """A product of two matrices `(size, size)`."""

    @abstractmethod
    def copy(self, size: int) -> Call:
        """A copy of `size` bytes."""


def side_of(package: str, device: str) -> Side:
    """The side of a package, and of no other are modules imported."""
    if package == "reference":
        from tests.bench.torch_side import TorchSide

        return TorchSide(device)
    from tests.bench.mlx_side import MLXSide

    return MLXSide(device)


def resident_rise(call: Call) -> int | None:
    """Bytes by which this process's memory rose at most during a call; None where Linux does not say.

    Freed memory is given back first, so that what is taken again counts.
    """
    reset = Path("/proc/self/clear_refs")
    runtime.return_memory()
    try:
        reset.write_text("5")  # resets the peak
    except OSError:
        call()
        return None
    before = _status("VmRSS")
    call()
    return _status("VmHWM") - before


def _status(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"/proc/self/status has no {name}, which Linux writes there")
    return 1024 * int(found[1])
