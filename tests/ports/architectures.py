"""Language models of transformers and mlx-lm's ports of them, small and with random weights.

`SETTINGS` are what an architecture's configuration says beyond `COMMON`; `ARGUMENTS` what mlx-lm reads under another
name or expects to find.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from ports.language.architectures import COMMON, EXPERTS

SETTINGS: dict[str, dict[str, Any]] = {
    "mixtral": EXPERTS,
    "qwen2_moe": {**EXPERTS, "shared_expert_intermediate_size": 32},
    "qwen3_moe": EXPERTS,
    "granitemoe": EXPERTS,
    "olmoe": EXPERTS,
    "gpt_bigcode": {"n_embd": 64, "n_layer": 3, "n_head": 4, "n_positions": 512, "n_inner": 128},
    "gemma3_text": {"num_hidden_layers": 6, "sliding_window": 8},
    "cohere2": {"num_hidden_layers": 4, "sliding_window": 8},
    "olmo3": {"num_hidden_layers": 4, "sliding_window": 8},
    "gptj": {"n_embd": 64, "n_layer": 3, "n_head": 4, "n_positions": 512, "rotary_dim": 16},
}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "gpt_bigcode": {"num_key_value_heads": 1},
    "gemma3_text": {"sliding_window_pattern": 6},
    "cohere2": {"sliding_window_pattern": 4},
    "qwen3_moe": {"num_experts": 4},
}

EQUAL = (
    *("llama", "qwen2", "qwen3", "phi3", "gemma2", "mixtral", "olmo2", "cohere", "mamba", "qwen2_moe", "qwen3_moe"),
    *("stablelm", "gptj", "phi", "granite", "granitemoe", "glm4", "helium", "ernie4_5", "falcon_h1", "nemotron"),
    *("seed_oss", "smollm3", "hunyuan_v1_dense", "internlm3", "ministral3", "olmoe", "gemma3_text", "cohere2", "olmo3"),
)
"""Ports that compute what transformers computes."""

GELU = ("aten.gelu(approximate=tanh)", "erf()")
DEPARTING = {
    "gemma": GELU,
    "starcoder2": GELU,
    "gpt_bigcode": GELU,
    "glm": (
        "aten.slice(dim=3, start=0, end=8)",
        "fast.rope(dims=16, traditional=True, base=10000.0, scale=1.0, offset=0)",
    ),
}
"""Ports that do not, each with an operation of transformers and the port's in its place, in every layer.

Three take the exact GELU where the configuration asks for the one with tanh. The fourth turns all of a head where
transformers turns the half that `partial_rotary_factor` says.
"""

MATCHED = ("llama", "qwen2", "qwen3", "phi3", "gemma2", "gemma3_text", "olmo2", "cohere", "starcoder2", "mamba")
"""Those whose modules are looked for by value."""

NOT_FOUND = {
    r"model\.rotary_emb(#1)?": "a table of cosines, which MLX's rotary embedding never has as an array",
    r"backbone\.layers\.\d\.mixer\.x_proj": "the port applies it to one token at a time",
}
"""Modules without a counterpart, and why: committed before the run, and at most 3 % of all."""

RECURRENT = ("mamba", "falcon_h1")
"""Their programs have operations for each token: only those of one length can be laid side by side."""


def reference(name: str) -> Any:
    """The model of transformers, in eval mode: normal weights of 0.1, scales about 1."""
    import torch
    import transformers

    config = transformers.AutoConfig.for_model(name, **{**COMMON, **SETTINGS.get(name, {})})
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(
        config, attn_implementation="eager", experts_implementation="eager"
    ).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.1 * torch.randn_like(parameter) + (1.0 if parameter.ndim == 1 else 0.0))
    return model


def save(model: Any, name: str, folder: Path) -> None:
    """Write the model's weights and the configuration that mlx-lm reads."""
    model.save_pretrained(folder)
    file = folder / "config.json"
    config = json.loads(file.read_text())
    rope = config.get("rope_parameters") or {}
    if "sliding_attention" in rope:
        config["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
    rope = rope.get("full_attention", rope)
    config.setdefault("rope_theta", rope.get("rope_theta", 10000.0))
    config.pop("rope_scaling", None)
    if "partial_rotary_factor" in rope:
        config["partial_rotary_factor"] = rope["partial_rotary_factor"]
    config.update(ARGUMENTS.get(name, {}))
    file.write_text(json.dumps(config))


def port(name: str, folder: Path) -> Any:
    """mlx-lm's model of the folder, of whichever `mlx.core` is imported: MLX's or the stand-in."""
    import mlx.core as mx

    module = importlib.import_module(f"mlx_lm.models.{name}")
    model = module.Model(module.ModelArgs.from_dict(json.loads((folder / "config.json").read_text())))
    weights = {}
    for file in sorted(folder.glob("*.safetensors")):
        weights.update(mx.load(str(file)))
    if hasattr(model, "sanitize"):
        weights = model.sanitize(weights)
    model.load_weights(list(weights.items()), strict=True)
    model.eval()
    return model


def tokens(length: int, seed: int = 0) -> np.ndarray:
    """Token identifiers `(1, length)`."""
    return np.random.default_rng(seed).integers(3, 255, (1, length))
