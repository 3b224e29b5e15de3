"""mlx-lm's models of the checkpoint: this module has a factory of each architecture, by its name.

A factory is made on MLX and, where a model's control flow depends on values, anew on the stand-in for `mlx.core`.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import mlx.core as mx
from mlx_lm.models.cache import make_prompt_cache

from ports.corrected import corrected
from ports.language.architectures import ARCHITECTURES
from ports.language.sides import CHECKPOINT

Decoding = Callable[[mx.array, mx.array], tuple[mx.array, mx.array]]
"""Prompt `(B, L)` and token `(B, 1)` -> logits `(B, L, V)` and `(B, 1, V)`."""


def __getattr__(name: str) -> Callable[[], Decoding]:
    architecture, _, mended = name.partition("+")
    if architecture not in ARCHITECTURES:
        raise AttributeError(name)
    return partial(decoding, architecture, bool(mended))


def decoding(name: str, mended: bool) -> Decoding:
    """A prompt and one more token with the cache that the prompt leaves, as mlx-lm's own generation calls a model."""
    model = loaded(name, mended)

    def decode(prompt: mx.array, token: mx.array) -> tuple[mx.array, mx.array]:
        cache = make_prompt_cache(model)
        return model(prompt, cache=cache), model(token, cache=cache)

    return decode


def loaded(name: str, mended: bool) -> Any:
    """The model with the checkpoint's weights, strictly; `mended`: with the port's lines corrected."""
    folder, architecture = CHECKPOINT[0], ARCHITECTURES[name]
    path, part = (f"mlx_lm.models.{module}" if module else "" for module in (architecture.port, architecture.part))
    module = corrected(path, architecture.mended, part) if mended else importlib.import_module(path)
    model = module.Model(module.ModelArgs.from_dict(json.loads((folder / "config.json").read_text())))
    weights: dict[str, mx.array] = {}
    for file in sorted(folder.glob("*.safetensors")):
        weights.update(mx.load(str(file)))
    if hasattr(model, "sanitize"):
        weights = model.sanitize(weights)
    model.load_weights(list(weights.items()), strict=True)
    model.eval()
    mx.eval(model.parameters())
    return model
