"""T3 as stages of the pipeline: from one state, a dictionary of NumPy arrays, to the next."""

from __future__ import annotations

import mlx.core as mx
import numpy as np

from mlx_impl.ode import Observe, unobserved
from mlx_impl.t3.generation import decode, prefill
from mlx_impl.t3.model import T3
from mlx_impl.t3.sampling import sample
from reference.config import SamplingConfig, check_t3_inputs

State = dict[str, np.ndarray]


def run_prefill(model: T3, sampling: SamplingConfig, state: State, observe: Observe = unobserved) -> State:
    """Text and prompt tokens, voice and emotion -> the first logits, the cache, and the start token.

    `uniforms (steps,)` in the state are handed on; without them every choice is greedy.
    """
    check_t3_inputs(model.config, state)
    cache = model.new_cache()
    tokens = [mx.array(np.ascontiguousarray(state[name])) for name in ("text_tokens", "prompt_tokens")]
    floats = [_floats(model, state[name]) for name in ("voice", "emotion")]
    logits = prefill(model, *tokens, *floats, sampling.guidance, cache, observe)
    keys, values = cache.state()
    left = {"logits": np.array(logits), "keys": np.array(keys), "values": np.array(values)}
    left["speech_tokens"] = np.array([model.config.start_speech])
    return left | ({"uniforms": state["uniforms"]} if "uniforms" in state else {})


def run_step(model: T3, sampling: SamplingConfig, index: int, state: State, observe: Observe = unobserved) -> State:
    """One token is chosen from the logits and appended, and the next logits are made from it."""
    cache = model.new_cache()
    for layer, (keys, values) in enumerate(zip(state["keys"], state["values"], strict=True)):
        cache.update(layer, _floats(model, keys), _floats(model, values))
    uniform = float(state["uniforms"][index]) if "uniforms" in state else None
    decision = sample(_floats(model, state["logits"]), state["speech_tokens"].tolist(), sampling, uniform, observe)
    token = observe("t3.token", mx.array([[decision.token]]))
    logits = decode(model, token, index + 1, cache, observe)
    keys, values = cache.state()
    left = {"logits": np.array(logits), "keys": np.array(keys), "values": np.array(values)}
    left["speech_tokens"] = np.append(state["speech_tokens"], np.array(token)[0])
    return state | left


def _floats(model: T3, array: np.ndarray) -> mx.array:
    return mx.array(np.ascontiguousarray(array)).astype(model.speech_head.weight.dtype)
