"""The MLX side with a fault for the report to show: one convolution in the middle of the decoder is 0.1 % too large."""

from __future__ import annotations

from typing import Any

from mlx_impl.pipeline import Pipeline


class Faulty(Pipeline):
    """`Pipeline` whose first middle block is wrong."""

    def root(self, segment: str) -> Any:
        model = super().root(segment)
        if segment == "ode" and not hasattr(self, "broken"):
            convolution = model.decoder.mid_blocks[0].resnet.res_conv
            convolution.weight = convolution.weight * 1.001
            self.broken = True
        return model
