"""The flow's decoder of this project and of two MLX ports of Chatterbox, at full size and with the same weights.

Each takes `x`, `mu`, `cond (B, 80, M)`, `mask (B, 1, M)`, `t (B,)` and `spks (B, 80)`, as upstream's does, and gives
the velocity `(B, 80, M)`. A port's own loader reads the checkpoint, in the way its own pipeline calls it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fixtures.cases import load, synthetic_checkpoint
from reference.config import FULL
from reference.weights.flow import load_flow

CASE = load("full-flow-short")
ARGUMENTS = ("x", "mask", "mu", "t", "spks", "cond")


def checkpoint() -> Path:
    """A synthetic checkpoint of full size."""
    return synthetic_checkpoint(CASE)


class Decoder(nn.Module):
    """The reference's decoder, called as upstream calls its own."""

    def __init__(self) -> None:
        super().__init__()
        self.decoder = load_flow(checkpoint(), FULL).decoder

    def forward(self, x: Tensor, mask: Tensor, mu: Tensor, t: Tensor, spks: Tensor, cond: Tensor) -> Tensor:
        return self.decoder(x, mask[:, 0], mu, t, spks, cond)


def reference() -> nn.Module:
    return Decoder().eval()


def mlx_audio() -> Any:
    """The decoder of mlx-audio."""
    import mlx.core as mx
    from mlx_audio.tts.models.chatterbox.s3gen import S3Token2Wav

    model = S3Token2Wav()
    weights = model.sanitize(mx.load(str(checkpoint() / "s3gen.safetensors")))
    model.load_weights(list(weights.items()), strict=False)
    model.eval()
    return model.flow.decoder.estimator


def chatterbox_mlx() -> Any:
    """The decoder of chatterbox-mlx."""
    import mlx.core as mx
    from chatterbox.models.s3gen_mlx.convert_weights import convert_and_load_weights
    from chatterbox.models.s3gen_mlx.s3gen_mlx import S3Token2WavMLX

    model = S3Token2WavMLX()
    weights = convert_and_load_weights(str(checkpoint() / "s3gen.safetensors"))
    model.load_weights([(name, mx.array(value)) for name, value in weights.items()], strict=False)
    model.eval()
    return model.flow.decoder.estimator


def inputs(frames: int, seed: int = 0, padded: int = 0) -> dict[str, np.ndarray]:
    """Inputs of two items; the second has `padded` frames fewer."""
    generator = np.random.default_rng((seed, frames))
    mel = lambda: generator.standard_normal((2, 80, frames)).astype(np.float32)  # noqa: E731
    mask = np.ones((2, 1, frames), np.float32)
    mask[1, :, frames - padded :] = 0
    values = (mel(), mask, mel(), np.full(2, 0.3, np.float32), generator.standard_normal((2, 80)).astype(np.float32))
    return dict(zip(ARGUMENTS, (*values, mel()), strict=True))


def as_torch(values: dict[str, np.ndarray], dtype: torch.dtype = torch.float32) -> list[Tensor]:
    return [torch.from_numpy(value).to(dtype) for value in values.values()]
