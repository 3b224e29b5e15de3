"""chatterbox-flash's two engines against each other: the reference is its engine of PyTorch, the candidate that of MLX.

An engine runs the backbone of T3: the prefix once, then blocks of speech tokens, each several times before it is kept.
Embeddings and heads are PyTorch's for both. The backbone is small here, with random weights, which the engine of MLX
converts itself. The package's own `__init__` imports chatterbox-tts, whose name chatterbox-mlx
has, and engines are imported without it.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ports.corrected import Correction, corrections
from ports.pair import Pair, Sides

WIDTH, HEADS, LAYERS = 128, 2, 2
ROPE = {"factor": 8.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 8192}
PACKAGES = ("chatterbox-flash", "mlx-lm", "transformers")


def engine(name: str) -> ModuleType:
    """A module of the package's engines."""
    if "chatterbox_flash" not in sys.modules:
        spec = importlib.util.find_spec("chatterbox_flash")
        assert spec is not None
        sys.modules["chatterbox_flash"] = importlib.util.module_from_spec(spec)
    return importlib.import_module(f"chatterbox_flash.engines.{name}")


def backbone() -> nn.Module:
    """transformers' Llama as T3 has it, but small, with random weights: the same each time."""
    from transformers import LlamaConfig, LlamaModel

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=8,
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        head_dim=WIDTH // HEADS,
        max_position_embeddings=131072,
        rope_theta=500000.0,
        rope_scaling={**ROPE, "rope_type": "llama3"},
    )
    return LlamaModel(config).eval().requires_grad_(False)


def model(tfmr: nn.Module) -> SimpleNamespace:
    """What an engine takes of T3."""
    return SimpleNamespace(tfmr=tfmr, device=torch.device("cpu"))


def decoded(engine: Any, prefix: Any, blocks: list[Any], lengths: list[int]) -> list[Any]:
    """Hidden frames of the prefix's end, and of each block: the first is run twice, as a denoising loop does."""
    made, starts = [engine.prefix_forward(prefix)], list(lengths)
    for place, block in enumerate((blocks[1], *blocks)):
        made.append(engine.block_forward(block, starts if len(set(starts)) > 1 else starts[0]))
        if place:
            engine.advance_cache(block.shape[1])
            starts = [start + block.shape[1] for start in starts]
    return made


def by_torch(tfmr: nn.Module, given: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
    """Prefix `(1, P, 128)`, blocks `(1, B, 128)` -> hidden frames."""
    prefix, blocks = given["prefix"], [given["first"], given["second"]]
    run = engine("torch_sdpa").TorchSDPAEngine(model(tfmr), 64, prefix.dtype)
    return tuple(decoded(run, prefix, blocks, [prefix.shape[1]]))


class Held:
    """An array of MLX with what an engine asks of PyTorch's tensors."""

    def __init__(self, array: Any):
        self.array, self.shape = array, array.shape

    def size(self, axis: int) -> int:
        return int(self.shape[axis])

    def contiguous(self) -> Held:
        return self


def converted() -> Any:
    """The engine of MLX with the backbone's weights, whose arrays stay MLX's at its boundary."""
    made = engine("mlx").MLXEngine(model(backbone()), 64, torch.float32)
    made._torch_to_mx, made._mx_to_torch = (lambda held: held.array), Held
    return made


def by_mlx(engine: Any, given: Mapping[str, Any]) -> tuple[Any, ...]:
    engine.reset()
    held = {name: Held(array) for name, array in given.items()}
    made = decoded(engine, held["prefix"], [held["first"], held["second"]], [held["prefix"].size(1)])
    return tuple(one.array for one in made)


def inputs() -> list[dict[str, np.ndarray]]:
    lengths = (3, 4, 5), (5, 2, 4), (6, 5, 3)
    made = []
    for sizes in lengths:
        generator = np.random.default_rng((8, *sizes))
        arrays = (generator.standard_normal((1, size, WIDTH), np.float32) for size in sizes)
        made.append(dict(zip(("prefix", "first", "second"), arrays, strict=True)))
    return made


def sides(folder: Path, mended: Sequence[Correction] = ()) -> Sides:
    calls = by_torch, f"{__name__}:by_mlx"
    options = {"call": calls, "source": "standin"}
    return Sides(backbone, f"{__name__}:converted", inputs(), options, partial(corrections, mended))


CROP = Correction(
    "chatterbox_flash.engines.torch_sdpa",
    "        cache.crop(max_length)",
    "        if cache.get_seq_length() > max_length:\n            cache.crop(max_length - cache.get_seq_length())",
)

PAIRS = [
    Pair(
        "chatterbox-flash/blocks",
        PACKAGES,
        sides,
        mended=partial(sides, mended=[CROP]),
        correction="the cache cut by as many tokens as transformers asks for",
        refused="Calling `crop` with a positive value",
        reason="the engine of PyTorch cuts its cache to a length, which transformers 5.24 refuses",
        confirmed=False,
    )
]
