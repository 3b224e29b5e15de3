"""Random weights for a torch module, such that no norm is a plain one, no bias zero and no statistic unused."""

from __future__ import annotations

from itertools import chain

import numpy as np
import torch


@torch.no_grad()
def filled(model: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """The model in eval mode: matrices keep sizes, vectors of norms lie about 1, biases about 0.

    All are numbers of single precision, as a checkpoint holds them, also where the model is built in double.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, value in chain(model.named_parameters(), model.named_buffers()):
        if not value.is_floating_point():
            continue
        made = torch.randn(value.shape, generator=generator).numpy().astype(np.float32)
        if name.endswith("running_var"):
            made = abs(made) + 0.5
        elif value.ndim > 1:
            made *= (1.0 / value[0].numel()) ** 0.5
        else:
            made = 0.2 * made + (0.0 if "bias" in name or "mean" in name else 1.0)
        value.copy_(torch.from_numpy(made.astype(np.float64)))
    return model.eval()
