"""What is timed: one builder for both sides, from inputs made of noise. Shapes are the reference's.

A builder gives a `Task`: a call on arrays that lie on the device already, and how to look at what it returns.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fixtures.cases import conditioning, flow, t3, vocoder
from parity.base.draws import integers, normal, uniform
from spec.config import ChatterboxConfig, SamplingConfig, time_grid
from tests.bench.sides import STAGES, Call, Side

ROOT = Path(__file__).resolve().parents[2]
FLOATS = ("float32", "float16", "bfloat16")
T3 = (*FLOATS, "4bit", "8bit")
ROUNDINGS = 64.0  # measured: up to 12 of float32, 5 of float16
PREFIX = 38  # positions of T3's prefix beside the text's letters: 34 conditions, start and stop, speech's start twice


@dataclass(frozen=True)
class Task:
    """`call` on one side. `modules` are those whose weights it reads, `given` the arrays that it reads, `passes` how
    often it reads them; `result` gives what it returned as NumPy arrays, `audio` how many seconds of sound that is.
    """

    call: Call
    result: Callable[[Any], list[np.ndarray]]
    modules: list[Any] = field(default_factory=list)
    given: list[Any] = field(default_factory=list)
    passes: int = 1
    audio: Callable[[Any], float] | None = None


@dataclass(frozen=True)
class Place:
    """Where a task is built: a side, its models by stage, the size's configuration and checkpoint, length and dtype."""

    side: Side
    models: Mapping[str, Any]
    config: ChatterboxConfig
    checkpoint: Path
    size: str
    length: int
    dtype: str

    @property
    def name(self) -> str:
        """The key of the draws."""
        return f"bench-{self.size}"


@dataclass(frozen=True)
class Work:
    """`lengths` by size, in `unit`. `roundings` is how many of float32, relative, a right result may be off; of half
    precision always `ROUNDINGS`.

    `stages` are the models it takes; `compiles` says that torch.compile takes it. `process` that it is no computation
    of this process alone: it has no count of operations, bytes or memory. `longer` are lengths for GPUs alone.
    """

    name: str
    build: Callable[[Place], Task]
    lengths: Mapping[str, tuple[int, ...]]
    unit: str
    stages: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = FLOATS
    roundings: float = ROUNDINGS
    compiles: bool = False
    process: bool = False
    longer: tuple[int, ...] = ()

    def lengths_on(self, device: str, size: str) -> tuple[int, ...]:
        """Those measured on a device of `DEVICES`."""
        return self.lengths[size] + (self.longer if device != "cpu" and size == "full" else ())


WORKS: dict[str, Work] = {}


def work(name: str, unit: str, tiny: tuple[int, ...], full: tuple[int, ...], **rest: Any) -> Callable[..., Any]:
    """Registers a builder under its name."""

    def register(build: Callable[[Place], Task]) -> Callable[[Place], Task]:
        WORKS[name] = Work(name, build, {"tiny": tiny, "full": full}, unit, **rest)
        return build

    return register


