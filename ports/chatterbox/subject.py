"""A subject: a stage of Chatterbox at full size, as the reference computes it, with inputs that any port is given."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self
from unittest import mock

import numpy as np

from parity.base import safetensors
from spec import synthetic
from spec.config import CHATTERBOX_SIZES, ChatterboxConfig
from spec.synthetic.cache import CHECKPOINTS, HASH, cached, code_hash, hold

CONFIG = CHATTERBOX_SIZES["full"]

LAYERS = 2
"""Of T3 and of the tokenizer, whose layers are alike: in double all of them would take 4 GB on either side."""

Arrays = Mapping[str, Any]
"""Inputs by name: NumPy's in a subject, and each framework's own where a model is called."""


@dataclass(frozen=True)
class Subject:
    """A stage, and what it is judged on.

    `make` gives the reference's module in single precision, with the weights of the synthetic checkpoint. `call` is the
    stage: a function of the module and of the inputs by name; None where it is what `make` gives. `inputs` are sets of
    different lengths, in the reference's layout. `draws` are those inputs that stand for what a port draws: normal
    numbers, or uniform ones in [0, 1). All values of tensors in `weights`, by their keys, are these in both.
    A port that is judged in the stages `within` is judged in this one.
    """

    name: str
    make: Callable[[], Any]
    call: Callable[[Any, Arrays], Any] | None
    inputs: Sequence[Mapping[str, np.ndarray]]
    draws: tuple[str, ...] = ()
    weights: Mapping[str, float] = field(default_factory=dict)
    within: tuple[str, ...] = ()

    @property
    def stage(self) -> str:
        """The stage's name, without that of a case."""
        return self.name.partition(",")[0]

    def on(self, case: str, **given: np.ndarray) -> Self:
        """The same stage on one set of inputs, of which these are other ones: a case that shows what others do not."""
        return replace(self, name=f"{self.name}, {case}", inputs=[{**self.inputs[0], **given}])


def checkpoint(*files: str, config: ChatterboxConfig = CONFIG) -> Path:
    """A synthetic checkpoint of full size with these files, made when first needed.

    Another configuration, as one of fewer layers, has a folder of its own.
    """
    if config == CONFIG:
        return cached("full", files)
    folder = CHECKPOINTS / f"{hashlib.sha256(repr(config).encode()).hexdigest()[:HASH]}-{code_hash()}"
    hold(folder)
    if missing := [name for name in files if not (folder / f"{name}.safetensors").is_file()]:
        synthetic.write(folder, config, missing)
    return folder


_changed: dict[str, float] = {}


@contextmanager
def changed(weights: Mapping[str, float]) -> Iterator[None]:
    """Inside, a port is given tensors of the checkpoint that hold these values, by their keys."""
    with mock.patch.dict(_changed, weights):
        yield


def stored(file: str, prefix: str = "", config: ChatterboxConfig = CONFIG) -> dict[str, Any]:
    """The tensors of a file of the checkpoint whose keys begin with `prefix`, as arrays of MLX or of its stand-in."""
    import mlx.core as mx

    tensors = safetensors.entries(checkpoint(file, config=config) / f"{file}.safetensors")
    kept = {key: mx.array(tensor.load()) for key, tensor in tensors.items() if key.startswith(prefix)}
    return kept | {key: mx.full(kept[key].shape, value) for key, value in _changed.items() if key in kept}


def filled(model: Any, file: str, prefix: str = "", config: ChatterboxConfig = CONFIG, *, within: bool = False) -> Any:
    """A model of MLX with those tensors, which its own `sanitize` renames; it gets keys without the prefix if `within`.

    As pipelines do it, nothing is said of what a model has no place for, or no tensor of: the comparison accounts for
    every tensor by its values.
    """
    from mlx.utils import tree_unflatten

    tensors = {key.removeprefix(prefix if within else ""): value for key, value in stored(file, prefix, config).items()}
    model.update(tree_unflatten(list(model.sanitize(tensors).items())), strict=False)
    return model
