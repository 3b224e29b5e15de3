"""What the C++ port is of: one block of the reference's decoder, tiny, with weights drawn by name."""

from __future__ import annotations

import numpy as np
import torch

from parity.base.draws import normal
from reference.attention_mask import attention_bias
from reference.decoder import UNetBlock
from spec.config import DecoderConfig

WIDTH_IN, FRAMES, BATCH = 12, 7, 2
CONFIG = DecoderConfig(width=16, heads=2, head_width=8, transformer_blocks=1, mid_blocks=1)


def weights() -> dict[str, np.ndarray]:
    """The reference's weights by name, float32; those of layer norms near 1."""
    block = UNetBlock(CONFIG, WIDTH_IN, outer=False)
    drawn = {}
    for name, tensor in block.state_dict().items():
        noise = normal("cpp", name, tuple(tensor.shape))
        near_one = "norm" in name and name.endswith("weight")
        drawn[name] = np.float32(1) + np.float32(0.1) * noise if near_one else np.float32(0.3) * noise
    return drawn


def reference() -> torch.nn.Module:
    """The block in double, with the same values."""
    block = UNetBlock(CONFIG, WIDTH_IN, outer=False).double().eval()
    block.load_state_dict(
        {name: torch.from_numpy(array.astype(np.float64)) for name, array in weights().items()}, strict=True
    )
    return block


def inputs() -> list[np.ndarray]:
    """x (B, M, width_in), mask (B, M) and t (B, time_width). The second item ends in padding, and frames are faint.

    The variance of a faint frame is near the epsilon of a layer norm.
    """
    x = normal("cpp", "x", (BATCH, FRAMES, WIDTH_IN)) * np.logspace(-3, 0, FRAMES, dtype=np.float32)[:, None]
    mask = np.ones((BATCH, FRAMES), np.float32)
    mask[1, -2:] = 0
    return [x, mask, normal("cpp", "t", (BATCH, CONFIG.time_width))]


def expected(x: np.ndarray, mask: np.ndarray, t: np.ndarray) -> np.ndarray:
    """What the reference gives in double: (B, M, width)."""
    x, mask, t = (torch.from_numpy(array.astype(np.float64)) for array in (x, mask, t))
    with torch.no_grad():
        return reference()(x.transpose(1, 2), mask[:, None], attention_bias(mask), t).transpose(1, 2).numpy()