@work("encoder", "tokens", (8,), (250,), stages=("flow",), compiles=True)
def encoder(place: Place) -> Task:
    """Tokens, the prompt's first -> mu."""
    side, model, count = place.side, place.models["flow"], place.length
    case = flow.FlowCase(place.size, prompt=3 * count // 5, tokens=(count - 3 * count // 5,))
    tokens = side.array(flow.flow_inputs(place.name, case, place.config.flow)["tokens"])
    modules = [model.encoder, model.encoder_proj]

    def encoded() -> Any:
        return model.encode(tokens, [count], finalize=True)[0]

    return Task(encoded, lambda mu: [side.numpy(mu, frames=True)], modules, [tokens])


@work("estimator", "frames, B 2", (20,), (200, 500, 1500), stages=("flow",), compiles=True)
def estimator(place: Place) -> Task:
    """One velocity of the guided batch."""
    side, model, bins = place.side, place.models["flow"], place.config.flow.mel_bins
    x, mu, cond = (side.frames(normal(place.name, name, (2, bins, place.length))) for name in ("x", "mu", "cond"))
    t, speaker = side.array(np.full(2, 0.5, np.float32)), side.array(normal(place.name, "speaker", (2, bins)))
    return Task(
        lambda: model.velocity(x, None, mu, t, speaker, cond),
        lambda velocity: [side.numpy(velocity, frames=True)],
        [model.decoder],
        [x, mu, cond, t, speaker],
    )


@work("ODE, 10 steps", "frames", (20,), (500,), stages=("flow",))
def ode(place: Place) -> Task:
    """Noise -> mel, with guidance."""
    side, model, config = place.side, place.models["flow"], place.config.flow
    noise, mu, cond = (
        side.frames(normal(place.name, name, (1, config.mel_bins, place.length))) for name in ("noise", "mu", "cond")
    )
    speaker, grid = side.array(normal(place.name, "speaker", (1, config.mel_bins))), side.array(time_grid(10))
    solver = side.module("ode")
    conditions = solver.Conditions(mu, speaker, cond, None)
    return Task(
        lambda: solver.solve_euler(model.velocity, noise, grid, conditions, config.guidance),
        lambda mel: [side.numpy(mel, frames=True)],
        [model.decoder],
        [noise, mu, cond, speaker],
        passes=10,
    )


def _vocoder_inputs(place: Place) -> dict[str, np.ndarray]:
    return vocoder.vocoder_inputs(place.name, place.config.vocoder, 1, place.length)


@work("vocoder's generator", "frames", (12,), (200, 1000), stages=("vocoder",), compiles=True)
def generator(place: Place) -> Task:
    """Mel and a given source -> wave."""
    side, model, inputs = place.side, place.models["vocoder"].generator, _vocoder_inputs(place)
    source = vocoder.hum(inputs["phase"], inputs["noise"], place.config.vocoder)
    given = [side.frames(inputs["mel"]), side.frames(source)]
    return Task(lambda: model(*given), lambda wave: [side.numpy(wave)], [model], given)


# The source's phase is a running sum: its error, and the wave's, is a random walk over the samples.
@work("vocoder", "frames", (12,), (200, 1000), stages=("vocoder",), roundings=2.0**17)
def whole_vocoder(place: Place) -> Task:
    """Mel -> f0 -> source -> wave."""
    side, model, inputs = place.side, place.models["vocoder"], _vocoder_inputs(place)
    given = [side.frames(inputs["mel"]), side.array(inputs["phase"]), side.frames(inputs["noise"])]
    return Task(lambda: model(*given)[0], lambda wave: [side.numpy(wave)], [model], given)


def _t3_inputs(place: Place, letters: int) -> list[Any]:
    inputs = t3.t3_inputs(place.name, place.config.t3, letters)
    return [place.side.array(inputs[name]) for name in ("text_tokens", "prompt_tokens", "voice", "emotion")]


@work("T3 prefill", "positions, B 2", (44,), (76,), stages=("t3",), dtypes=T3)
def prefill(place: Place) -> Task:
    """Conditions and text -> the first logits."""
    side, model = place.side, place.models["t3"]
    given = _t3_inputs(place, place.length - PREFIX)
    generation, guidance = side.module("t3.generation"), SamplingConfig().guidance
    return Task(
        lambda: generation.prefill(model, *given, guidance, model.new_cache()),
        lambda logits: [side.numpy(logits)],
        [model.conditioning, *model.backbone.layers, model.backbone.norm, model.speech_head],
        given,
    )


@work("T3 decode step", "positions, B 2", (50,), (300,), stages=("t3",), dtypes=T3)
def decode(place: Place) -> Task:
    """A token -> the next logits, over a cache of so many positions; each call appends one, as speaking does."""
    side, model, config = place.side, place.models["t3"], place.config.t3
    cache, norm = model.new_cache(), model.backbone.norm
    shape = (2, config.heads, place.length, config.head_width)
    held = []
    for layer in range(config.blocks):
        new = [side.array(normal(place.name, f"{name}.{layer}", shape), norm.weight) for name in ("keys", "values")]
        held += cache.update(layer, *new)
    token = int(integers(place.name, "token", (1, 1), config.start_speech)[0, 0])
    return Task(
        side.decoding(model, token, place.length // 2, cache),
        lambda logits: [side.numpy(logits)],
        [*model.backbone.layers, norm, model.speech_head],
        held,
    )


def _voice(place: Place, part: str) -> Any:
    return place.side.array(conditioning.voice(place.name, float(place.length))[part])


@work("S3 tokenizer", "s of voice", (1,), (10,), stages=("conditioner",), dtypes=("float32",))
def tokenizer(place: Place) -> Task:
    """Wave -> tokens, which are equal or wrong."""
    side, model, wave = place.side, place.models["conditioner"].tokenizer, _voice(place, "voice_16")
    return Task(lambda: model(wave), lambda tokens: [side.numpy(tokens).astype(np.int64)], [model], [wave])


@work("x-vector", "s of voice", (1,), (10,), stages=("conditioner",), dtypes=("float32",))
def x_vector(place: Place) -> Task:
    """Wave -> the flow's speaker."""
    side, model, wave = place.side, place.models["conditioner"].speaker_encoder, _voice(place, "voice_16")
    return Task(lambda: model(wave), lambda embedding: [side.numpy(embedding)], [model], [wave])


@work("voice encoder", "s of voice", (1,), (10,), stages=("conditioner",), dtypes=("float32",))
def voice_encoder(place: Place) -> Task:
    """Wave -> T3's speaker."""
    side, model, wave = place.side, place.models["conditioner"].voice_encoder, _voice(place, "voice_16")
    return Task(lambda: model(wave), lambda embedding: [side.numpy(embedding)], [model], [wave])


@work("speech", "tokens", (8,), (50,), stages=("t3", "flow", "vocoder"), roundings=2.0**17, longer=(250,))
def speech(place: Place) -> Task:
    """Text tokens and a voice's conditions -> wave. 25 tokens are a second; 75 of the prompt come before them.

    In half precision T3 may choose other tokens, and another f0 is another wave: there the mel of given tokens is what
    is compared.
    """
    side, models, config, count = place.side, place.models, place.config, place.length
    generation, sampling = side.module("t3.generation"), SamplingConfig(max_tokens=count)
    given, uniforms = _t3_inputs(place, 40), uniform(place.name, "uniforms", (count,))
    prompt = 75 if place.size == "full" else 3
    inputs = flow.flow_inputs(place.name, flow.FlowCase(place.size, prompt, (count,)), config.flow)
    prompt_mel, embedding = side.array(inputs["prompt_mel"]), side.array(inputs["embedding"])
    grid, harmonics = side.array(time_grid(config.flow.steps)), config.vocoder.harmonics
    phase = side.array(2 * np.pi * uniform(place.name, "phase", (1, harmonics)) - np.float32(np.pi))
    draws = normal(place.name, "noise", (1, harmonics, config.vocoder.frame_samples * 2 * count))

    def mel(tokens: np.ndarray) -> Any:
        """Of tokens `(1, T)`, the prompt's first, as this side keeps it, without the prompt's frames."""
        noise = side.frames(inputs["x"][:, :, : 2 * tokens.shape[1]])
        made = models["flow"](side.array(tokens), [tokens.shape[1]], prompt_mel, embedding, noise, grid)
        return made[:, 2 * prompt :] if side.package == "mlx_impl" else made[:, :, 2 * prompt :]

    def speak() -> tuple[list[int], Any]:
        said = generation.speech_only(generation.each_token(models["t3"], *given, sampling, uniforms), config.t3)
        tokens = np.concatenate([inputs["tokens"][:, :prompt], np.array([said], np.int64)], axis=1)
        noise = side.frames(draws[:, :, : config.vocoder.frame_samples * 2 * len(said)])
        return said, models["vocoder"](mel(tokens), phase, noise)[0]

    def result(value: tuple[list[int], Any]) -> list[np.ndarray]:
        if place.dtype != "float32":
            return [side.numpy(side.run(lambda: mel(inputs["tokens"])), frames=True)]
        return [np.array(value[0]), side.numpy(value[1])]

    return Task(speak, result, audio=lambda value: value[1].shape[1] / config.vocoder.sample_rate)


@work("weights", "stages", (4,), (4,), process=True, roundings=8.0)
def weights(place: Place) -> Task:
    """Every model of a checkpoint, from files that the system has read before. Checked by the sum of magnitudes."""
    side = place.side

    def load() -> dict[str, Any]:
        dtype = side.stored(place.dtype)
        return {stage: side.load(stage, place.checkpoint, place.config, dtype) for stage in STAGES}

    return Task(load, lambda models: [np.array([side.magnitude(models[stage]) for stage in STAGES])])


@work("cold start", "tokens", (8,), (25,), dtypes=("float32",), process=True, roundings=2.0**17)
def cold(place: Place) -> Task:
    """A new process that imports a side, loads its models and says one sentence."""
    command = [sys.executable, "-m", "tests.bench.cold", place.side.package, place.side.kind, place.size]
    command += [str(place.length), str(place.checkpoint)]

    def start() -> np.ndarray:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "wave.npy"
            done = subprocess.run([*command, str(file)], cwd=ROOT, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-2000:]}")
            return np.load(file)

    return Task(start, lambda wave: [wave])
