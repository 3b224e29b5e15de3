"""The keys of Perth's weights, and the parameters that they fill."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from reference.watermark import Watermark
from reference.weights.checkpoint import fill, without_values
from spec.watermark.config import WatermarkConfig
from spec.watermark.weights import read_watermark

BRANCHES = ("slow", "normal", "fast")
BRANCH = re.compile(rf"^decoder\.({'|'.join(BRANCHES)})_layers\.")


def watermark_parameter_name(key: str) -> str:
    """The parameter of `Watermark` that a key fills."""
    return BRANCH.sub(lambda at: f"decoder.branches.{BRANCHES.index(at[1])}.layers.", key)


def load_watermark(file: Path, config: WatermarkConfig, dtype: torch.dtype = torch.float32) -> Watermark:
    """The network of a file as resemble-perth has it, in eval mode, in `dtype`. Raises `ValueError` as `load` does."""
    with without_values():
        watermark = Watermark(config)
    tensors = {key: torch.from_numpy(array) for key, array in read_watermark(file).items()}
    return fill(watermark, tensors, file, "", watermark_parameter_name, dtype)
