"""Products in double that PyTorch's own kernel is slow at: two rows times a large matrix.

Guided generation takes a step of two branches, and such a step takes as long as reading the weights. For two rows the
kernel of a product of matrices reads them at half of the speed that a product of batches does.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

ROWS = 2
"""One row is a product with a vector, which is as fast as the memory; from three on the kernel is the faster one."""

LARGE = 1 << 18
"""Numbers of a matrix from which on reading it takes longer than finding out that it is large."""


class TwoRows(TorchFunctionMode):
    """Within, `torch.nn.functional.linear` of two rows in double is a product for each of the threads, side by side."""

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
    # Each row in one piece: a kernel that finds the two rows value by value beside each other takes twice the time.
    columns, parts = x.reshape(ROWS, -1).contiguous().T, torch.get_num_threads()
    divided = len(weight) - len(weight) % parts
    batch = weight[:divided].view(parts, -1, weight.shape[1])
    made = torch.bmm(batch, columns.expand(parts, -1, -1)).view(divided, ROWS)
    if divided < len(weight):
        made = torch.cat([made, weight[divided:] @ columns])
    result = made.T.contiguous().view(*x.shape[:-1], len(weight))
    return result if bias is None else result + bias
