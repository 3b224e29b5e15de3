"""Primitives that are products: of matrices, convolutions, and what MLX has a fused kernel for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from parity.exact.operations import fast, products
from parity.exact.operations.convolution import convolve
from parity.exact.primitives.registry import Output, primitive

primitive("Matmul")(np.matmul)


@primitive("AddMM", "alpha", "beta", scalars=("alpha", "beta"))
def addmm(a: np.ndarray, b: np.ndarray, c: np.ndarray, *, alpha: float, beta: float) -> np.ndarray:
    """alpha · a @ b + beta · c."""
    return np.asarray(alpha * (a @ b) + beta * c)


@primitive("GatherMM", "left_sorted", "right_sorted")
def gather_mm(
    a: np.ndarray, b: np.ndarray, left: np.ndarray, right: np.ndarray, *, left_sorted: bool, right_sorted: bool
) -> np.ndarray:
    return products.gather_mm(a, b, left, right)


@primitive("BlockMaskedMM", "block_size")
def block_masked_mm(a: np.ndarray, b: np.ndarray, *masks: np.ndarray, block_size: int) -> np.ndarray:
    """The masks are one of the result, those of a and b, or all three."""
    of_result = masks[0] if len(masks) != 2 else None
    of_a, of_b = masks[-2:] if len(masks) > 1 else (None, None)
    return products.block_masked_mm(a, b, block_size, of_result, of_a, of_b)


primitive("SegmentedMM")(products.segmented_mm)


@primitive("Hadamard", "scale", scalars=("scale",))
def hadamard(x: np.ndarray, *, scale: float) -> np.ndarray:
    return products.hadamard_transform(x, float(scale))


@primitive("Convolution", "strides", "low", "high", "kernel_dilation", "input_dilation", "groups", "flip")
def convolution(
    x: np.ndarray,
    weight: np.ndarray,
    *,
    strides: Sequence[int],
    low: Sequence[int],
    high: Sequence[int],
    kernel_dilation: Sequence[int],
    input_dilation: Sequence[int],
    groups: int,
    flip: bool,
) -> np.ndarray:
    return convolve(x, weight, strides, low, high, kernel_dilation, input_dilation, groups, flip)


@primitive("RMSNorm", "eps", scalars=("eps",), seen=False)
def rms_norm(x: np.ndarray, weight: np.ndarray, *, eps: float) -> np.ndarray:
    """The weight is a scalar 1 where there is none."""
    return fast.rms_norm(x, weight, eps)


@primitive("LayerNorm", "eps", scalars=("eps",), seen=False)
def layer_norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, *, eps: float) -> np.ndarray:
    """The weight is a scalar 1 and the bias a scalar 0 where there is none."""
    return fast.layer_norm(x, weight, bias, eps)


@primitive("RoPE", "dims", "traditional", "base", "scale", "forward", scalars=("base", "scale"), seen=False)
def rope(
    x: np.ndarray,
    offset: np.ndarray,
    freqs: np.ndarray | None = None,
    *,
    dims: int,
    traditional: bool,
    base: float,
    scale: float,
    forward: bool,
) -> np.ndarray:
    return fast.rope(x, dims, traditional, float(base), float(scale), offset, freqs, forward)


def _training(inputs: tuple[Output, ...], outputs: tuple[Output, ...]) -> str:
    return "it also gives what its gradient needs; export the forward pass alone" if len(outputs) > 1 else ""


@primitive(
    "ScaledDotProductAttention",
    *("scale", "causal", "has_sinks", "output_logsumexp", "force_fused"),
    scalars=("scale",),
    seen=False,
    refuse=_training,
)
def attention(
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    *others: np.ndarray,
    scale: float,
    causal: bool,
    has_sinks: bool,
    output_logsumexp: bool,
    force_fused: bool,
) -> np.ndarray:
    """The others are a mask, where there is one, and the sinks, where `has_sinks`."""
    sinks = others[-1] if has_sinks else None
    masks = others[: len(others) - has_sinks]
    return fast.attention(q, k, v, float(scale), masks[0] if masks else None, sinks, causal)
