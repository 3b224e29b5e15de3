"""The loop around Turbo's T3: the prefix once, then a token at a time.

Upstream: `chatterbox/models/t3/t3.py` (`T3.inference_turbo`) and `tts_turbo.py` (`ChatterboxTurboTTS.generate`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from reference.ode import Observe, unobserved
from reference.t3.backbone import KVCache
from reference.turbo.model import TurboT3
from reference.turbo.sampling import sample
from spec.turbo import TurboSampling, TurboT3Config

SILENCE = (4299,) * 3
"""The speech tokens that the flow is given behind what was said."""


def prefill(
    model: TurboT3,
    text_tokens: Tensor,
    prompt_tokens: Tensor,
    voice: Tensor,
    cache: KVCache,
    observe: Observe = unobserved,
) -> Tensor:
    """Text `(1, L)`, prompt `(1, P)`, `voice (1, 256)` -> logits `(1, V)`."""
    prefix = model.embed_prefix(text_tokens, prompt_tokens, voice, observe)
    return observe("t3.logits", model(observe("t3.input", prefix), cache))


def decode(model: TurboT3, token: Tensor, cache: KVCache, observe: Observe = unobserved) -> Tensor:
    """Token `(1, 1)` -> the next logits `(1, V)`."""
    return observe("t3.logits", model(observe("t3.input", model.speech_embedding(token)), cache))


def each_token(
    model: TurboT3,
    text_tokens: Tensor,
    prompt_tokens: Tensor,
    voice: Tensor,
    sampling: TurboSampling,
    uniforms: Sequence[float],
) -> Iterator[int]:
    """Tokens as they are decided, up to the stop token, it included, or to `max_tokens`.

    Upstream looks for the stop token from the second token on: a first one that stops is said like any other. Raises
    `ValueError` for too few uniforms.
    """
    config, steps = model.config, sampling.max_tokens
    if len(uniforms) < steps:
        raise ValueError(f"got {len(uniforms)} uniforms, expected one for each of max_tokens = {steps}")
    cache, tokens = model.new_cache(), [config.start_speech]
    logits = prefill(model, text_tokens, prompt_tokens, voice, cache)
    for step in range(steps):
        if step:
            logits = decode(model, torch.full_like(text_tokens[:, :1], tokens[-1]), cache)
        tokens.append(sample(logits, tokens, sampling, float(uniforms[step])))
        yield tokens[-1]
        if step and tokens[-1] == config.stop_speech:
            break


def speech_only(tokens: Sequence[int], config: TurboT3Config) -> list[int]:
    """What the flow takes: every token that is of speech. Upstream cuts nothing at a stop token that it went beyond."""
    return [token for token in tokens if token < config.start_speech]
