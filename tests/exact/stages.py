"""The stages of the pipeline as functions of arrays, on both sides, recorded in double at several lengths."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch

from fixtures import cases
from fixtures.cases import conditioning, flow, t3, vocoder
from parity.contract.implementation import Case
from parity.exact import torch as twins
from parity.exact.program import Program
from parity.exact.standin import installed
from parity.exact.standin.record import record
from reference.conditioning.tables import hann_window, mel_filters
from spec.config import SamplingConfig, VoiceEncoderConfig, time_grid

Arrays = list[np.ndarray]
Make = Callable[[Any, Any], Callable[..., Any]]
"""From a side's package and its model, the stage as a function of its arrays."""


@dataclass(frozen=True)
class Stage:
    """A stage and its cases, each of other lengths; the last one confirms what the others show.

    `inputs` gives the arrays of a case, in the reference's layout; `turned` are the places of those that are
    channels-first there. `load` names the module of weights and its loader. `make` gives a side's stage as a function,
    from the side's package, its model and a case.
    """

    builds: tuple[Callable[[], Case], ...]
    inputs: Callable[[Case], Arrays]
    turned: tuple[int, ...]
    load: tuple[str, str]
    make: Callable[[str, Any, Case], Callable[..., Any]]


def flow_inputs(case: Case) -> Arrays:
    # Of each case another one: times that all cases share would be few numbers.
    grid = time_grid(case.options["config"].flow.steps, np.float64) * (1 - 0.02 * case.inputs["x"].shape[2])
    return [case.inputs[name] for name in ("tokens", "prompt_mel", "embedding", "x")] + [grid]


def flow_stage(side: str, model: Any, case: Case) -> Callable[..., Any]:
    lengths, finalize = case.inputs["lengths"].tolist(), case.options["finalize"]
    solve_euler = importlib.import_module(f"{side}.ode").solve_euler

    def run(tokens: Any, prompt_mel: Any, embedding: Any, x: Any, grid: Any) -> Any:
        mu, frames = model.encode(tokens, lengths, finalize)
        conditions = model.conditions(mu, frames, prompt_mel, embedding)
        return solve_euler(model.decoder, x, grid, conditions, model.config.guidance)

    return run


def vocoder_inputs(case: Case) -> Arrays:
    return [case.inputs[name] for name in ("mel", "phase", "noise", "cache") if name in case.inputs]


def vocoder_stage(side: str, model: Any, case: Case) -> Callable[..., Any]:
    fade_in = importlib.import_module(f"{side}.vocoder.vocoder").fade_in

    def run(*inputs: Any) -> Any:
        wave, source = model(*inputs)
        return fade_in(wave, model.config.sample_rate), source

    return run


def t3_inputs(case: Case) -> Arrays:
    token = np.array([[5]])
    return [case.inputs[name] for name in ("text_tokens", "prompt_tokens", "voice", "emotion")] + [token]


def t3_stage(side: str, model: Any, case: Case) -> Callable[..., Any]:
    generation, sampling = (importlib.import_module(f"{side}.t3.{name}") for name in ("generation", "sampling"))
    config: SamplingConfig = case.options["sampling"]

    def run(text: Any, prompt: Any, voice: Any, emotion: Any, token: Any) -> Any:
        kept = model.new_cache()
        first = generation.prefill(model, text, prompt, voice, emotion, config.guidance, kept)
        second = generation.decode(model, token, 1, kept)
        scores = sampling.penalize(sampling.guide(second, config.guidance), [3, 5, 9], config.repetition_penalty)
        return first, second, scores / config.temperature

    return run


def conditioning_inputs(case: Case) -> Arrays:
    return [case.inputs[name] for name in ("voice_24", "voice_16", "voice_16")]


def power_mel(wave: torch.Tensor, config: VoiceEncoderConfig) -> torch.Tensor:
    """`b n` -> `b c t`: the reference's `PowerMelSpectrogram`, which computes with NumPy, where nobody records."""
    edge = config.n_fft // 2
    frames = torch.nn.functional.pad(wave, (edge, edge), mode="reflect").unfold(1, config.n_fft, config.hop)
    spectrum = torch.fft.rfft(hann_window(config.n_fft, torch.float64) * frames)
    filters = mel_filters(config.sample_rate, config.n_fft, config.mel_bins, config.sample_rate / 2, wave.dtype)
    return filters @ spectrum.abs().square().transpose(1, 2)


