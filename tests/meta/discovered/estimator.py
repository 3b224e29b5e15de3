"""This project's velocity estimator on both sides, tiny, as what makes each."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import mlx.nn
import numpy as np
import torch

from fixtures.cases import load, synthetic_checkpoint
from mlx_impl.weights.flow import load_flow as load_mlx
from reference.weights.flow import load_flow as load_torch
from spec.config import TINY

CASE = "tiny-flow"


class Reference(torch.nn.Module):
    """`b c t` -> `b c t`, without padding."""

    def __init__(self) -> None:
        super().__init__()
        self.decoder = load_torch(synthetic_checkpoint(load(CASE)), TINY).decoder

    def forward(self, x: Any, mu: Any, t: Any, speaker: Any, cond: Any) -> Any:
        return self.decoder(x, None, mu, t, speaker, cond)


class Candidate(mlx.nn.Module):
    """`b t c` -> `b t c`, without padding."""

    def __init__(self) -> None:
        super().__init__()
        self.decoder = load_mlx(synthetic_checkpoint(load(CASE)), TINY).decoder

    def __call__(self, x: mx.array, mu: mx.array, t: mx.array, speaker: mx.array, cond: mx.array) -> mx.array:
        return self.decoder(x, None, mu, t, speaker, cond)


def inputs(frames: int) -> dict[str, np.ndarray]:
    """Two items of so many frames, each at its own time."""
    draw, bins = np.random.default_rng(frames), TINY.mel_bins
    arrays = {name: draw.standard_normal((2, bins, frames), np.float32) for name in ("x", "mu", "cond")}
    t, speaker = np.array([0.3, 0.7], np.float32), draw.standard_normal((2, bins), np.float32)
    return {"x": arrays["x"], "mu": arrays["mu"], "t": t, "speaker": speaker, "cond": arrays["cond"]}
