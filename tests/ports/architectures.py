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

COMMON = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "vocab_size": 256,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
EXPERTS = {"num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
LATENT = {
    "kv_lora_rank": 16,
    "q_lora_rank": 24,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 16,
    "v_head_dim": 16,
}
SLIDING = {"sliding_window": 16}
SETTINGS: dict[str, dict[str, Any]] = {
    "gemma3_text": {**SLIDING, "sliding_window_pattern": 3, "num_hidden_layers": 6},
    "cohere2": {**SLIDING, "sliding_window_pattern": 3},
    "olmo3": {**SLIDING, "num_hidden_layers": 4},
    "mixtral": {**EXPERTS, "head_dim": 16},
    "qwen2_moe": {**EXPERTS, "shared_expert_intermediate_size": 32},
    "qwen3_moe": EXPERTS,
    "granitemoe": EXPERTS,
    "olmoe": EXPERTS,
    "phimoe": EXPERTS,
    "gpt2": {"n_embd": 64, "n_layer": 3, "n_head": 4, "n_positions": 512},
    "gpt_bigcode": {"n_embd": 64, "n_layer": 3, "n_head": 4, "n_positions": 512, "n_inner": 128},
    "gptj": {"n_embd": 64, "n_layer": 3, "n_head": 4, "n_positions": 512, "rotary_dim": 16},
    "deepseek_v2": {**LATENT, "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32},
    "minicpm3": LATENT,
    "lfm2": {"block_ff_dim": 128, "block_auto_adjust_ff_dim": False},
}
NAMES = ["llama"]
ARGUMENTS: dict[str, dict[str, Any]] = {
    "gpt2": {"n_ctx": 512, "num_key_value_heads": 4},
    "gpt_bigcode": {"num_key_value_heads": 1},
    "gpt_neox": {"rotary_emb_base": 10000.0, "rotary_pct": 0.25},
    "exaone4": {"rope_scaling": {"rope_type": "default"}},
    "apertus": {"mlp_bias": False, "post_norm": False, "qk_norm": True},
    "qwen3_moe": {"num_experts": 4},
}


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
