"""An MLX model as it runs on its device, or a function that another one exported."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Sequence
from typing import Any

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten

import parity.capture.mlx
from parity.base.errors import InputError
from parity.capture import probe
from parity.capture.mlx import to_numpy
from parity.exact import mlxfn


def environment() -> dict[str, str]:
    """Version and device. Raises `InputError` where float32 is not float32 there: nothing could be judged."""
    probe.require_float32(parity.capture.mlx)
    return parity.capture.mlx.environment()


def run(model: Callable[..., Any], inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The arrays that a model gives for arrays by position, in order; half precision is widened."""
    made = model(*(mx.array(np.array(array, order="C")) for array in inputs))
    return [to_numpy(array) for _, array in tree_flatten(made) if isinstance(array, mx.array)]


def imported(path: str) -> Callable[..., Any]:
    """The function of a `.mlxfn` file. Raises `InputError` for one of another MLX, of which the fields are others."""
    exported, installed = mlxfn.read(path).version, importlib.metadata.version("mlx")
    if exported != installed:
        raise InputError(
            f"{path}: exported by MLX {exported}, and the device's is {installed}, which does not run it; "
            "--exact leaves the device out"
        )
    function: Any = mx.import_function(path)
    return lambda *arrays: function(*arrays)
