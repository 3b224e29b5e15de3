"""The keys of Perth's weights, and the parameters that they fill."""

from __future__ import annotations

import re
from pathlib import Path

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten

from mlx_impl.ops.precision import working_float
from mlx_impl.watermark import Watermark
from spec.watermark.config import WatermarkConfig
from spec.watermark.weights import read_watermark

BRANCHES = ("slow", "normal", "fast")
BRANCH = re.compile(rf"^decoder\.({'|'.join(BRANCHES)})_layers\.")


def watermark_parameter_name(key: str) -> str:
    """The parameter of `Watermark` that a key fills."""
    return BRANCH.sub(lambda at: f"decoder.branches.{BRANCHES.index(at[1])}.layers.", key)


def load_watermark(file: Path, config: WatermarkConfig, dtype: mx.Dtype = mx.float32) -> Watermark:
    """The network of a file as resemble-perth has it, in eval mode, in `dtype`. Raises `ValueError` as `load` does."""
    watermark = Watermark(config)
    found = {watermark_parameter_name(key): _in_order(array) for key, array in read_watermark(file).items()}
    expected = {name: parameter.shape for name, parameter in tree_flatten(watermark.parameters())}
    problems = [f"missing: the key that fills {name}" for name in expected if name not in found]
    problems += [f"unknown: the key of {name}" for name in found if name not in expected]
    problems += [
        f"{name} has shape {found[name].shape}, expected {shape}"
        for name, shape in expected.items()
        if name in found and found[name].shape != shape
    ]
    if problems:
        raise ValueError(
            f"{file} does not fit this configuration ({len(problems)} problems), is it of another size? "
            + "; ".join(problems[:5])
        )
    arrays = [(name, mx.array(array.astype(working_float())).astype(dtype)) for name, array in found.items()]
    watermark.load_weights(arrays, strict=True)
    watermark.eval()
    mx.eval(watermark.parameters())
    return watermark


def _in_order(array: np.ndarray) -> np.ndarray:
    """A weight of a convolution `(out, in, k)` as `(out, k, in)`; biases as they are."""
    return array.swapaxes(1, 2) if array.ndim == 3 else array
