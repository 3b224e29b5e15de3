"""A graph of MLX's primitives, rounded at random: what MLX gives in float32 is within it, TF32 is not."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest
from mlx import nn

from parity.base.draws import normal
from parity.base.metrics import rmse
from parity.exact.mlx.trace import trace
from parity.exact.primitives import TABLE
from parity.exact.rounding.primitives import PRIMITIVES
from parity.exact.rounding.programs import floors, made
from parity.judge.arithmetic import MULTIPLE


class Block(nn.Module):
    """Every kind of sum: products, quantised too, a convolution, norms, attention, a softmax and a running sum."""

    def __init__(self) -> None:
        super().__init__()
        mx.random.seed(0)
        self.first, self.conv = nn.Linear(48, 64), nn.Conv1d(64, 32, 3, padding=1)
        self.rms, self.layer = nn.RMSNorm(64), nn.LayerNorm(64)
        self.quantized = nn.QuantizedLinear(64, 64, group_size=32)

    def __call__(self, x: mx.array) -> list[mx.array]:
        y = nn.gelu(self.rms(self.first(x)))
        z = self.layer(y)[:, None]
        attended = mx.fast.scaled_dot_product_attention(z, z, z, scale=0.1)[:, 0]
        return [self.conv(self.quantized(attended)), mx.cumsum(y, 1), mx.softmax(y, -1), mx.fft.rfft(y).abs()]


def test_mlx_is_within_the_graph_rounded_at_random():
    block, x = Block(), normal("graph", "x", (2, 10, 48))
    program = trace(block, [x])
    own = floors(program, [x], program.outputs, {}, "graph")
    exact = made(program, [x], program.outputs, {})
    cut = (x.view(np.int32) & ~0x1FFF).view(np.float32)
    for number, right, wrong in zip(program.outputs, block(mx.array(x)), block(mx.array(cut)), strict=True):
        assert 0.1 < rmse(np.array(right), exact[number]) / own[number] < 0.5 * MULTIPLE
        assert rmse(np.array(wrong), exact[number]) > 25 * MULTIPLE * own[number]


@pytest.mark.parametrize("name", PRIMITIVES)
def test_a_primitive_that_rounds_inside_is_known(name):
    assert name in TABLE
