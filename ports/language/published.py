"""Names and layouts of published checkpoints, of what transformers writes.

Each function takes the weights by the names that transformers writes, and returns those of a checkpoint that mlx-lm
reads. No value changes.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ports.language.drawn import TERNARY

Weights = dict[str, Tensor]
Publishing = Callable[[Weights], Weights]


def without(beginning: str) -> Publishing:
    """The names without this beginning."""
    return lambda weights: {name.removeprefix(beginning): value for name, value in weights.items()}


def under(beginning: str) -> Publishing:
    """The names with this beginning before all of them."""
    return lambda weights: {beginning + name: value for name, value in weights.items()}


def renamed(**texts: str) -> Publishing:
    """The names with each of these texts replaced by another, in this order."""

    def publish(weights: Weights) -> Weights:
        for old, new in texts.items():
            weights = {name.replace(old, new): value for name, value in weights.items()}
        return weights

    return publish


def dropped(*texts: str) -> Publishing:
    """The weights without those whose names hold one of these texts."""
    return lambda weights: {name: value for name, value in weights.items() if not any(text in name for text in texts)}


def gemma3n(weights: Weights) -> Weights:
    """Under `model.language_model`, and with the keys and values that nothing reads, in layers that share others'."""
    layers = {name.split(".")[2] for name in weights if name.startswith("model.layers.")}
    for layer in layers:
        for part in ("k_proj", "v_proj", "k_norm"):
            like = weights[f"model.layers.0.self_attn.{part}.weight"]
            weights.setdefault(f"model.layers.{layer}.self_attn.{part}.weight", torch.zeros_like(like))
    return {name.replace("model.", "model.language_model.", 1): value for name, value in weights.items()}


def joined(weights: Weights) -> Weights:
    """The weights of all experts of a mixture in one, `(expert, output, input)`; gates and values are one as well."""
    published = {name: value for name, value in weights.items() if ".experts." not in name}
    for name in [name for name in weights if name.endswith(".experts.0.down_proj.weight")]:
        experts = name.removesuffix("0.down_proj.weight")
        count = sum(other.startswith(experts) and other.endswith(".down_proj.weight") for other in weights)
        gate, up, down = (
            torch.stack([weights[f"{experts}{expert}.{part}_proj.weight"] for expert in range(count)])
            for part in ("gate", "up", "down")
        )
        published |= {f"{experts}gate_up_proj": torch.cat((gate, up), dim=1), f"{experts}down_proj": down}
    return published


def gpt_oss(weights: Weights) -> Weights:
    """As mlx-lm's own conversion has them: gates and values apart, matrices `(expert, output, input)`.

    transformers has them in turns and `(expert, input, output)`.
    """
    published: Weights = {}
    for name, value in weights.items():
        parts = {"gate_up_proj": ("gate_proj", "up_proj"), "down_proj": ("down_proj",)}
        beginning, _, last = name.rpartition(".")
        kind, end = last.removesuffix("_bias"), "bias" if last.endswith("_bias") else "weight"
        if not beginning.endswith(".experts"):
            published[name] = value
            continue
        for place, part in enumerate(parts[kind]):
            taken = value[..., place :: len(parts[kind])]
            published[f"{beginning}.{part}.{end}"] = (taken if end == "bias" else taken.mT).contiguous()
    return published


def olmo(weights: Weights) -> Weights:
    """As OLMo's own code has them: queries, keys and values in one, values and gates in one."""
    published = {
        "model.transformer.wte.weight": weights["model.embed_tokens.weight"],
        "model.transformer.ff_out.weight": weights["lm_head.weight"],
    }
    for layer in {name.split(".")[2] for name in weights if name.startswith("model.layers.")}:
        old, new = f"model.layers.{layer}", f"model.transformer.blocks.{layer}"
        for joint, parts in {
            "att_proj": [f"self_attn.{part}_proj" for part in "qkv"],
            "attn_out": ["self_attn.o_proj"],
            "ff_proj": ["mlp.up_proj", "mlp.gate_proj"],
            "ff_out": ["mlp.down_proj"],
        }.items():
            published[f"{new}.{joint}.weight"] = torch.cat([weights[f"{old}.{part}.weight"] for part in parts])
    return published


def packed(weights: Weights) -> Weights:
    """Ternary projections as BitNet has them: two bits a number, four rows apart by a quarter of all in a byte."""
    published: Weights = {}
    for name, value in weights.items():
        if not name.endswith("_proj.weight"):
            published[name] = value
            continue
        quarters = ((value / TERNARY).round() + 1).to(torch.uint8).chunk(4)
        published[name] = sum((part << 2 * place for place, part in enumerate(quarters)), torch.zeros_like(quarters[0]))
        published[f"{name}_scale"] = torch.tensor([TERNARY])
    return published
