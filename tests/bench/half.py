"""The reference in half precision, so that a port in it is timed against PyTorch in the same.

Half are the networks, as on MLX's side: ODE state, logits, f0, source and transforms stay in float32, and so do tables
of positions and times, for which half precision has too few digits. `reference` itself is in float32, as upstream is,
and knows nothing of this: what goes into its modules and comes out of them is cast by hooks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Borders:
    """Between half precision and float32 in a stage: the part of the model that is half, and modules in it.

    `halved` are given float32 and take half; of `widened` the result goes on in float32; `wide` are computed in
    float32, from half and for half.
    """

    part: str
    halved: tuple[str, ...]
    widened: tuple[str, ...]
    wide: tuple[str, ...] = ()


STAGES = {
    "t3": Borders("", ("conditioning.speaker_proj", "conditioning.emotion_proj"), ("speech_head",)),
    "flow": Borders(
        "",
        ("spk_embed_affine_layer", "decoder.time_mlp", "decoder.down_blocks.0"),
        ("encoder_proj", "decoder"),
        ("encoder.positions", "encoder.up_positions"),
    ),
    "vocoder": Borders("generator", ("conv_pre", "levels.0", "levels.1", "levels.2"), ("conv_post",)),
}


def in_half(model: nn.Module, stage: str, dtype: torch.dtype) -> nn.Module:
    """A stage's model with its networks in `dtype`; takes and gives float32. A stage not in `STAGES` stays as it is."""
    if stage not in STAGES:
        return model
    borders = STAGES[stage]
    part = model.get_submodule(borders.part).to(dtype)
    for module in _modules(part, borders.halved):
        module.register_forward_pre_hook(lambda _, given: _cast(given, dtype))
    for module in _modules(part, borders.widened):
        module.register_forward_hook(lambda _, given, result: _cast(result, torch.float32))
    for module in _modules(part, borders.wide):
        module.register_forward_pre_hook(lambda _, given: _cast(given, torch.float32))
        module.register_forward_hook(lambda _, given, result: _cast(result, dtype))
    return model


def _modules(part: nn.Module, names: Iterable[str]) -> list[nn.Module]:
    return [part.get_submodule(name) for name in names]


def _cast(value: Any, dtype: torch.dtype) -> Any:
    """Arrays of numbers in another dtype; tokens, and what is no array, as they are."""
    if isinstance(value, tuple):
        return tuple(_cast(item, dtype) for item in value)
    return value.to(dtype) if isinstance(value, Tensor) and value.is_floating_point() else value
