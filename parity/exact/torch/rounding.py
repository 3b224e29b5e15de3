"""A torch module in double with its results rounded at random: what its own order of operations leaves of float32."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from parity.exact.rounding import composites
from parity.exact.rounding.coin import Rounding

PRODUCTS = {"mm", "bmm", "mv", "dot", "addmm", "baddbmm", "addmv", "convolution", "mkldnn_convolution"}
"""Sums of products of two arrays, to which those with `add` add a third, which comes first."""

Inside = Callable[..., np.ndarray]


def _softmax(r: Rounding, x: np.ndarray, dim: int, half_to_float: bool) -> np.ndarray:
    return composites.softmax(r, x, dim)


def _mean(r: Rounding, x: np.ndarray, dim: Any = None, keepdim: bool = False, **kwargs: Any) -> np.ndarray:
    return r.mean(x, dim or None, keepdim)


def _sum(r: Rounding, x: np.ndarray, dim: Any = None, keepdim: bool = False, **kwargs: Any) -> np.ndarray:
    return r.sum(x, dim or None, keepdim)


def _layer_norm(r: Rounding, x: np.ndarray, shape: Sequence[int], weight: Any, bias: Any, eps: float) -> np.ndarray:
    flat = [None if one is None else one.reshape(-1) for one in (weight, bias)]
    normal = composites.layer_norm(r, x.reshape(*x.shape[: x.ndim - len(shape)], -1), flat[0], flat[1], eps)
    return normal.reshape(x.shape)


def _group_norm(
    r: Rounding, x: np.ndarray, weight: Any, bias: Any, n: int, c: int, rest: int, groups: int, eps: float
) -> np.ndarray:
    normal = composites.layer_norm(r, x.reshape(n, groups, -1), None, None, eps).reshape(n, c, -1)
    normal = normal if weight is None else r.once(normal * weight[:, None])
    return (normal if bias is None else r.once(normal + bias[:, None])).reshape(x.shape)


def _attention(r: Rounding, q: np.ndarray, k: np.ndarray, v: np.ndarray, dropout: float = 0.0, causal: bool = False, *,
               attn_mask: Any = None, scale: float | None = None) -> np.ndarray:  # fmt: skip
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    mask = "causal" if causal else attn_mask
    return composites.scaled_dot_product_attention(r, q, k, v, scale=scale, mask=mask)


INSIDE: dict[str, Inside] = {
    "exp": lambda r, x: r.exp(x),
    "sigmoid": composites.sigmoid,
    "_softmax": _softmax,
    "mean": _mean,
    "sum": _sum,
    "cumsum": lambda r, x, dim, **kwargs: r.scanned(np.cumsum(x, dim), dim),
    "native_layer_norm": _layer_norm,
    "native_group_norm": _group_norm,
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
}
"""ATen operations that round inside. The first of several outputs is theirs; every other output is rounded once."""


@contextmanager
def rounded(rounding: Rounding) -> Iterator[None]:
    """Within it, every double that an ATen operation makes is rounded to float32 at random.

    A whole layer of a transformer as one kernel is left aside: it would be rounded once.
    """
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with _Rounder(rounding):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


class _Rounder(TorchDispatchMode):
    def __init__(self, rounding: Rounding):
        super().__init__()
        self.rounding = rounding

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        before = _products(name, func, args, kwargs)
        result = func(*args, **kwargs)
        aliases = [returned.alias_info for returned in func._schema.returns]
        if any(alias is not None and not alias.is_write for alias in aliases) or func.overloadpacket in _MOVES:
            return result
        first = result[0] if isinstance(result, (tuple, list)) and result else result
        if isinstance(first, Tensor) and first.dtype == torch.float64:
            if before is not None:
                squares, terms = before
                inside = self.rounding.accumulated(_numpy(first), squares, terms)
                first.copy_(torch.from_numpy(np.ascontiguousarray(inside)))
            elif name in INSIDE:
                arrays = tree_map_only(Tensor, _numpy, (args, kwargs))
                inside = INSIDE[name](self.rounding, *arrays[0], **arrays[1])
                first.copy_(torch.from_numpy(np.ascontiguousarray(inside)))
        return tree_map_only(Tensor, self._once, result)

    def _once(self, tensor: Tensor) -> Tensor:
        if tensor.dtype != torch.float64:
            return tensor
        tensor.copy_(torch.from_numpy(np.ascontiguousarray(self.rounding.once(_numpy(tensor)))))
        return tensor


_MOVES = {getattr(torch.ops.aten, name) for name in ("clone", "_to_copy", "copy_", "cat", "stack", "index", "where")}


def _numpy(tensor: Tensor) -> np.ndarray:
    return tensor.detach().numpy()


def _products(name: str, func: Any, args: Any, kwargs: Any) -> tuple[np.ndarray, float] | None:
    """Of a product: the sum of the squares of its terms, and how many there are."""
    if name not in PRODUCTS:
        return None
    skipped = 1 if "add" in name else 0
    factors = [arg.detach().square() for arg in args[skipped : skipped + 2]]
    if factors[0].dtype != torch.float64:
        return None
    rest = list(args[skipped + 2 :])
    if "convolution" in name:
        rest[0] = None  # the bias
        transposed = name == "convolution" and args[6]
        terms = args[1][:, 0].numel() if transposed else args[1][0].numel()
    else:
        terms = args[skipped].shape[-1]
    before = [torch.zeros_like(args[0])] if skipped else []
    squares = func(*before, *factors, *rest, **{key: value for key, value in kwargs.items() if key != "beta"})
    return _numpy(squares), float(terms)
