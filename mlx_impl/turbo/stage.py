"""Turbo's T3 as segments of the pipeline: from one state, a dictionary of NumPy arrays, to the next."""

from __future__ import annotations

import mlx.core as mx
import numpy as np

from mlx_impl.ode import Observe, unobserved
from mlx_impl.ops.precision import working_float
from mlx_impl.t3.backbone import KVCache
from mlx_impl.turbo.generation import decode, prefill
from mlx_impl.turbo.model import TurboT3
from mlx_impl.turbo.sampling import sample
from spec.turbo import TurboSampling, check_turbo_inputs

State = dict[str, np.ndarray]


def run_prefill(model: TurboT3, state: State, observe: Observe = unobserved) -> State:
    """Text and prompt tokens and the voice -> the first logits, the cache, and the start token."""
    check_turbo_inputs(model.config, state)
    cache = model.new_cache()
    tokens = [mx.array(np.ascontiguousarray(state[name])) for name in ("text_tokens", "prompt_tokens")]
    logits = prefill(model, *tokens, _floats(state["voice"]), cache, observe)
    return state | _left(logits, cache, [model.config.start_speech])


def run_step(model: TurboT3, sampling: TurboSampling, index: int, state: State, observe: Observe = unobserved) -> State:
    """One token is chosen from the logits and appended, and the next logits are made from it."""
    cache, logits, tokens = _taken_up(model, state)
    token = choose(logits, tokens, sampling, index, state, observe)
    logits = decode(model, token, cache, observe)
    return state | _left(logits, cache, [*tokens, token.item()])


def run_rest(
    model: TurboT3, sampling: TurboSampling, indices: range, state: State, observe: Observe = unobserved
) -> State:
    """As many steps, of which nothing but the choices is observed: `t3.tokens.5.scores` and so on."""
    cache, logits, tokens = _taken_up(model, state)
    for index in indices:

        def numbered(name: str, value: mx.array, index: int = index) -> mx.array:
            return observe(name.replace("t3.", f"t3.tokens.{index}."), value)

        token = choose(logits, tokens, sampling, index, state, numbered)
        tokens.append(token.item())
        logits = decode(model, token, cache)
    return state | _left(logits, cache, tokens)


def choose(
    logits: mx.array, tokens: list[int], sampling: TurboSampling, index: int, state: State, observe: Observe
) -> mx.array:
    """Token `index` of the utterance, `(1, 1)`, by its uniform number."""
    chosen = sample(logits, tokens, sampling, float(state["uniforms"][index]), observe)
    return observe("t3.token", mx.array([[chosen]]))


def _taken_up(model: TurboT3, state: State) -> tuple[KVCache, mx.array, list[int]]:
    """Cache, logits and tokens so far, as `_left` left them."""
    cache, dtype = model.new_cache(), model.backbone.wpe.weight.dtype
    for layer, (keys, values) in enumerate(zip(state["keys"], state["values"], strict=True)):
        cache.update(layer, _floats(keys).astype(dtype), _floats(values).astype(dtype))
    return cache, _floats(state["logits"]), state["speech_tokens"].tolist()


def _left(logits: mx.array, cache: KVCache, tokens: list[int]) -> State:
    keys, values = cache.state()
    widened = (np.array(array.astype(mx.float32)) for array in (logits, keys, values))  # NumPy has no bfloat16
    left = dict(zip(("logits", "keys", "values"), widened, strict=True))
    return left | {"speech_tokens": np.array(tokens)}


def _floats(array: np.ndarray) -> mx.array:
    return mx.array(np.ascontiguousarray(array, working_float()))
