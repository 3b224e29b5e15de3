"""The decoder of this project and of chatterbox-mlx, at full size and with the same weights.

A decoder takes `x`, `mu`, `cond (B, 80, M)`, `mask (B, 1, M)`, `t (B,)` and `spks (B, 80)`, as upstream's does, and
gives the velocity `(B, 80, M)`. A port's own loader reads the checkpoint, in the way its own pipeline calls it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fixtures.cases import load, synthetic_checkpoint
from reference.flow import Flow
from reference.weights.flow import load_flow
from spec.config import FULL
from spec.files.checkpoint import S3GEN

CASE = load("full-flow-short")
ARGUMENTS = ("x", "mask", "mu", "t", "spks", "cond")


def checkpoint() -> Path:
    """A synthetic checkpoint of full size."""
    return synthetic_checkpoint(CASE)


class Decoder(nn.Module):
    """The reference's decoder in double, called as upstream calls its own."""

    def __init__(self, flow: Flow) -> None:
        super().__init__()
        self.decoder = flow.decoder

    def forward(self, x: Tensor, mask: Tensor, mu: Tensor, t: Tensor, spks: Tensor, cond: Tensor) -> Tensor:
        return self.decoder(x, mask[:, 0], mu, t, spks, cond)


def reference() -> Flow:
    """The reference's flow in double."""
    return load_flow(checkpoint(), FULL, torch.float64).requires_grad_(False)


def load(module: Any, weights: dict[str, Any], unfilled: tuple[str, ...]) -> None:
    """Load strictly. What no checkpoint fills, by the ends of its names, keeps the values that it was made with."""
    from mlx.utils import tree_flatten

    own = [(name, value) for name, value in tree_flatten(module.parameters()) if name not in weights]
    module.load_weights([*weights.items(), *(pair for pair in own if pair[0].endswith(unfilled))], strict=True)


def chatterbox_mlx() -> Any:
    """The flow of chatterbox-mlx; `flow.decoder.estimator` is its decoder."""
    import mlx.core as mx
    from chatterbox.models.s3gen_mlx.convert_weights import convert_and_load_weights
    from chatterbox.models.s3gen_mlx.s3gen_mlx import S3Token2WavMLX

    model = S3Token2WavMLX()
    weights = convert_and_load_weights(str(checkpoint() / S3GEN))
    biases = ("to_q.bias", "to_k.bias", "to_v.bias")
    named = {name: mx.array(value) for name, value in weights.items()}
    load(model, named, unfilled=(*biases, "rand_noise", "pos_enc.pe", "trim_fade", "stft_window"))
    model.eval()
    return model.flow


def inputs(frames: int, seed: int = 0, padded: int = 0) -> dict[str, np.ndarray]:
    """Inputs of two items; the second has `padded` frames fewer."""
    generator = np.random.default_rng((seed, frames))
    mel = lambda: generator.standard_normal((2, 80, frames)).astype(np.float32)  # noqa: E731
    mask = np.ones((2, 1, frames), np.float32)
    mask[1, :, frames - padded :] = 0
    values = (mel(), mask, mel(), np.full(2, 0.3, np.float32), generator.standard_normal((2, 80)).astype(np.float32))
    return dict(zip(ARGUMENTS, (*values, mel()), strict=True))
