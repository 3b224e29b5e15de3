"""transformers' Llama and mlx-lm's, small, with one file of weights, as a contract names them: by what makes each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ports.language import port
from ports.language.architectures import ARCHITECTURES
from ports.language.reference import model
from ports.language.sides import CHECKPOINT, sides

NAME = "llama-linear"
FOLDER = Path(__file__).resolve().parents[2] / "build" / NAME


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
    return Logits(model(ARCHITECTURES[NAME]).model)


def candidate() -> Any:
    """The port with the reference's weights."""
    if not (FOLDER / "config.json").is_file():
        FOLDER.mkdir(parents=True, exist_ok=True)
        sides(NAME, FOLDER)
    CHECKPOINT[0] = FOLDER
    return port.loaded(NAME, mended=False)
