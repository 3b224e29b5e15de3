"""T3 alone as the two sides of a contract, so that the engine judges its every tap, and what its tests are given."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from fixtures import cases
from parity.draws import integers, normal, uniform
from parity.side import Case, State
from reference import synthetic
from reference.config import CHATTERBOX_SIZES, SamplingConfig, T3Config

CONTRACT = Path(__file__).with_name("contract.toml")
CASES = {
    "tiny": ("tiny", 9, 6, SamplingConfig(top_p=0.9)),
    "tiny-one-letter": ("tiny", 1, 3, SamplingConfig(guidance=2.0, repetition_penalty=2.0, temperature=1.0)),
    "tiny-unguided": ("tiny", 5, 3, SamplingConfig(guidance=0.0)),
    "full": ("full", 20, 2, SamplingConfig(top_p=0.9)),
}


def inputs(name: str, config: T3Config, letters: int) -> State:
    """Text of so many tokens between start and stop, the longest prompt, and a voice of length 1."""
    text = integers(name, "text", (1, letters), config.text_vocab_size)
    voice = normal(name, "voice", (1, config.speaker_width))
    return {
        "text_tokens": np.concatenate([[[config.start_text]], text, [[config.stop_text]]], axis=1),
        "prompt_tokens": integers(name, "prompt", (1, config.prompt_tokens), config.start_speech),
        "voice": voice / np.linalg.norm(voice),
        "emotion": np.array([0.5], np.float32),
    }


def load(name: str) -> Case:
    size, letters, steps, sampling = CASES[name]
    config = CHATTERBOX_SIZES[size].t3
    given = inputs(name, config, letters) | {"uniforms": uniform(name, "uniforms", (steps,))}
    dims = {"t3_blocks": config.blocks, "t3_steps": steps}
    return Case(name, dims, given, {"size": size, "config": config, "sampling": sampling})


def checkpoint(case: Case) -> Path:
    """A directory with the synthetic T3 of that size, in a folder that is made once."""
    size = case.options["size"]
    folder = cases.synthetic_checkpoint(cases.load(size))
    if not (folder / "t3_cfg.safetensors").is_file():
        synthetic.write(folder, CHATTERBOX_SIZES[size], files=["t3_cfg"])
    return folder


@dataclass
class Root:
    """What has T3 as its attribute `t3`: the root of the taps' paths, for either framework."""

    t3: Any

    def named_modules(self) -> list[tuple[str, Any]]:
        return [("", self)] + [(f"t3.{path}".rstrip("."), module) for path, module in self.t3.named_modules()]


def side(package: str, dtypes: Mapping[str, Any], path: Path, options: Mapping[str, Any], dtype: str) -> Any:
    """The `Side` that runs a package's two stages."""
    stage = importlib.import_module(f"{package}.t3.stage")
    model = importlib.import_module(f"{package}.weights.t3").load_t3(path, options["config"], dtypes[dtype])
    sampling = options["sampling"]

    def run(segment: str, index: int | None, state: State, observe: Callable[[str, Any], Any]) -> State:
        if segment == "t3_prefill":
            return stage.run_prefill(model, sampling, state, observe)
        return stage.run_step(model, sampling, index, state, observe)

    return SimpleNamespace(model=Root(model), run=run)


def reference_side(path: Path, options: Mapping[str, Any], dtype: str) -> Any:
    import torch

    made = side("reference", {"float32": torch.float32, "float64": torch.float64}, path, options, dtype)
    return SimpleNamespace(model=made.model, run=torch.inference_mode()(made.run))


def mlx_side(path: Path, options: Mapping[str, Any], dtype: str) -> Any:
    import mlx.core as mx

    return side("mlx_impl", {"float32": mx.float32}, path, options, dtype)
