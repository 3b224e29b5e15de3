"""The loop around T3: the prefix once, then a token at a time.

Upstream: `chatterbox/models/t3/t3.py` (`T3.inference`), `models/s3tokenizer/__init__.py` (`drop_invalid_tokens`) and
`tts.py` (`ChatterboxTTS.generate`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

import mlx.core as mx
import numpy as np

from mlx_impl.ode import Observe, unobserved
from mlx_impl.ops.cuda.decode import CUDADecoder, applies
from mlx_impl.t3.backbone import KVCache
from mlx_impl.t3.model import T3
from mlx_impl.t3.sampling import NOT_FINITE, sample
from spec.alignment import EXTREME, FORBIDDEN, FORCED, AlignmentAnalyzer
from spec.config import SamplingConfig, T3Config


def prefill(
    model: T3,
    text_tokens: mx.array,
    prompt_tokens: mx.array,
    voice: mx.array,
    emotion: mx.array,
    guidance: float,
    cache: KVCache,
    observe: Observe = unobserved,
) -> mx.array:
    """Text `(1, L)` with its start and stop, prompt `(1, P)`, `voice (1, 256)`, `emotion (1,)` -> logits `(2, V)`."""
    prefix = model.embed_prefix(text_tokens, prompt_tokens, voice, emotion, guidance > 0, observe)
    return observe("t3.logits", model(observe("t3.input", prefix), cache))


def decode(model: T3, token: mx.array, position: int, cache: KVCache, observe: Observe = unobserved) -> mx.array:
    """Token `(1, 1)` at its speech position -> the next logits `(2, V)`. The first sampled token has position 1."""
    x = mx.repeat(model.embed_speech(token, position), 2, axis=0)
    return observe("t3.logits", model(observe("t3.input", x), cache))


def text_attention(cache: KVCache, config: T3Config, length: int) -> mx.array:
    """What the newest positions attend to in a text of `length` tokens, by each watched head: `(H, T, L)`."""
    start = config.condition_positions
    return mx.stack([cache.attention[head][:, start : start + length] for head in cache.watched])


def follow(
    analyzer: AlignmentAnalyzer, attention: mx.array, previous: Sequence[int], observe: Observe = unobserved
) -> int:
    """Attention `(H, T, L)` of the newest positions and all tokens so far -> what becomes of the stop token."""

    def noted(name: str, value: np.ndarray) -> np.ndarray:
        return np.array(observe(f"t3.{name}", mx.array(value)))

    wide = np.array(attention.astype(mx.float32))  # NumPy has no bfloat16
    found = analyzer.step(wide.mean(axis=0), previous, noted)
    return int(observe("t3.end", mx.array([found.end])).item())


def amend(logits: mx.array, stop: int, end: int) -> mx.array:
    """Logits `(2, V)` with the stop token forced or forbidden, as upstream does it to guided ones.

    Both items are given the same values, which guidance leaves as they are.
    """
    at_stop = mx.arange(logits.shape[1]) == stop
    if end == FORCED:
        return mx.broadcast_to(mx.where(at_stop, EXTREME, -EXTREME), logits.shape).astype(logits.dtype)
    if end == FORBIDDEN:
        return mx.where(at_stop, -EXTREME, logits)
    return logits


def each_token(
    model: T3,
    text_tokens: mx.array,
    prompt_tokens: mx.array,
    voice: mx.array,
    emotion: mx.array,
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
    cache = model.new_cache(config.watched)
    logits = prefill(model, text_tokens, prompt_tokens, voice, emotion, sampling.guidance, cache)
    if applies(model, cache, sampling):
        decided = CUDADecoder(model, cache, sampling, uniforms).tokens(logits)
    else:
        decided = _decided(model, logits, cache, text_tokens.shape[1], sampling, uniforms)
    for made, token in enumerate(decided, start=1):
        if token < 0:
            raise ValueError(NOT_FINITE)
        yield token
        if token == config.stop_speech or made == steps:
            break


def _decided(
    model: T3,
    logits: mx.array,
    cache: KVCache,
    text_length: int,
    sampling: SamplingConfig,
    uniforms: Sequence[float] | None,
) -> Iterator[int]:
    """Tokens from the prefix's logits on, without end."""
    config, previous = model.config, [model.config.start_speech]
    analyzer = AlignmentAnalyzer(text_length) if config.watched else None
    for step in count():
        if analyzer:
            attention = text_attention(cache, config, text_length)
            logits = amend(logits, config.stop_speech, follow(analyzer, attention, previous))
        previous.append(sample(logits, previous, sampling, None if uniforms is None else float(uniforms[step])))
        yield previous[-1]
        logits = decode(model, mx.array([previous[-1:]]), step + 1, cache)


def speech_only(tokens: Sequence[int], config: T3Config) -> list[int]:
    """What the flow takes: the tokens after the start token, if it is there, before the stop token, and no specials."""
    tokens = list(tokens)
    start = tokens.index(config.start_speech) + 1 if config.start_speech in tokens else 0
    stop = tokens.index(config.stop_speech) if config.stop_speech in tokens else len(tokens)
    return [token for token in tokens[start:stop] if token < config.start_speech]
