"""How a case stands for the command `speak`: its draws, and a voice's conditions in its state. No framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

CONDITIONS = {
    "speaker_emb": "voice",
    "cond_prompt_speech_tokens": "prompt_tokens",
    "emotion_adv": "emotion",
    "prompt_tokens": "flow_prompt_tokens",
    "prompt_mel": "prompt_mel",
    "embedding": "embedding",
}
"""What `spec/files/conditionals.py` calls them, and what a state does."""


def state_of(conditions: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A voice's conditions as entries of a state."""
    given = {name: conditions[own] for own, name in CONDITIONS.items()}
    return given | {"emotion": given["emotion"].reshape(1)}


def conditions_of(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The conditions in a state, as `Chatterbox` takes them."""
    given = {own: state[name] for own, name in CONDITIONS.items()}
    return given | {"emotion_adv": given["emotion_adv"].reshape(1, 1, 1)}


def prompt_of(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Those of them that the flow takes."""
    return {own: state[CONDITIONS[own]] for own in ("prompt_tokens", "prompt_mel", "embedding")}


class GivenDraws:
    """The draws of a case in the place of `spec.draws.Draws`: as many of each as there can be, channels first."""

    def __init__(self, state: Mapping[str, np.ndarray]):
        self.state = state

    def uniforms(self, count: int) -> np.ndarray:
        """`(count,)`, as many as T3 may say."""
        return self.state["uniforms"][:count]

    def flow_noise(self, bins: int, frames: int) -> np.ndarray:
        """`(1, bins, frames)`."""
        return self.state["flow_noise"][:, :bins, :frames]

    def phase(self, harmonics: int) -> np.ndarray:
        """`(1, harmonics)`."""
        return self.state["phase"][:, :harmonics]

    def source_noise(self, harmonics: int, samples: int) -> np.ndarray:
        """`(1, harmonics, samples)`."""
        return self.state["noise"][:, :harmonics, :samples]

    def source_noise_in_turn(self, harmonics: int) -> Callable[[int], np.ndarray]:
        """The same noise piece by piece: each call gives the next so many samples."""
        made = 0

        def following(samples: int) -> np.ndarray:
            nonlocal made
            made += samples
            return self.source_noise(harmonics, made)[:, :, made - samples :]

        return following
