"""The page to read of Turbo and Nano: the segments of the contract `fixtures/turbo.toml`, top to bottom.

As `mlx_impl/pipeline.py`, whose states, options and stages these are wherever nothing else is said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import mlx.core as mx
import numpy as np
from mlx import nn

from mlx_impl.attention_mask import padding_mask
from mlx_impl.ode import Conditions, Observe, mean_grid, mean_step
from mlx_impl.pipeline import MODELS, Pipeline
from mlx_impl.synthesis import DTYPES
from mlx_impl.turbo.generation import SILENCE, speech_only
from mlx_impl.turbo.speech import ChatterboxTurbo
from mlx_impl.turbo.stage import run_prefill, run_rest, run_step
from mlx_impl.weights.turbo import load_turbo
from spec.text import code_points, of_code_points
from spec.turbo import TurboConfig
from spec.turbo_text import TurboTokenizer, normalize_turbo

State = dict[str, np.ndarray]


class TurboPipeline(Pipeline):
    """MLX side. `options`: as of `Pipeline`, with a `TurboConfig` and, as `sampling`, a `TurboSampling`."""

    def models(self) -> Mapping[str, Callable[..., nn.Module]]:
        """What loads the model of each segment."""
        return MODELS | TURBO_MODELS

    def text(self, state: State, index: int | None, observe: Observe) -> State:
        """The text -> text tokens `(1, L)`."""
        points = observe("text.normalized", mx.array(code_points(normalize_turbo(self.options["text"]))))
        text = of_code_points(np.array(points))
        tokens = observe("text_tokens", mx.array(self.model.tokenizer.encode(text)))
        return state | {"text_tokens": np.array(tokens)}

    def t3_prefill(self, state: State, index: int | None, observe: Observe) -> State:
        """Text and voice -> the logits of the first speech token, and the cache."""
        return run_prefill(self.model.t3, state, observe)

    def t3_step(self, state: State, index: int | None, observe: Observe) -> State:
        """Logits -> speech token `index`, and the next logits."""
        return run_step(self.model.t3, self.options["sampling"], index or 0, state, observe)

    def t3_rest(self, state: State, index: int | None, observe: Observe) -> State:
        """The tokens of `rest`, by their choices alone."""
        return run_rest(self.model.t3, self.options["sampling"], self.options["rest"], state, observe)

    def tokens(self, state: State, index: int | None, observe: Observe) -> State:
        """What T3 said and some silence behind the prompt's tokens, and as many frames of noise."""
        said = [*speech_only(state["speech_tokens"].tolist(), self.config.t3), *SILENCE]
        prompt = state["flow_prompt_tokens"]
        tokens = np.concatenate([prompt, np.array([said], prompt.dtype)], axis=1)
        frames = self.config.flow.encoder.stride * tokens.shape[1]
        kept = {name: state[name] for name in ("prompt_mel", "embedding", "phase", "noise")}
        return kept | {
            "tokens": np.array(observe("tokens", mx.array(tokens))),
            "lengths": np.array([tokens.shape[1]]),
            "x": state["flow_noise"][:, :frames],
        }

    def ode(self, state: State, index: int | None, observe: Observe) -> State:
        """One step of the mean flow's state `x (B, M, C)`."""
        x, grid = (self.tensor(state[name]) for name in ("x", "time_grid"))
        mu, speaker, cond = (self.tensor(state[name]).astype(self.dtype) for name in ("mu", "speaker", "cond"))
        conditions = Conditions(mu, speaker, cond, padding_mask(state["frames"].tolist(), x.shape[1], x))
        x = mean_step(self.model.decoder, x, grid[index or 0], grid[(index or 0) + 1], conditions, observe)
        return state | {"x": np.array(x)}

    def time_grid(self) -> np.ndarray:
        """Of the ODE, `(steps + 1,)`."""
        return mean_grid(self.config.flow.steps, self.float_type())


def text_model(checkpoint: Path, config: TurboConfig, dtype: mx.Dtype) -> nn.Module:
    root = nn.Module()
    root.tokenizer = TurboTokenizer(checkpoint, config.t3)
    return root


def t3_model(checkpoint: Path, config: TurboConfig, dtype: mx.Dtype) -> nn.Module:
    root = nn.Module()  # taps are named from it: t3.conditioning
    root.t3 = load_turbo(checkpoint, config.t3, dtype)
    return root


def speech_model(checkpoint: Path, config: TurboConfig, dtype: mx.Dtype) -> nn.Module:
    root = nn.Module()
    root.side = side = ChatterboxTurbo(checkpoint, config, next(name for name, each in DTYPES.items() if each == dtype))
    root.conditioner, root.t3, root.flow, root.vocoder = side.conditioner, side.t3, side.flow, side.vocoder
    return root


TURBO_MODELS: dict[str, Callable[..., nn.Module]] = {
    "text": text_model,
    "t3_prefill": t3_model,
    "t3_step": t3_model,
    "t3_rest": t3_model,
    "spoken_voice": speech_model,
    "spoken_tokens": speech_model,
    "spoken_mel": speech_model,
    "spoken_wave": speech_model,
    "streamed": speech_model,
}
