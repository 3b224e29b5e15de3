"""Random weights for a torch module, such that no norm is a plain one, no bias zero and no statistic unused."""

from __future__ import annotations

from itertools import chain

import torch


@torch.no_grad()
def filled(model: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """The model in eval mode: matrices keep sizes, vectors of norms lie about 1, biases about 0."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in chain(model.named_parameters(), model.named_buffers()):
        if not value.is_floating_point():
            continue
        noise = torch.randn(value.shape, generator=generator)
        if name.endswith("running_var"):
            value.copy_(noise.abs() + 0.5)
        elif value.ndim > 1:
            value.copy_(noise * (1.0 / value[0].numel()) ** 0.5)
        else:
            value.copy_(0.2 * noise + (0.0 if "bias" in name or "mean" in name else 1.0))
    return model.eval()