def conditioning_stage(side: str, model: Any, case: Case) -> Callable[..., Any]:
    if side == "reference":
        mel = model.voice_encoder.mel
        mel.forward = lambda wave: power_mel(wave, mel.config)

    def run(voice_24: Any, voice_16: Any, trimmed_16: Any) -> Any:
        prompt, speaker = model.prompt(voice_24), model.speaker(voice_16, trimmed_16)
        return prompt.mel, prompt.embedding, prompt.tokens, speaker.tokens, speaker.embedding

    return run


def _flows(*lengths: tuple[int, tuple[int, ...]]) -> tuple[Callable[[], Case], ...]:
    return tuple(
        lambda prompt=prompt, tokens=tokens: flow.build(
            f"stage-flow-{prompt}-{tokens}", flow.FlowCase("tiny", prompt, tokens, steps=2)
        )
        for prompt, tokens in lengths
    )


def _built(module: Any, kind: Any, name: str, lengths: tuple[int, ...], **more: Any) -> tuple[Callable[[], Case], ...]:
    return tuple(
        lambda length=length: module.build(f"stage-{name}-{length}", kind("tiny", length, **more)) for length in lengths
    )


STAGES = {
    "tiny-flow": Stage(
        _flows((3, (5,)), (3, (8,)), (4, (6,)), (2, (7,))), flow_inputs, (3,), ("flow", "load_flow"), flow_stage
    ),
    "tiny-flow-batch": Stage(
        _flows((3, (9, 5, 1)), (2, (7, 6, 3)), (4, (8, 5, 2)), (3, (6, 4, 2))),
        flow_inputs,
        (3,),
        ("flow", "load_flow"),
        flow_stage,
    ),
    "tiny-vocoder": Stage(
        _built(vocoder, vocoder.VocoderCase, "vocoder", (5, 6, 7, 8)),
        vocoder_inputs,
        (0, 2, 3),
        ("vocoder", "load_vocoder"),
        vocoder_stage,
    ),
    "tiny-vocoder-cache": Stage(
        _built(vocoder, vocoder.VocoderCase, "cache", (4, 5, 6, 7), cached=700),
        vocoder_inputs,
        (0, 2, 3),
        ("vocoder", "load_vocoder"),
        vocoder_stage,
    ),
    "tiny-t3": Stage(_built(t3, t3.T3Case, "t3", (7, 9, 12, 10), tokens=3), t3_inputs, (), ("t3", "load_t3"), t3_stage),
    "tiny-conditioning": Stage(
        tuple(
            lambda s=s: conditioning.build("stage-conditioning", conditioning.ConditioningCase("tiny", s))
            for s in (1.1, 1.5, 1.7, 1.25)
        ),
        conditioning_inputs,
        (),
        ("conditioning", "load_conditioner"),
        conditioning_stage,
    ),
}


@cache
def built(name: str) -> tuple[Case, ...]:
    return tuple(build() for build in STAGES[name].builds)


LENGTHS = 3
"""Cases of a stage that are matched; the rest confirm it."""


def _model(side: str, name: str, case: Case, dtype: Any) -> Any:
    module, loader = STAGES[name].load
    config = case.options["config"]
    config = config if module == "conditioning" else getattr(config, module)
    load = getattr(importlib.import_module(f"{side}.weights.{module}"), loader)
    return load(cases.synthetic_checkpoint(case), config, dtype)


@cache
def reference(name: str) -> tuple[list[Program], list[Arrays]]:
    """The stage of the reference in double, a program for each length, and their inputs."""
    stage, programs, given = STAGES[name], [], []
    model = _model("reference", name, built(name)[0], torch.float64)
    for case in built(name):
        inputs = stage.inputs(case)
        programs.append(twins.record(stage.make("reference", model, case), inputs, root=model))
        given.append(inputs)
    return programs, given


def candidate(
    name: str, planted: AbstractContextManager[None] | None = None, lengths: int | None = None
) -> tuple[list[Program], list[Arrays]]:
    """The stage of the port in the stand-in, likewise, at the first `lengths` or all.

    What is `planted` is there while it is imported.
    """
    stage, programs, given = STAGES[name], [], []
    with planted or nullcontext(), installed() as mx:
        model = _model("mlx_impl", name, built(name)[0], mx.float32)
        for case in built(name)[:lengths]:
            inputs = [
                np.swapaxes(array, 1, 2) if place in stage.turned and array.ndim == 3 else array
                for place, array in enumerate(stage.inputs(case))
            ]
            run = stage.make("mlx_impl", model, case)
            record(run, inputs)  # tables that are kept from then on are constants at every length
            programs.append(record(run, inputs, root=model))
            given.append(inputs)
    return programs, given
