"""The page to read: the segments of the pipeline, top to bottom, each from the state that the one before it left.

A state is a dictionary of NumPy arrays, so that it can be stored, or handed to the other side. This side is
channels-last. Each method below runs one segment of `fixtures/contract/`; the stages' own files do the work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from mlx import nn

from mlx_impl import defaults
from mlx_impl.attention_mask import padding_mask
from mlx_impl.conditioning.stage import run_prompt, run_speaker, run_trim
from mlx_impl.ode import Conditions, Observe, euler_step, time_grid, unobserved
from mlx_impl.ops.precision import working_float
from mlx_impl.speech import Chatterbox
from mlx_impl.spoken import (
    run_heard,
    run_marked,
    run_mel,
    run_stream,
    run_target,
    run_tokens,
    run_voice,
)
from mlx_impl.spoken import run_wave as run_spoken_wave
from mlx_impl.synthesis import DTYPES
from mlx_impl.t3.generation import speech_only
from mlx_impl.t3.stage import run_prefill, run_rest, run_step
from mlx_impl.vocoder.stage import run_source, run_wave
from mlx_impl.voice_conversion import VoiceConverter
from mlx_impl.watermark.stage import run_detect, run_mark
from mlx_impl.weights.conditioning import load_conditioner
from mlx_impl.weights.flow import load_flow
from mlx_impl.weights.rounding import round_weights
from mlx_impl.weights.t3 import load_t3
from mlx_impl.weights.vocoder import load_vocoder
from mlx_impl.weights.watermark import load_watermark
from spec.config import ChatterboxConfig, check_flow_inputs
from spec.text import code_points, load_tokenizer, normalize_punctuation, of_code_points
from spec.watermark.weights import FILE as WATERMARK

State = dict[str, np.ndarray]


class Pipeline:
    """MLX side. One stage's weights are held at a time. What is in float32 whatever the dtype: see `Chatterbox`.

    `options`: `config` (`ChatterboxConfig`); for the flow `finalize` (`Flow.encode`); for T3 `text`, `sampling`
    (`SamplingConfig`), and `rest`, the range of tokens of which nothing but the choice is looked at; and `weights`, to
    what these are rounded (`round_weights`). For what `speak` runs: see `spoken.py`. This side reads the folder
    `converted` below the checkpoint, if that is an option.
    """

    def __init__(self, checkpoint: Path, options: Mapping[str, Any], dtype: str = "float32"):
        if dtype not in DTYPES:
            raise ValueError(f"dtype {dtype!r}: expected one of {', '.join(DTYPES)}")
        self.options, self.dtype = options, DTYPES[dtype]
        self.checkpoint = Path(checkpoint) / options.get("converted", "")
        self.config: ChatterboxConfig = options["config"]
        self.stage: Callable[..., nn.Module] | None = None
        self.model = nn.Module()

    def root(self, segment: str) -> nn.Module:
        """The model that a segment runs, loaded for the first of its stage; that of the stage before is let go of."""
        stage = self.models()[segment]
        if stage is not self.stage:
            self.release()
            self.model, self.stage = stage(self.checkpoint, self.config, self.dtype), stage
            if "weights" in self.options:
                round_weights(self.model, self.options["weights"])
        return self.model

    def models(self) -> Mapping[str, Callable[..., nn.Module]]:
        """What loads the model of each segment."""
        return MODELS

    def release(self) -> None:
        """Let go of all weights."""
        self.model = nn.Module()
        self.stage = None
        mx.clear_cache()

    def run(self, segment: str, index: int | None, state: State, observe: Observe = unobserved) -> State:
        """Run one segment, or step `index` of it."""
        self.root(segment)
        method: Callable[..., State] = getattr(self, segment)
        return method(state, index, observe)

    def text(self, state: State, index: int | None, observe: Observe) -> State:
        """The text -> text tokens `(1, L)`, with start and stop. What a call takes by itself is observed before."""
        config, tokenizer = self.config.t3, self.model.tokenizer
        observe("defaults", self.tensor(defaults.values(config)))
        text = normalize_punctuation(self.options["text"], config.multilingual)
        points = observe("text.normalized", mx.array(code_points(text)))
        text = tokenizer.prepared(of_code_points(np.array(points)), self.options.get("language"))
        points = observe("text.prepared", mx.array(code_points(text)))
        tokens = observe("text_tokens", mx.array(tokenizer.framed(of_code_points(np.array(points)))))
        return state | {"text_tokens": np.array(tokens)}

    def trim(self, state: State, index: int | None, observe: Observe) -> State:
        """The voice at 16 kHz -> the same without its silent ends."""
        return run_trim(self.model, state, observe)

    def prompt(self, state: State, index: int | None, observe: Observe) -> State:
        """The voice at 24 kHz -> what the flow continues: prompt tokens, prompt mel and x-vector."""
        return run_prompt(self.model, state, observe)

    def speaker(self, state: State, index: int | None, observe: Observe) -> State:
        """The voice at 16 kHz -> what T3 imitates: prompt tokens and speaker embedding."""
        return run_speaker(self.model, state, observe)

    def t3_prefill(self, state: State, index: int | None, observe: Observe) -> State:
        """Text, voice and emotion -> the logits of the first speech token, and the cache."""
        return run_prefill(self.model.t3, self.options["sampling"], state, observe)

    def t3_step(self, state: State, index: int | None, observe: Observe) -> State:
        """Logits -> speech token `index`, and the next logits."""
        return run_step(self.model.t3, self.options["sampling"], index or 0, state, observe)

    def t3_rest(self, state: State, index: int | None, observe: Observe) -> State:
        """The tokens of `rest`, by their choices alone."""
        return run_rest(self.model.t3, self.options["sampling"], self.options["rest"], state, observe)

    def tokens(self, state: State, index: int | None, observe: Observe) -> State:
        """What T3 said behind the prompt's tokens, as the flow takes them, and as many frames of noise."""
        said = speech_only(state["speech_tokens"].tolist(), self.config.t3)
        if not said:
            raise ValueError("no speech tokens: T3 ended at once; try other uniforms or a longer text")
        prompt = state["flow_prompt_tokens"]
        tokens = np.concatenate([prompt, np.array([said], prompt.dtype)], axis=1)
        frames = self.config.flow.encoder.stride * tokens.shape[1]
        kept = {name: state[name] for name in ("prompt_mel", "embedding", "phase", "noise")}
        return kept | {
            "tokens": np.array(observe("tokens", mx.array(tokens))),
            "lengths": np.array([tokens.shape[1]]),
            "x": state["flow_noise"][:, :frames],
        }

    def encoder(self, state: State, index: int | None, observe: Observe) -> State:
        """Tokens, prompt and x-vector -> what the ODE needs: mu, speaker, condition, the noise and the time grid."""
        config, finalize = self.config.flow, self.options["finalize"]
        check_flow_inputs(config, state | {"x": state["x"].swapaxes(1, 2)}, finalize)
        tokens = mx.array(np.ascontiguousarray(state["tokens"]))
        mu, frames = self.model.encode(tokens, state["lengths"].tolist(), finalize)
        conditions = self.model.conditions(
            mu, frames, self.tensor(state["prompt_mel"]), self.tensor(state["embedding"])
        )
        return state | {
            "mu": _widened(observe("mu", mu)),
            "speaker": _widened(observe("speaker", conditions.speaker)),
            "cond": _widened(observe("cond", conditions.cond)),
            "frames": np.array(frames),
            "time_grid": np.array(observe("ode.time_grid", mx.array(self.time_grid()))),
        }

    def ode(self, state: State, index: int | None, observe: Observe) -> State:
        """One Euler step of the mel state `x (B, M, C)`."""
        x, grid = (self.tensor(state[name]) for name in ("x", "time_grid"))
        mu, speaker, cond = (self.tensor(state[name]).astype(self.dtype) for name in ("mu", "speaker", "cond"))
        guided = Conditions(mu, speaker, cond, padding_mask(state["frames"].tolist(), x.shape[1], x)).guided()
        step, guidance = index or 0, self.config.flow.guidance
        x = euler_step(self.model.decoder, x, grid[step], grid[step + 1], guided, guidance, observe)
        return state | {"x": np.array(x)}

    def mel(self, state: State, index: int | None, observe: Observe) -> State:
        """The mel behind the prompt's, and as many samples of the source's noise."""
        mel = observe("mel", self.tensor(state["x"])[:, state["prompt_mel"].shape[1] :])
        samples = self.config.vocoder.frame_samples * mel.shape[1]
        return {"mel": np.array(mel), "phase": state["phase"], "noise": state["noise"][:, :samples]}

    def source(self, state: State, index: int | None, observe: Observe) -> State:
        """Mel -> f0 -> the source signal."""
        return run_source(self.model.vocoder, state, observe)

    def wave(self, state: State, index: int | None, observe: Observe) -> State:
        """Mel and source -> wave, 24 kHz."""
        return run_wave(self.model.vocoder, state, observe)

    def spoken_voice(self, state: State, index: int | None, observe: Observe) -> State:
        """A voice -> its conditions, as `speak` makes them."""
        return run_voice(self.model.side, state, observe)

    def spoken_tokens(self, state: State, index: int | None, observe: Observe) -> State:
        """Text and conditions -> speech tokens, as `speak` does it."""
        return run_tokens(self.model.side, self.options, state, observe)

    def spoken_mel(self, state: State, index: int | None, observe: Observe) -> State:
        """Speech tokens -> mel, as `speak` does it."""
        return run_mel(self.model.side, self.options, state, observe)

    def spoken_wave(self, state: State, index: int | None, observe: Observe) -> State:
        """Mel -> wave, as `speak` does it."""
        return run_spoken_wave(self.model.side, state, observe)

    def streamed(self, state: State, index: int | None, observe: Observe) -> State:
        """Text and conditions -> wave, as `speak --stream` does it."""
        return run_stream(self.model.side, self.options, state, observe)

    def spoken_mark(self, state: State, index: int | None, observe: Observe) -> State:
        """Wave -> the same with Perth's mark, as `speak` does it."""
        return run_marked(self.model.side, state, observe)

    def converted_target(self, state: State, index: int | None, observe: Observe) -> State:
        """The voice that is to speak -> its conditions, as `convert-voice` makes them."""
        return run_target(self.model.side, state, observe)

    def converted_tokens(self, state: State, index: int | None, observe: Observe) -> State:
        """The speech to be converted -> its tokens, as `convert-voice` hears them."""
        return run_heard(self.model.side, state, observe)

    def converted_mel(self, state: State, index: int | None, observe: Observe) -> State:
        """Speech tokens -> mel, as `convert-voice` does it."""
        return run_mel(self.model.side, self.options, state, observe)

    def converted_wave(self, state: State, index: int | None, observe: Observe) -> State:
        """Mel -> wave, as `convert-voice` does it."""
        return run_spoken_wave(self.model.side, state, observe)

    def mark(self, state: State, index: int | None, observe: Observe) -> State:
        """Audio at 32 kHz -> the same with Perth's mark."""
        return run_mark(self.model.watermark, state, observe)

    def detect(self, state: State, index: int | None, observe: Observe) -> State:
        """Audio at 32 kHz -> whether it is marked."""
        return run_detect(self.model.watermark, state, observe)

    def time_grid(self) -> np.ndarray:
        """Of the ODE, `(steps + 1,)`."""
        return time_grid(self.config.flow.steps, self.float_type())

    def float_type(self) -> type[np.floating]:
        """What NumPy calls the dtype of states."""
        return working_float()

    def tensor(self, array: np.ndarray) -> mx.array:
        return mx.array(np.ascontiguousarray(array, working_float()))


