"""Subjects of the flow: its encoder, its decoder at given states, and all that is around the two.

`flow/solver` has small functions in their places. What a port makes of tokens, prompt, x-vector and noise is judged
there, and its own solver by its end state, in as many steps as the port takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ports.chatterbox.subject import CONFIG, Arrays, Subject, checkpoint
from reference.decoder import ConditionalDecoder
from reference.encoder import UpsampleConformerEncoder
from reference.flow import Flow
from reference.weights.flow import load_flow
from spec.config import time_grid

FRAMES = {9: 2, 13: 4, 16: 0}
"""Frames of the decoder's inputs, and how many of the second item's are padding."""

TOKENS = {4: 1, 5: 2, 6: 3}
"""Tokens of the whole, and how many of them are the prompt's."""


@cache
def flow() -> Flow:
    return load_flow(checkpoint("s3gen"), CONFIG.flow)


def encoder(encoder: UpsampleConformerEncoder, given: Arrays) -> Tensor:
    """Embedded tokens `(1, T, 512)` -> hidden frames `(1, 2T, 512)`."""
    return encoder(given["x"], [given["x"].shape[1]])


def estimator(decoder: ConditionalDecoder, given: Arrays) -> Tensor:
    """`x`, `mu`, `cond (B, 80, M)`, `mask (B, 1, M)`, `t (B,)`, `spks (B, 80)`, as upstream's -> velocity."""
    return decoder(given["x"], given["mask"][:, 0], *(given[name] for name in ("mu", "t", "spks", "cond")))


def whole(flow: Flow, given: Arrays) -> Tensor:
    """Prompt and tokens `(1, T)`, the prompt's mel `(1, P, 80)`, x-vector, noise -> the mel behind the prompt."""
    tokens, prompt_mel, noise = torch.cat([given["prompt"], given["tokens"]], 1), given["prompt_mel"], given["noise"]
    grid = torch.from_numpy(time_grid(CONFIG.flow.steps, np.float64)).to(noise.dtype)
    mel = flow(tokens, [tokens.shape[1]], prompt_mel, given["embedding"], noise, grid, finalize=True)
    return mel[:, :, prompt_mel.shape[1] :]


def velocity(x: Any, mask: Any, mu: Any, t: Any, spks: Any, cond: Any) -> Any:
    """What stands in the decoder's place, in PyTorch and in MLX: a velocity of all that a decoder is given."""
    return (mu - x) * (1 + t[:, None, None]) + spks[:, :, None] + cond * x


def hollow(flow: Any) -> Any:
    """A port's flow with small functions in the places of its encoder and of its estimator."""
    import mlx.core as mx

    flow.encoder = lambda x, lengths, **_: (mx.repeat(x, 2, axis=1), lengths)
    flow.decoder.estimator = velocity
    return flow


class Doubled(nn.Module):
    """What stands in the encoder's place: each token's embedding twice."""

    def forward(self, x: Tensor, lengths: Sequence[int]) -> Tensor:
        return x.repeat_interleave(2, dim=1)


class Velocity(nn.Module):
    """`velocity` as a module."""

    def forward(self, *given: Tensor) -> Tensor:
        return velocity(*given)


@cache
def around() -> Flow:
    """The flow with small functions in the places of its encoder and of its decoder; it shares all other modules."""
    made = copy(flow())
    made._modules = {**made._modules, "encoder": Doubled(), "decoder": Velocity()}
    return made


def _encoder_inputs() -> Iterator[dict[str, np.ndarray]]:
    for tokens in (5, 8, 11):
        yield {"x": np.random.default_rng(tokens).standard_normal((1, tokens, 512), np.float32)}


def _estimator_inputs() -> Iterator[dict[str, np.ndarray]]:
    for frames, padded in FRAMES.items():
        generator = np.random.default_rng((0, frames))
        mask = np.ones((2, 1, frames), np.float32)
        mask[1, :, frames - padded :] = 0
        x, mu, cond = generator.standard_normal((3, 2, 80, frames), np.float32)
        spks = generator.standard_normal((2, 80), np.float32)
        yield {"x": x, "mask": mask, "mu": mu, "t": np.full(2, 0.3, np.float32), "spks": spks, "cond": cond}


def _whole_inputs() -> Iterator[dict[str, np.ndarray]]:
    for tokens, prompt in TOKENS.items():
        generator = np.random.default_rng((1, tokens))
        whole = generator.integers(0, CONFIG.flow.encoder.vocab_size, (1, tokens))
        yield {
            "prompt": whole[:, :prompt],
            "tokens": whole[:, prompt:],
            "prompt_mel": generator.standard_normal((1, 2 * prompt, 80), np.float32),
            "embedding": generator.standard_normal((1, 192), np.float32),
            "noise": generator.standard_normal((1, 80, 2 * tokens), np.float32),
        }


SOLVER = Subject("flow/solver", around, whole, list(_whole_inputs()))
SUBJECTS = (
    Subject("flow/encoder", lambda: flow().encoder, encoder, list(_encoder_inputs())),
    Subject("flow/estimator", lambda: flow().decoder, estimator, list(_estimator_inputs())),
    SOLVER,
    SOLVER.on("an x-vector of zeros", embedding=np.zeros((1, 192), np.float32)),
    SOLVER.on("an x-vector near 0", embedding=np.full((1, 192), 2.0**-30, np.float32)),
)
