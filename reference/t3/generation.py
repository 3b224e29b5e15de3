"""The loop around T3: the prefix once, then a token at a time.

Upstream: `chatterbox/models/t3/t3.py` (`T3.inference`), `models/s3tokenizer/__init__.py` (`drop_invalid_tokens`) and
`tts.py` (`ChatterboxTTS.generate`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from reference.ode import Observe, unobserved
from reference.t3.backbone import KVCache
from reference.t3.model import T3
from reference.t3.sampling import sample
from spec.alignment import EXTREME, FORBIDDEN, FORCED, AlignmentAnalyzer
from spec.config import SamplingConfig, T3Config


def prefill(
    model: T3,
    text_tokens: Tensor,
    prompt_tokens: Tensor,
    voice: Tensor,
    emotion: Tensor,
    guidance: float,
    cache: KVCache,
    observe: Observe = unobserved,
) -> Tensor:
    """Text `(1, L)` with its start and stop, prompt `(1, P)`, `voice (1, 256)`, `emotion (1,)` -> logits `(2, V)`."""
    prefix = model.embed_prefix(text_tokens, prompt_tokens, voice, emotion, guidance > 0, observe)
    return observe("t3.logits", model(observe("t3.input", prefix), cache))


def decode(model: T3, token: Tensor, position: int, cache: KVCache, observe: Observe = unobserved) -> Tensor:
    """Token `(1, 1)` at its speech position -> the next logits `(2, V)`. The first sampled token has position 1."""
    x = model.embed_speech(token, position).expand(2, -1, -1)
    return observe("t3.logits", model(observe("t3.input", x), cache))


def text_attention(cache: KVCache, config: T3Config, length: int) -> Tensor:
    """What the newest positions attend to in a text of `length` tokens, by each watched head: `(H, T, L)`."""
    start = config.condition_positions
    return torch.stack([cache.attention[head][:, start : start + length] for head in cache.watched])


def follow(
    analyzer: AlignmentAnalyzer, attention: Tensor, previous: Sequence[int], observe: Observe = unobserved
) -> int:
    """Attention `(H, T, L)` of the newest positions and all tokens so far -> what becomes of the stop token."""

    def noted(name: str, value: np.ndarray) -> np.ndarray:
        return np.asarray(observe(f"t3.{name}", torch.from_numpy(value)))

    wide = attention.to(torch.promote_types(attention.dtype, torch.float32)).cpu()  # NumPy has no bfloat16
    found = analyzer.step(wide.numpy().mean(axis=0), previous, noted)
    return int(observe("t3.end", torch.tensor([found.end])))


def amend(logits: Tensor, stop: int, end: int) -> Tensor:
    """Logits `(2, V)` with the stop token forced or forbidden, as upstream does it to guided ones.

    Both items are given the same values, which guidance leaves as they are.
    """
    at_stop = torch.arange(logits.shape[1], device=logits.device) == stop
    if end == FORCED:
        return torch.where(at_stop, EXTREME, -EXTREME).to(logits).expand_as(logits)
    if end == FORBIDDEN:
        return logits.masked_fill(at_stop, -EXTREME)
    return logits


def each_token(
    model: T3,
    text_tokens: Tensor,
    prompt_tokens: Tensor,
    voice: Tensor,
    emotion: Tensor,
    sampling: SamplingConfig,
    uniforms: Sequence[float] | None,
) -> Iterator[int]:
    """Tokens as they are decided, up to the stop token, it included, or to `max_tokens`. Greedy without `uniforms`.

    A multilingual model may be watched: where its attention is in the text may force or forbid the stop token.
    Raises `ValueError` for more tokens than the model has positions, and for too few uniforms.
    """
    config, steps = model.config, sampling.max_tokens
    if steps >= config.speech_positions:
        raise ValueError(f"max_tokens is {steps}, expected below the {config.speech_positions} positions of the model")
    if uniforms is not None and len(uniforms) < steps:
        raise ValueError(f"got {len(uniforms)} uniforms, expected one for each of max_tokens = {steps}")
    analyzer = AlignmentAnalyzer(text_tokens.shape[1]) if config.watched else None
    cache, previous = model.new_cache(config.watched), [config.start_speech]
    logits = prefill(model, text_tokens, prompt_tokens, voice, emotion, sampling.guidance, cache)
    for step in range(steps):
        if analyzer:
            attention = text_attention(cache, config, text_tokens.shape[1])
            logits = amend(logits, config.stop_speech, follow(analyzer, attention, previous))
        previous.append(sample(logits, previous, sampling, None if uniforms is None else float(uniforms[step])))
        yield previous[-1]
        if previous[-1] == config.stop_speech or step + 1 == steps:
            break
        logits = decode(model, torch.full_like(text_tokens[:, :1], previous[-1]), step + 1, cache)


def speech_only(tokens: Sequence[int], config: T3Config) -> list[int]:
    """What the flow takes: the tokens after the start token, if it is there, before the stop token, and no specials."""
    tokens = list(tokens)
    start = tokens.index(config.start_speech) + 1 if config.start_speech in tokens else 0
    stop = tokens.index(config.stop_speech) if config.stop_speech in tokens else len(tokens)
    return [token for token in tokens[start:stop] if token < config.start_speech]
