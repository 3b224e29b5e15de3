"""Keys of Perth's network, of which upstream keeps the rates of the decoder in three lists.

Upstream: `perth/perth_net/perth_net_implicit/model/` of resemble-perth 1.0.1.
"""

from __future__ import annotations

from spec.keys.key import Keys, weight_and_bias
from spec.watermark.config import WatermarkConfig


def watermark_keys(config: WatermarkConfig) -> Keys:
    """The 56 keys of the network (at full size). The file holds three tables beside (`spec/watermark/weights.py`)."""
    yield from _layers("encoder.layers", config, config.band)
    for branch in ("slow", "normal", "fast"):
        yield from _layers(f"decoder.{branch}_layers", config, 2)


def _layers(name: str, config: WatermarkConfig, width_out: int) -> Keys:
    last = config.middle_layers + 1
    yield from weight_and_bias(f"{name}.0.conv", config.width, config.band, 1)
    for layer in range(1, last):
        yield from weight_and_bias(f"{name}.{layer}.conv", config.width, config.width, config.kernel)
    yield from weight_and_bias(f"{name}.{last}.conv", width_out, config.width, 1)
