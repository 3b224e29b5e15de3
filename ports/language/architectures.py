"""Configurations of language models, each of which exercises what its architecture has, and what of each is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ports.pair import Departure

COMMON: dict[str, Any] = {
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
"""What every configuration says, unless it says otherwise."""


@dataclass(frozen=True)
class Architecture:
    """`reference` is the model type of transformers, `port` the module of mlx-lm.

    `settings` are what the configuration says beyond `COMMON`; `arguments` what mlx-lm reads under another name or
    expects to find. `mended` are lines of the port with which it is equal, and `correction` says so.
    """

    reference: str
    port: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    departures: tuple[Departure, ...] = ()
    mended: Mapping[str, str] = field(default_factory=dict)
    refused: str = ""
    lengths: tuple[int, ...] = (11, 16)
    batch: int = 2

    @property
    def correction(self) -> str:
        return "; ".join(f"`{old.strip()}` -> `{new.strip()}`" for old, new in self.mended.items())


def same(name: str, **options: Any) -> Architecture:
    """An architecture of one name on both sides."""
    return Architecture(name, name, **options)


GELU = Departure("the exact GELU, where the configuration asks for the one with tanh", "approximate=tanh", "erf")

ARCHITECTURES = {
    "llama": same("llama"),
    "qwen3": same("qwen3"),
    "gemma": same("gemma", departures=(GELU,), mended={"nn.gelu(": "nn.gelu_approx("}),
}
