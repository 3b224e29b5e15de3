"""What an architecture is: a configuration of a language model, and what of its port is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ports.language.drawn import Drawing
from ports.language.published import Publishing
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

    - `settings` are what the configuration says beyond `COMMON`; `arguments` what mlx-lm reads under another name or
      expects to find. A `nested` configuration is the `text_config` of a larger one.
    - `drawn` makes each weight of a normal one, and `published` makes the weights of a published checkpoint of those
      that transformers writes.
    - `mended` are lines of the port, or of `part` that it imports from, with which it is equal; `amended` are such
      lines of the reference; `correction` says so.
    - `refused` is a part of the sentence with which a pair cannot run, and `reason` the cause.
    """

    reference: str
    port: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    departures: tuple[Departure, ...] = ()
    mended: Mapping[str, str] = field(default_factory=dict)
    part: str = ""
    amended: Mapping[str, str] = field(default_factory=dict)
    refused: str = ""
    reason: str = ""
    drawn: Drawing | None = None
    published: Publishing | None = None
    nested: bool = False

    @property
    def correction(self) -> str:
        places = (f" in `{self.part}`" if self.part else "", " in transformers")
        texts = [
            f"`{old.strip()}` read as `{new.strip()}`{place}"
            for lines, place in zip((self.mended, self.amended), places, strict=True)
            for old, new in lines.items()
        ]
        return "; ".join(texts)


def same(name: str, **options: Any) -> Architecture:
    """An architecture of one name on both sides."""
    return Architecture(name, name, **options)
