"""What the C++ port is of: the flow's encoder and a block of its decoder, so small that graphs can be committed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from parity.base.draws import normal
from spec.config import DecoderConfig, EncoderConfig, FlowConfig
from spec.files.checkpoint import S3GEN
from spec.keys.flow import flow_keys
from spec.synthetic import values

CONFIG = FlowConfig(
    encoder=EncoderConfig(width=16, heads=4, linear_units=32, blocks=1, up_blocks=1),
    decoder=DecoderConfig(width=16, heads=4, head_width=4, transformer_blocks=1, mid_blocks=1),
)
BLOCK, LENGTHS, FRAMES = "mid_blocks.0", (7, 5, 4), 9


def checkpoint(folder: Path) -> Path:
    """`s3gen.safetensors` in `folder`, in the published format, of which only the flow is there."""
    from safetensors.numpy import save_file

    path = folder / S3GEN
    save_file({key.name: values(key) for key in flow_keys(CONFIG)}, path)
    return path


def shapes(part: str) -> list[str]:
    """What the program that exports is told of a part."""
    if part == "encoder":
        return [str(length) for length in LENGTHS]
    return [BLOCK, str(CONFIG.decoder.heads), str(len(LENGTHS)), str(FRAMES)]


def inputs(part: str) -> dict[str, np.ndarray]:
    """By the names of the reference's arguments, as `called` has them."""
    if part == "encoder":
        return {"x": normal("cpp", "x", (len(LENGTHS), max(LENGTHS), CONFIG.encoder.width))}
    # Frames are faint, so that their variance is near the epsilon of a layer norm, and the second item ends in padding.
    width, time_width = CONFIG.decoder.width, CONFIG.decoder.time_width
    x = normal("cpp", "frames", (len(LENGTHS), FRAMES, width))
    mask = np.ones(x.shape[:2], np.float32)
    mask[1, -2:] = 0
    faint = np.logspace(-3, 0, FRAMES, dtype=np.float32)[:, None]
    return {"x": x * faint, "mask": mask, "t": normal("cpp", "t", (len(LENGTHS), time_width))}
