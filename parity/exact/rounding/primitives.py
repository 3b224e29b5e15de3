"""What MLX's primitives round inside, by the steps of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from parity.exact.program import Node
from parity.exact.rounding import composites
from parity.exact.rounding.coin import Rounding

Arrays = Sequence[np.ndarray]
Rule = Callable[[Rounding, Node, Arrays], Any]
"""Gives the value of an operation from its arrays, or None where nothing but the result is rounded."""


def _product(r: Rounding, node: Node, arrays: Arrays) -> np.ndarray:
    """An operation that is linear in each of its arrays of floats."""
    places = [place for place, array in enumerate(arrays) if array.dtype.kind in "fc"]

    def multiply(*factors: np.ndarray) -> np.ndarray:
        taken = list(arrays)
        for place, factor in zip(places, factors, strict=True):
            taken[place] = factor
        return node.compute(*taken)[0]

    return r.product(multiply, *(arrays[place] for place in places))


def _addmm(r: Rounding, node: Node, arrays: Arrays) -> np.ndarray:
    a, b, c = arrays
    return composites.addmm(r, c, a, b, node.arguments["alpha"], node.arguments["beta"])


def _reduce(r: Rounding, node: Node, arrays: Arrays) -> Any:
    """Sums are accumulated; what takes the largest, or multiplies, is rounded once."""
    if node.arguments["operation"] == "sum":
        return r.sum(arrays[0], tuple(node.arguments["axes"]), keepdims=True)
    return None


def _scan(r: Rounding, node: Node, arrays: Arrays) -> Any:
    if node.arguments["operation"] != "sum":
        return None
    how = {name: node.arguments[name] for name in ("axis", "reverse", "inclusive")}
    return composites.cumsum(r, arrays[0], **how)


def _fft(r: Rounding, node: Node, arrays: Arrays) -> np.ndarray:
    (spectrum,), axes = node.compute(*arrays), tuple(node.arguments["axes"])
    size = max(int(np.prod([one.shape[axis] for axis in axes])) for one in (arrays[0], spectrum))
    return r.transformed(spectrum, size, axes)


def _norm(composite: Callable[..., np.ndarray]) -> Rule:
    return lambda r, node, arrays: composite(r, *arrays, float(node.arguments["eps"]))


def _rope(r: Rounding, node: Node, arrays: Arrays) -> Any:
    x, offset, *freqs = arrays
    how = {name: node.arguments[name] for name in ("traditional", "base", "scale")}
    if not node.arguments["forward"]:
        return None
    return composites.rope(r, x, node.arguments["dims"], offset=offset, freqs=freqs[0] if freqs else None, **how)


def _attention(r: Rounding, node: Node, arrays: Arrays) -> np.ndarray:
    q, k, v, *others = arrays
    sinks = others.pop() if node.arguments["has_sinks"] else None
    mask = "causal" if node.arguments["causal"] else others[0] if others else None
    return composites.scaled_dot_product_attention(
        r, q, k, v, scale=float(node.arguments["scale"]), mask=mask, sinks=sinks
    )


def _quantized(r: Rounding, node: Node, arrays: Arrays) -> np.ndarray:
    x, words, scales, *rest = arrays
    how = {name: node.arguments[name] for name in ("transpose", "group_size", "bits", "mode")}
    return composites.quantized_matmul(r, x, words, scales, rest[0] if rest else None, **how)


def _gather_quantized(r: Rounding, node: Node, arrays: Arrays) -> np.ndarray:
    x, words, scales, *rest, left, right = arrays
    how = {name: node.arguments[name] for name in ("transpose", "group_size", "bits", "mode")}
    return composites.gather_qmm(r, x, words, scales, rest[0] if rest else None, left, right, **how)


def _of(composite: Callable[..., np.ndarray], **fixed: Any) -> Rule:
    """A composite function of the arrays, with the arguments that a primitive has implicitly."""
    return lambda r, node, arrays: composite(r, *arrays, **fixed)


PRIMITIVES: dict[str, Rule] = {
    "Matmul": _of(Rounding.matmul),
    "Convolution": _product,
    "GatherMM": _product,
    "SegmentedMM": _product,
    "BlockMaskedMM": _product,
    "AddMM": _addmm,
    "QuantizedMatmul": _quantized,
    "GatherQMM": _gather_quantized,
    "Reduce": _reduce,
    "Scan": _scan,
    "FFT": _fft,
    "Exp": _of(Rounding.exp),
    "Sigmoid": _of(composites.sigmoid),
    "LogAddExp": _of(composites.logaddexp),
    "LogSumExp": _of(composites.logsumexp, axis=-1, keepdims=True),
    "Softmax": _of(composites.softmax, axis=-1),
    "RMSNorm": _norm(composites.rms_norm),
    "LayerNorm": _norm(composites.layer_norm),
    "RoPE": _rope,
    "ScaledDotProductAttention": _attention,
}
"""By name. All others are rounded once."""
