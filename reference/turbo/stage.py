"""Turbo's T3 as segments of the pipeline: from one state, a dictionary of NumPy arrays, to the next."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from reference.ode import Observe, unobserved
from reference.t3.backbone import KVCache
from reference.turbo.generation import decode, prefill
from reference.turbo.model import TurboT3
from reference.turbo.sampling import sample
from spec.turbo import TurboSampling, check_turbo_inputs

State = dict[str, np.ndarray]


def run_prefill(model: TurboT3, state: State, observe: Observe = unobserved) -> State:
    """Text and prompt tokens and the voice -> the first logits, the cache, and the start token."""
    check_turbo_inputs(model.config, state)
    cache = model.new_cache()
    tokens = [torch.from_numpy(np.ascontiguousarray(state[name])) for name in ("text_tokens", "prompt_tokens")]
    logits = prefill(model, *tokens, _floats(model, state["voice"]), cache, observe)
    return state | _left(logits, cache, [model.config.start_speech])


def run_step(model: TurboT3, sampling: TurboSampling, index: int, state: State, observe: Observe = unobserved) -> State:
    """One token is chosen from the logits and appended, and the next logits are made from it."""
    cache, logits, tokens = _taken_up(model, state)
    token = choose(logits, tokens, sampling, index, state, observe)
    logits = decode(model, token, cache, observe)
    return state | _left(logits, cache, [*tokens, int(token)])


def run_rest(
    model: TurboT3, sampling: TurboSampling, indices: range, state: State, observe: Observe = unobserved
) -> State:
    """As many steps, of which nothing but the choices is observed: `t3.tokens.5.scores` and so on."""
    cache, logits, tokens = _taken_up(model, state)
    for index in indices:

        def numbered(name: str, value: Tensor, index: int = index) -> Tensor:
            return observe(name.replace("t3.", f"t3.tokens.{index}."), value)

        token = choose(logits, tokens, sampling, index, state, numbered)
        tokens.append(int(token))
        logits = decode(model, token, cache)
    return state | _left(logits, cache, tokens)


def choose(
    logits: Tensor, tokens: list[int], sampling: TurboSampling, index: int, state: State, observe: Observe
) -> Tensor:
    """Token `index` of the utterance, `(1, 1)`, by its uniform number."""
    chosen = sample(logits, tokens, sampling, float(state["uniforms"][index]), observe)
    return observe("t3.token", torch.tensor([[chosen]]))


def _taken_up(model: TurboT3, state: State) -> tuple[KVCache, Tensor, list[int]]:
    """Cache, logits and tokens so far, as `_left` left them."""
    cache = model.new_cache()
    for layer, (keys, values) in enumerate(zip(state["keys"], state["values"], strict=True)):
        cache.update(layer, _floats(model, keys), _floats(model, values))
    return cache, _floats(model, state["logits"]), state["speech_tokens"].tolist()


def _left(logits: Tensor, cache: KVCache, tokens: list[int]) -> State:
    keys, values = cache.state()
    left = {"logits": logits.numpy(), "keys": keys.numpy(), "values": values.numpy()}
    return left | {"speech_tokens": np.array(tokens)}


def _floats(model: TurboT3, array: np.ndarray) -> Tensor:
    weight = model.speech_head.weight
    return torch.from_numpy(np.ascontiguousarray(array)).to(weight.device, weight.dtype)
