"""Products in double that PyTorch's own kernel is slow at: two rows times a large matrix.

Guided generation takes a step of two branches, and such a step takes as long as reading the weights. PyTorch's kernels
read them at 10 to 13 GB/s a core, NumPy's at 16, row by row in blocks that a processor's cache holds.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from parity.exact.operations.matrices import product

ROWS = 2
"""One row is a product with a vector, which is as fast as the memory; from three on the kernel is the faster one."""

LARGE = 1 << 18
"""Numbers of a matrix from which on reading it takes longer than finding out that it is large."""


class TwoRows(TorchFunctionMode):
    """Within, `torch.nn.functional.linear` of two rows in double is NumPy's product; no gradients come of it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.nn.functional.linear and not kwargs and _applies(*args):
            return _linear(*args)
        return func(*args, **(kwargs or {}))


def _applies(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> bool:
    return (
        x.dtype == weight.dtype == torch.float64
        and x.numel() == ROWS * x.shape[-1]
        and weight.numel() >= LARGE
        and weight.is_contiguous()
    )


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x (..., in), weight (out, in), bias (out): (..., out)."""
    rows, matrix = (tensor.detach().numpy() for tensor in (x.reshape(ROWS, -1).contiguous(), weight.T))
    result = torch.from_numpy(product(rows, matrix)).view(*x.shape[:-1], len(weight))
    return result if bias is None else result + bias
