"""What `speak`, `--stream` and `convert-voice` run, as segments of the pipeline: each stage of `Chatterbox` as one.

What a case does not ask for is left out of the call, so that the side's own defaults are taken. States are
channels-last here, and what `Chatterbox` takes and gives is channels-first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from mlx_impl.ode import Observe, unobserved
from mlx_impl.speech import Chatterbox
from mlx_impl.synthesis import Synthesis
from mlx_impl.voice_conversion import VoiceConverter
from spec.audio import Voice
from spec.config import SamplingConfig
from spec.spoken import CONDITIONS, GivenDraws, conditions_of, prompt_of, state_of
from spec.watermark.weights import FILE as WATERMARK

State = dict[str, np.ndarray]


def run_voice(side: Chatterbox, state: State, observe: Observe = unobserved) -> State:
    """A voice, `voice_24`, `voice_16` and `whole_16 (1, N)`, and its `emotion (1,)`, if any -> its conditions."""
    voice = Voice(*(state[name][0] for name in Voice._fields))
    asked = {"emotion": float(state["emotion"][0])} if "emotion" in state else {}
    conditions = state_of(side.conditions(voice, **asked))
    return state | {name: np.array(observe(f"spoken.{name}", side.tensor(array))) for name, array in conditions.items()}


def run_tokens(side: Chatterbox, options: Mapping[str, Any], state: State, observe: Observe = unobserved) -> State:
    """Text and conditions -> speech tokens `(N,)`, at most as many as there are `uniforms (N,)`."""
    given = options["text"], conditions_of(state), sampling(side, options, state), draws(state)
    tokens = np.array(side.tokens(*given, **asked(options, "language")), np.int64)
    return state | {"speech_tokens": np.array(observe("spoken.tokens", side.tensor(tokens)))}


def run_target(side: VoiceConverter, state: State, observe: Observe = unobserved) -> State:
    """The voice that is to speak, `voice_24 (1, N)` -> the flow's conditions."""
    voice = side.target(state["voice_24"][0])
    conditions = {name: voice[own] for own, name in CONDITIONS.items() if own in voice}
    return state | {name: np.array(observe(f"spoken.{name}", side.tensor(array))) for name, array in conditions.items()}


def run_heard(side: VoiceConverter, state: State, observe: Observe = unobserved) -> State:
    """The speech to be converted, `source_16 (1, N)` -> its tokens `(N,)`."""
    tokens = np.array(side.heard(state["source_16"][0]), np.int64)
    return state | {"speech_tokens": np.array(observe("spoken.heard", side.tensor(tokens)))}


def run_mel(side: Synthesis, options: Mapping[str, Any], state: State, observe: Observe = unobserved) -> State:
    """Speech tokens and conditions -> mel `(1, M, C)`."""
    tokens, conditions = state["speech_tokens"].tolist(), prompt_of(state)
    mel = side.mel(tokens, conditions, draws(state), **asked(options, "steps")).swapaxes(1, 2)
    return state | {"mel": np.array(observe("spoken.mel", side.tensor(mel)))}


def run_wave(side: Synthesis, state: State, observe: Observe = unobserved) -> State:
    """Mel `(1, M, C)` -> `wave (1, N)`, faded in."""
    wave = observe("spoken.wave", side.tensor(side.wave(state["mel"].swapaxes(1, 2), draws(state))[None]))
    return state | {"wave": np.array(wave)}


def run_stream(side: Chatterbox, options: Mapping[str, Any], state: State, observe: Observe = unobserved) -> State:
    """Text and conditions -> the wave in pieces, as `stream` of the options says (`StreamConfig`)."""
    given = options["text"], conditions_of(state), sampling(side, options, state), draws(state)
    pieces = list(side.stream(*given, **asked(options, "language", "steps"), config=options.get("stream")))
    observe("spoken.lengths", side.tensor(np.array([len(piece) for piece in pieces], np.int64)))
    wave = observe("spoken.wave", side.tensor(np.concatenate(pieces)[None]))
    return state | {"wave": np.array(wave)}


def run_marked(side: Synthesis, state: State, observe: Observe = unobserved) -> State:
    """`wave (1, N)` -> the same with Perth's mark, of the weights beside the checkpoint's."""
    wave = side.marked(state["wave"][0], side.checkpoint / WATERMARK)
    return state | {"wave": np.array(observe("spoken.marked", side.tensor(wave[None])))}


def sampling(side: Chatterbox, options: Mapping[str, Any], state: State) -> SamplingConfig:
    """How T3 is asked to choose, and how many tokens it may say."""
    return replace(options.get("sampling", side.sampling), max_tokens=len(state["uniforms"]))


def draws(state: State) -> GivenDraws:
    """The draws of the case, channels first."""
    swapped = {name: state[name].swapaxes(1, 2) for name in ("flow_noise", "noise") if name in state}
    return GivenDraws(state | swapped)


def asked(options: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """What a case asks for, of these names."""
    return {name: options[name] for name in names if name in options}
