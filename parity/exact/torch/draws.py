"""Given numbers in the place of those that PyTorch's operations draw."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from parity.exact.draws import NORMAL, UNIFORM, Draws
from parity.exact.torch.operations import name_of

STANDARD = {
    "aten.randn": NORMAL,
    "aten.randn_like": NORMAL,
    "aten.rand": UNIFORM,
    "aten.rand_like": UNIFORM,
}
"""Operations that make a new tensor of standard numbers."""


class Handing(TorchDispatchMode):
    """Operations that draw normal or uniform numbers take the draws; others draw, which a recording refuses."""

    def __init__(self, draws: Draws):
        super().__init__()
        self.draws = draws

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = kwargs or {}, name_of(func)
        if name in STANDARD:
            like = args[0] if isinstance(args[0], torch.Tensor) else None
            drawn = self.draws.next(STANDARD[name], name, args[0] if like is None else like.shape)
            return drawn.to(kwargs.get("dtype") or (torch.get_default_dtype() if like is None else like.dtype))
        if name not in ("aten.normal", "aten.normal_", "aten.uniform_"):
            return func(*args, **kwargs)
        parameters = func._schema.arguments
        given = {one.name: one.default_value for one in parameters}
        given |= dict(zip(given, args, strict=False)) | kwargs
        if name == "aten.uniform_":
            low, high = given["from"], given["to"]
            return args[0].copy_(self.draws.next(UNIFORM, name, args[0].shape) * (high - low) + low)
        mean, deviation = given["mean"], given["std"]
        if name == "aten.normal_":
            return args[0].copy_(self.draws.next(NORMAL, name, args[0].shape) * deviation + mean)
        shapes = (one.shape for one in (mean, deviation) if isinstance(one, torch.Tensor))
        shape = given.get("size") or torch.broadcast_shapes(*shapes)
        return self.draws.next(NORMAL, name, shape) * deviation + mean
