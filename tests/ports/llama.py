"""transformers' Llama and mlx-lm's, small, with one file of weights, as a contract names them: by what makes each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from tests.ports import architectures

FOLDER = Path(__file__).resolve().parents[2] / "build" / "llama"


class Logits(nn.Module):
    """Tokens `(B, T)` -> logits `(B, T, V)`, without a cache."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.llama = model

    def forward(self, ids: Tensor) -> Tensor:
        logits: Tensor = self.llama(input_ids=ids, use_cache=False).logits
        return logits


def reference() -> Logits:
    """The same weights each time."""
    return Logits(architectures.reference("llama"))


def candidate() -> Any:
    """The port with the reference's weights."""
    if not (FOLDER / "config.json").is_file():
        FOLDER.mkdir(parents=True, exist_ok=True)
        architectures.save(architectures.reference("llama"), "llama", FOLDER)
    return architectures.port("llama", FOLDER)
