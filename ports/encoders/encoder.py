"""What a pair of an encoder and its port consists of: tiny models with random weights, made alike at every call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np
from safetensors.numpy import load_file
from torch import Tensor, nn

from ports.pair import Departure, Pair, Sides

Inputs = dict[str, np.ndarray]


class Encoder:
    """A pair of an encoder of transformers and a port of it, each made by a function that takes nothing.

    `departures` are what the port is known to compute otherwise, and `mended` the port with all of these corrected, as
    `correction` says. `refused` is a part of the sentence with which the port cannot run, and `reason` the cause.
    """

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ("mlx-audio", "transformers")
    options: ClassVar[dict[str, Any]] = {}
    departures: ClassVar[tuple[Departure, ...]] = ()
    correction: ClassVar[str] = ""
    refused: ClassVar[str] = ""
    reason: ClassVar[str] = ""

    @classmethod
    def model(cls) -> nn.Module:
        """The reference, tiny."""
        raise NotImplementedError

    @staticmethod
    def call(model: Any, **arrays: Tensor) -> Any:
        """The outputs that are compared."""
        raise NotImplementedError

    @classmethod
    def reference(cls) -> nn.Module:
        return Called(cls)

    @classmethod
    def candidate(cls) -> Any:
        """The port with the weights of the reference, by its own conversion."""
        raise NotImplementedError

    @classmethod
    def mended(cls) -> Any:
        raise NotImplementedError

    @classmethod
    def inputs(cls) -> list[Inputs]:
        raise NotImplementedError

    @classmethod
    def pair(cls) -> Pair:
        """What `ports` judges."""

        def made(candidate: Any) -> Callable[[Path], Sides]:
            return lambda folder: Sides(cls.reference, candidate, cls.inputs(), cls.options)

        mended = made(cls.mended) if cls.correction else None
        known = (cls.departures, mended, cls.correction, cls.refused, cls.reason)
        return Pair(cls.name, cls.packages, made(cls.candidate), *known)


class Called(nn.Module):
    """The reference as the pair calls it."""

    def __init__(self, pair: type[Encoder]):
        super().__init__()
        self.model, self.call = pair.model(), pair.call

    def forward(self, **arrays: Tensor) -> Any:
        return self.call(self.model, **arrays)


def filled(model: nn.Module, keep: str = "", scale: float = 0.2) -> nn.Module:
    """The model with every number drawn at random, but those of tables whose name holds `keep`.

    A bias that is 0 and a norm's weight that is 1 could be left out, and nothing would tell.
    """
    generator = np.random.default_rng(0)
    for name, tensor in model.state_dict().items():
        if not tensor.is_floating_point() or (keep and keep in name):
            continue
        held = tensor.numpy()
        around = 1 if (held == 1).all() else 0
        drawn = generator.normal(0, scale, held.shape).astype(np.float32)
        held[...] = np.abs(drawn) + np.float32(0.5) if name.endswith("running_var") else drawn + np.float32(around)
    return model.eval()


def arrays(model: Any) -> dict[str, np.ndarray]:
    """The numbers of a torch model by the names that its published files have."""
    with TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return load_file(Path(folder) / "model.safetensors")


def load(port: Any, weights: Mapping[str, np.ndarray], unfilled: tuple[str, ...] = ()) -> Any:
    """The port with these weights, strictly, through its own `sanitize`.

    What the reference does not have, by the ends of its names, keeps the values that the port made it with.
    """
    import mlx.core as mx
    from mlx.utils import tree_flatten

    named = {name: mx.array(value) for name, value in weights.items()}
    named = port.sanitize(named) if hasattr(port, "sanitize") else named
    kept = {name: value for name, value in tree_flatten(port.parameters()) if name.endswith(unfilled)}
    port.load_weights(list((kept | named).items()), strict=True)
    port.eval()
    return port


def normal(*shape: int) -> np.ndarray:
    """Numbers of the standard normal distribution, the same for the same shape."""
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


def integers(least: int, end: int, *shape: int) -> np.ndarray:
    """Integers from `least` to `end - 1`, the same for the same shape."""
    return np.random.default_rng(shape).integers(least, end, shape)