def _widened(array: mx.array) -> np.ndarray:
    """As NumPy, which has no bfloat16."""
    return np.array(array.astype(mx.float32))


def conditioning_model(checkpoint: Path, config: ChatterboxConfig, dtype: mx.Dtype) -> nn.Module:
    return load_conditioner(checkpoint, config)


def text_model(checkpoint: Path, config: ChatterboxConfig, dtype: mx.Dtype) -> nn.Module:
    root = nn.Module()
    root.tokenizer = load_tokenizer(checkpoint, config.t3)
    return root


def nothing(checkpoint: Path, config: ChatterboxConfig, dtype: mx.Dtype) -> nn.Module:
    """Of a segment without weights."""
    return nn.Module()


def flow_model(checkpoint: Path, config: ChatterboxConfig, dtype: mx.Dtype) -> nn.Module:
    return load_flow(checkpoint, config.flow, dtype)


def t3_model(checkpoint: Path, config: ChatterboxConfig, dtype: mx.Dtype) -> nn.Module:
    root = nn.Module()  # taps are named from it: t3.conditioning
    root.t3 = load_t3(checkpoint, config.t3, dtype)
    return root


def vocoder_model(checkpoint: Path, config: ChatterboxConfig, dtype: mx.Dtype) -> nn.Module:
    root = nn.Module()  # taps are named from it: vocoder.generator
    root.vocoder = load_vocoder(checkpoint, config.vocoder, dtype)
    return root


