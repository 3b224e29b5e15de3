"""T3 as segments of the pipeline: from one state, a dictionary of NumPy arrays, to the next."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from reference.ode import Observe, unobserved
from reference.t3.backbone import KVCache
from reference.t3.generation import decode, prefill
from reference.t3.model import T3
from reference.t3.sampling import sample
from spec.config import SamplingConfig, check_t3_inputs

State = dict[str, np.ndarray]


def run_prefill(model: T3, sampling: SamplingConfig, state: State, observe: Observe = unobserved) -> State:
    """Text and prompt tokens, voice and emotion -> the first logits, the cache, and the start token.

    `uniforms (steps,)` in the state are handed on; without them every choice is greedy.
    """
    check_t3_inputs(model.config, state)
    cache = model.new_cache()
    tokens = [torch.from_numpy(np.ascontiguousarray(state[name])) for name in ("text_tokens", "prompt_tokens")]
    floats = [_floats(model, state[name]) for name in ("voice", "emotion")]
    logits = prefill(model, *tokens, *floats, sampling.guidance, cache, observe)
    return state | _left(logits, cache, [model.config.start_speech])


def run_step(model: T3, sampling: SamplingConfig, index: int, state: State, observe: Observe = unobserved) -> State:
    """One token is chosen from the logits and appended, and the next logits are made from it."""
    cache, logits, previous = _taken_up(model, state)
    token = choose(logits, previous, sampling, index, state, observe)
    logits = decode(model, token, index + 1, cache, observe)
    return state | _left(logits, cache, [*previous, int(token)])


def run_rest(model: T3, sampling: SamplingConfig, indices: range, state: State, observe: Observe = unobserved) -> State:
    """As many steps, of which nothing but the choices is observed: `t3.tokens.5.scores` and so on."""
    cache, logits, previous = _taken_up(model, state)
    for index in indices:

        def numbered(name: str, value: Tensor, index: int = index) -> Tensor:
            return observe(name.replace("t3.", f"t3.tokens.{index}."), value)

        token = choose(logits, previous, sampling, index, state, numbered)
        previous.append(int(token))
        logits = decode(model, token, index + 1, cache)
    return state | _left(logits, cache, previous)


def choose(
    logits: Tensor, previous: list[int], sampling: SamplingConfig, index: int, state: State, observe: Observe
) -> Tensor:
    """Token `index` of the utterance, `(1, 1)`, by its uniform number if the state has any."""
    uniform = float(state["uniforms"][index]) if "uniforms" in state else None
    return observe("t3.token", torch.tensor([[sample(logits, previous, sampling, uniform, observe)]]))


def _taken_up(model: T3, state: State) -> tuple[KVCache, Tensor, list[int]]:
    """Cache, logits and tokens so far, as `_left` left them."""
    cache = model.new_cache()
    for layer, (keys, values) in enumerate(zip(state["keys"], state["values"], strict=True)):
        cache.update(layer, _floats(model, keys), _floats(model, values))
    return cache, _floats(model, state["logits"]), state["speech_tokens"].tolist()


def _left(logits: Tensor, cache: KVCache, tokens: list[int]) -> State:
    keys, values = cache.state()
    left = {"logits": logits.numpy(), "keys": keys.numpy(), "values": values.numpy()}
    return left | {"speech_tokens": np.array(tokens)}


def _floats(model: T3, array: np.ndarray) -> Tensor:
    weight = model.speech_head.weight
    return torch.from_numpy(np.ascontiguousarray(array)).to(weight.device, weight.dtype)
