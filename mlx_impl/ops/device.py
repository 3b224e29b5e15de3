"""What the default device is: a few layers have one way for a CPU and another for a GPU."""

from __future__ import annotations

import mlx.core as mx


def on_gpu() -> bool:
    """Whether the default device is a GPU, Metal's or CUDA's."""
    return mx.default_device().type == mx.DeviceType.gpu