def speech_model(checkpoint: Path, config: ChatterboxConfig, dtype: mx.Dtype) -> nn.Module:
    root = nn.Module()
    root.side = side = Chatterbox(checkpoint, config, next(name for name, each in DTYPES.items() if each == dtype))
    root.conditioner, root.t3, root.flow, root.vocoder = side.conditioner, side.t3, side.flow, side.vocoder
    return root


def watermark_model(checkpoint: Path, config: ChatterboxConfig, dtype: mx.Dtype) -> nn.Module:
    root = nn.Module()  # taps are named from it: watermark.encoder
    root.watermark = load_watermark(checkpoint / WATERMARK, config.watermark)
    return root


def conversion_model(checkpoint: Path, config: ChatterboxConfig, dtype: mx.Dtype) -> nn.Module:
    root = nn.Module()
    root.side = side = VoiceConverter(checkpoint, config, next(name for name, each in DTYPES.items() if each == dtype))
    root.conditioner, root.flow, root.vocoder = side.conditioner, side.flow, side.vocoder
    return root


MODELS: dict[str, Callable[..., nn.Module]] = {
    "text": text_model,
    "trim": conditioning_model,
    "prompt": conditioning_model,
    "speaker": conditioning_model,
    "t3_prefill": t3_model,
    "t3_step": t3_model,
    "t3_rest": t3_model,
    "tokens": nothing,
    "encoder": flow_model,
    "ode": flow_model,
    "mel": flow_model,
    "source": vocoder_model,
    "wave": vocoder_model,
    "spoken_voice": speech_model,
    "spoken_tokens": speech_model,
    "spoken_mel": speech_model,
    "spoken_wave": speech_model,
    "streamed": speech_model,
    "spoken_mark": speech_model,
    "converted_target": conversion_model,
    "converted_tokens": conversion_model,
    "converted_mel": conversion_model,
    "converted_wave": conversion_model,
    "mark": watermark_model,
    "detect": watermark_model,
}
