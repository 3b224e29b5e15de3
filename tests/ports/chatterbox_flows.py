"""The flow of this project and of two MLX ports of Chatterbox, at full size and with the same weights.

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
from spec.config import FULL, time_grid
from spec.files.checkpoint import S3GEN

CASE = load("full-flow-short")
ARGUMENTS = ("x", "mask", "mu", "t", "spks", "cond")
STEPS = 10
"""Of the solver, as both pipelines take them."""


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


class Whole(nn.Module):
    """The whole of the reference's flow, from tokens and noise to the mel behind the prompt, in `STEPS` steps."""

    def __init__(self, flow: Flow) -> None:
        super().__init__()
        self.flow = flow
        self.time_grid = torch.from_numpy(time_grid(STEPS, np.float64))

    def forward(self, tokens: Tensor, prompt_mel: Tensor, embedding: Tensor, noise: Tensor) -> Tensor:
        """Tokens `(1, T)`, the prompt's first, its mel `(1, P, C)`, x-vector `(1, 192)`, noise `(1, C, 2T)` -> mel."""
        mel = self.flow(tokens, [tokens.shape[1]], prompt_mel, embedding, noise, self.time_grid)
        return mel[:, :, prompt_mel.shape[1] :]


def reference() -> Flow:
    """The reference's flow in double."""
    return load_flow(checkpoint(), FULL, torch.float64).requires_grad_(False)


def mlx_audio() -> Any:
    """The flow of mlx-audio; `flow.decoder.estimator` is its decoder."""
    import mlx.core as mx
    from mlx_audio.tts.models.chatterbox.s3gen import S3Token2Wav

    model = S3Token2Wav()
    weights = {name: value for name, value in mx.load(str(checkpoint() / S3GEN)).items() if name.startswith("flow.")}
    named = {name.removeprefix("flow."): value for name, value in model.sanitize(weights).items()}
    load(model.flow, named, unfilled=("rand_noise", "pos_enc.pe"))
    model.eval()
    return model.flow


def load(module: Any, weights: dict[str, Any], unfilled: tuple[str, ...]) -> None:
    """Load strictly. What no checkpoint fills, by the ends of its names, keeps the values that it was made with."""
    from mlx.utils import tree_flatten

    own = [(name, value) for name, value in tree_flatten(module.parameters()) if name not in weights]
    module.load_weights([*weights.items(), *(pair for pair in own if pair[0].endswith(unfilled))], strict=True)


def whole_by_mlx_audio(flow: Any) -> Any:
    """Of mlx-audio's flow the same as `Whole`: its own inference, which takes its noise from an array that it keeps."""
    import mlx.core as mx

    def mel(tokens: Any, prompt_mel: Any, embedding: Any, noise: Any) -> Any:
        flow.decoder.rand_noise = noise
        prompt = prompt_mel.shape[1] // 2
        result, _ = flow.inference(
            token=tokens[:, prompt:],
            token_len=mx.array([tokens.shape[1] - prompt]),
            prompt_token=tokens[:, :prompt],
            prompt_token_len=mx.array([prompt]),
            prompt_feat=prompt_mel,
            prompt_feat_len=None,
            embedding=embedding,
            finalize=True,
            n_timesteps=STEPS,
        )
        return result

    return mel


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


def whole_inputs(tokens: int, prompt: int) -> dict[str, np.ndarray]:
    """Inputs of one item for `Whole`: so many tokens, those of the prompt among them."""
    generator = np.random.default_rng((1, tokens))
    mel = generator.standard_normal((1, 2 * prompt, 80)).astype(np.float32)
    embedding = generator.standard_normal((1, 192)).astype(np.float32)
    noise = generator.standard_normal((1, 80, 2 * tokens)).astype(np.float32)
    given = {"tokens": generator.integers(0, 6561, (1, tokens)), "prompt_mel": mel}
    return {**given, "embedding": embedding, "noise": noise}
