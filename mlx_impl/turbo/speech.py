"""Text and a voice to audio with Turbo or Nano: another T3, another sampler and a flow of two steps.

Upstream: `chatterbox/tts_turbo.py` (`ChatterboxTurboTTS.generate`, `prepare_conditionals`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mlx_impl.ode import mean_grid
from mlx_impl.speech import Chatterbox
from mlx_impl.turbo.generation import SILENCE, each_token, speech_only
from mlx_impl.weights.turbo import load_turbo
from spec.draws import Draws
from spec.turbo import TurboSampling
from spec.turbo_text import TurboTokenizer, normalize_turbo


class ChatterboxTurbo(Chatterbox):
    """MLX side of Turbo and Nano. Its configuration is a `TurboConfig`."""

    emotion = 0.0  # of no effect: upstream keeps it beside a voice all the same
    steps = 2  # of the ODE
    speech_only = staticmethod(speech_only)

    def load(self) -> None:
        """As `Chatterbox.load`."""
        self.text = TurboTokenizer(self.checkpoint, self.config.t3)
        self.sampling = TurboSampling()
        self.t3 = load_turbo(self.checkpoint, self.config.t3, self.dtype)

    def each_token(
        self,
        text: str,
        conditions: Mapping[str, np.ndarray],
        sampling: TurboSampling,
        draws: Draws,
        language: str | None = None,
    ) -> Iterator[int]:
        """Text -> tokens as T3 decides them, special ones among them. Raises `ValueError` for any `language`."""
        if language is not None:
            raise ValueError(f"language is {language!r}, expected none: Turbo and Nano speak English alone")
        given = [self.text.encode(normalize_turbo(text)), conditions["cond_prompt_speech_tokens"]]
        given = map(self.tensor, [*given, conditions["speaker_emb"]])
        yield from each_token(self.t3, *given, sampling, draws.uniforms(sampling.max_tokens))

    def mel(
        self,
        tokens: Sequence[int],
        conditions: Mapping[str, np.ndarray],
        draws: Draws,
        steps: int | None = None,
        finalize: bool = True,
    ) -> np.ndarray:
        """As `Synthesis.mel`, with silence behind the last token. (Where T3 says nothing, upstream says silence.)"""
        silence = SILENCE if tokens and finalize else ()
        return super().mel([*tokens, *silence], conditions, draws, steps, finalize)

    def time_grid(self, steps: int) -> np.ndarray:
        """Of the ODE, `(steps + 1,)`."""
        return mean_grid(steps, self.float_type())
