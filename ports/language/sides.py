"""Both sides of an architecture: a checkpoint that transformers writes and mlx-lm reads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ports.language.architecture import Architecture
from ports.language.architectures import ARCHITECTURES
from ports.pair import Sides

CHECKPOINT = [Path()]
"""The folder that `port` reads now: a list, for it outlives the imports of `port` on MLX and on the stand-in."""


def sides(name: str, folder: Path, mended: bool = False) -> Sides:
    """The model of transformers in eval mode, the port's factory by name, and prompts with the token that follows."""
    from ports.language import reference

    architecture = ARCHITECTURES[name]
    model = reference.model(architecture, mended)
    model.model.save_pretrained(folder)
    publish(architecture, folder)
    write_configuration(architecture, folder)
    CHECKPOINT[0] = folder
    return Sides(model, f"ports.language.port:{name}{'+mended' * mended}", inputs())


def inputs() -> list[dict[str, np.ndarray]]:
    """Prompts `(2, L)` of 11 and of 16 tokens, and a token `(2, 1)` that follows."""
    random = np.random.default_rng(0)
    return [{"prompt": random.integers(3, 255, (2, n)), "token": random.integers(3, 255, (2, 1))} for n in (11, 16)]


def publish(architecture: Architecture, folder: Path) -> None:
    """Give the weights of the folder the names and layouts of a published checkpoint."""
    from safetensors.torch import load_file, save_file

    if architecture.published:
        for file in folder.glob("*.safetensors"):
            save_file(architecture.published(load_file(file)), file)


def write_configuration(architecture: Architecture, folder: Path) -> None:
    """The configuration that mlx-lm reads, of what transformers writes.

    Published configurations have rotary settings at the top; transformers 5 writes them as `rope_parameters`.
    """
    file = folder / "config.json"
    config = json.loads(file.read_text())
    rope = config.get("rope_parameters") or {}
    if "sliding_attention" in rope:
        config["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
    rope = rope.get("full_attention", rope)
    config.setdefault("rope_theta", rope.get("rope_theta", 10000.0))
    kind = rope.get("rope_type", "default")
    config["rope_scaling"] = {**rope, "type": kind} if kind != "default" else None
    if "partial_rotary_factor" in rope:
        config["partial_rotary_factor"] = rope["partial_rotary_factor"]
    config.update(architecture.arguments)
    if architecture.nested:
        config = {"model_type": architecture.port, "text_config": config}
    file.write_text(json.dumps(config))
