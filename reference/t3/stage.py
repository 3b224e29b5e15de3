"""T3 as segments of the pipeline: from one state, a dictionary of NumPy arrays, to the next."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from reference.ode import Observe, unobserved
from reference.t3.backbone import KVCache
from reference.t3.generation import amend, decode, follow, prefill, text_attention
from reference.t3.model import T3
from reference.t3.sampling import sample
from spec.alignment import AlignmentAnalyzer
from spec.config import SamplingConfig, check_t3_inputs

State = dict[str, np.ndarray]


def run_prefill(model: T3, sampling: SamplingConfig, state: State, observe: Observe = unobserved) -> State:
    """Text and prompt tokens, voice and emotion -> the first logits, the cache, and the start token.

    `uniforms (steps,)` in the state are handed on; without them every choice is greedy. Of a model that is watched, its
    attention to the text is left as well.
    """
    check_t3_inputs(model.config, state)
    cache = model.new_cache(model.config.watched)
    tokens = [torch.from_numpy(np.ascontiguousarray(state[name])) for name in ("text_tokens", "prompt_tokens")]
    floats = [_floats(model, state[name]) for name in ("voice", "emotion")]
    logits = prefill(model, *tokens, *floats, sampling.guidance, cache, observe)
    return state | _left(logits, cache, [model.config.start_speech]) | _attended(model, cache, state, observe)


def run_step(model: T3, sampling: SamplingConfig, index: int, state: State, observe: Observe = unobserved) -> State:
    """One token is chosen from the logits and appended, and the next logits are made from it."""
    cache, logits, previous = _taken_up(model, state)
    logits, state = _followed(model, logits, previous, state, observe)
    token = choose(logits, previous, sampling, index, state, observe)
    logits = decode(model, token, index + 1, cache, observe)
    return state | _left(logits, cache, [*previous, int(token)]) | _attended(model, cache, state, observe)


def run_rest(model: T3, sampling: SamplingConfig, indices: range, state: State, observe: Observe = unobserved) -> State:
    """As many steps, of which nothing but the choices is observed: `t3.tokens.5.scores` and so on."""
    cache, logits, previous = _taken_up(model, state)
    for index in indices:

        def numbered(name: str, value: Tensor, index: int = index) -> Tensor:
            return observe(name.replace("t3.", f"t3.tokens.{index}."), value)

        logits, state = _followed(model, logits, previous, state, numbered)
        token = choose(logits, previous, sampling, index, state, numbered)
        previous.append(int(token))
        logits = decode(model, token, index + 1, cache)
        state = state | _attended(model, cache, state)
    return state | _left(logits, cache, previous)


def choose(
    logits: Tensor, previous: list[int], sampling: SamplingConfig, index: int, state: State, observe: Observe
) -> Tensor:
    """Token `index` of the utterance, `(1, 1)`, by its uniform number if the state has any."""
    uniform = float(state["uniforms"][index]) if "uniforms" in state else None
    return observe("t3.token", torch.tensor([[sample(logits, previous, sampling, uniform, observe)]]))


def _followed(model: T3, logits: Tensor, previous: list[int], state: State, observe: Observe) -> tuple[Tensor, State]:
    """The logits, with the stop token forced or forbidden where a watched model's attention says so."""
    if not model.config.watched:
        return logits, state
    analyzer = AlignmentAnalyzer.resumed(state)
    end = follow(analyzer, _floats(model, state["attention"]), previous, observe)
    return amend(logits, model.config.stop_speech, end), state | analyzer.state()


def _attended(model: T3, cache: KVCache, state: State, observe: Observe = unobserved) -> State:
    """What the watched heads attend to in the text."""
    if not model.config.watched:
        return {}
    length = state["text_tokens"].shape[1]
    return {"attention": observe("t3.watched", text_attention(cache, model.config, length)).numpy()}


def _taken_up(model: T3, state: State) -> tuple[KVCache, Tensor, list[int]]:
    """Cache, logits and tokens so far, as `_left` left them."""
    cache = model.new_cache(model.config.watched)
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
