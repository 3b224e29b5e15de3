"""What the values of a tensor give away: not finite, constant, or as a framework's initialiser left them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from mlx_impl.weights.stored.layout import PYTORCH
from mlx_impl.weights.stored.mapping import Parameter
from spec.files.safetensors_file import Problem

ENOUGH = 1024  # values, before their distribution says anything

# What norms and activations start as, by leaf.
CONSTANTS = {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0, "alpha": 1.0}


def value_problems(key: str, parameter: Parameter, array: np.ndarray, layout: str) -> Iterator[Problem]:
    """What is wrong with a tensor's values, in float32 and the layout in which it is stored."""
    if array.dtype.kind != "f":
        return
    finite = np.isfinite(array)
    if not finite.all():
        where = tuple(int(index) for index in np.argwhere(~finite)[0]) if array.ndim else ()
        text = f"{key} holds {np.count_nonzero(~finite)} NaN or infinite values, the first at {where}"
        yield Problem("not finite", key, text)
        return
    if array.size < 2:
        return
    if array.min() == array.max():
        initial = CONSTANTS.get(key.rpartition(".")[2]) == array.flat[0]
        what = "as initialised: it was never filled" if initial else "all the same value"
        yield Problem(
            "initial value" if initial else "constant tensor", key, f"{key} is {array.flat[0]:g} everywhere, {what}"
        )
    elif array.size >= ENOUGH and (how := initialiser(parameter, array, layout)):
        yield Problem("initial value", key, f"{key} is distributed as {how} starts: it was never filled")


def initialiser(parameter: Parameter, array: np.ndarray, layout: str) -> str:
    """The layer whose initialiser a weight looks like a draw of, or "".

    Linear layers and convolutions start uniform within 1 / sqrt(inputs) in both frameworks, with a sharp edge that
    nothing trained has; MLX's embeddings start normal with variance 1 / width.
    """
    kind = parameter.rule.kind
    if kind == "embedding":
        normal = has_mean_square(array, 1 / array.shape[-1], math.sqrt(2)) and has_mean_square(
            array * array, 3 / array.shape[-1] ** 2, math.sqrt(96) / 3
        )
        return "MLX's embedding" if normal else ""
    axes = parameter.leaf.layout.get(layout, "")
    if "o" not in axes or len(axes) != array.ndim:
        return ""
    # PyTorch counts a transposed convolution's outputs as its inputs.
    transposed = parameter.leaf.layout.get(PYTORCH) == "iok"
    largest = max(array.max(), -array.min())
    for output in {axes.index("o"), axes.index("i" if transposed else "o")}:
        bound = 1 / math.sqrt(array.size / array.shape[output])
        if 0.98 <= largest / bound <= 1.001 and has_mean_square(array, bound**2 / 3, math.sqrt(4 / 5)):
            return "a linear layer" if kind == "linear" else "a convolution"
    return ""


def has_mean_square(array: np.ndarray, expected: float, spread: float) -> bool:
    """Whether the mean square is the expected one, to five deviations of a mean of so many squares.

    `spread` is the deviation of one square, relative to their mean.
    """
    mean = np.einsum("i,i", array.reshape(-1), array.reshape(-1), dtype=np.float64) / array.size
    return abs(mean / expected - 1) < 5 * spread / math.sqrt(array.size)
