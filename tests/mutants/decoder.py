"""Faults of the velocity estimator and of the ODE around it."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import mlx.core as mx
import numpy as np
from mlx import nn

import mlx_impl.decoder
import mlx_impl.ode
import mlx_impl.ops.attention
import mlx_impl.ops.functional
import mlx_impl.ops.normalization
import mlx_impl.pipeline
from mlx_impl.decoder import Attention, CausalBlock1D, CausalConv1d, CausalResnetBlock1D, ConditionalDecoder
from tests.mutants.activations import fast_gelu, tanh_gelu
from tests.mutants.battery import loaded, mutant, unfilled, wrap

F = mlx_impl.ops.functional
DOWN, FIRST = "decoder.down_blocks.0", "decoder.down_blocks.0.resnet.block1.conv[step=0]"
BLOCK = f"{DOWN}.transformer_blocks.0"


@mutant("residual mask on the wrong tensor", "flow-batch", f"{DOWN}.resnet.res_conv[step=0]", "padding")
def _(m):
    def call(self, x, mask, t):
        h = self.block1(x, mask) + self.time_proj(F.mish(t))[:, None, :]
        h = self.block2(h, mask) + self.res_conv(x)
        return h * mask if mask is not None else h

    m.setattr(CausalResnetBlock1D, "__call__", call)


@mutant("attention mask left 0/1", "flow-batch", f"{BLOCK}.attn1[step=0]", "mixing")
def _(m):
    m.setattr(mlx_impl.decoder, "attention_bias", lambda mask: None if mask is None else mask[:, None, None, :])


@mutant("attention mask ignored", "flow-batch", f"{BLOCK}.attn1[step=0]", "mixing")
def _(m):
    m.setattr(mlx_impl.decoder, "attention_bias", lambda mask: None)


@mutant("attention mask of another item", "flow-batch", f"{BLOCK}.attn1[step=0]", "mixing")
def _(m):
    wrap(m, mlx_impl.decoder, "attention_bias", lambda bias, mask: bias(None if mask is None else mask[::-1]))


@mutant("infinite mask times zero", "flow-batch", f"{BLOCK}.attn1[step=0]", "not finite")
def _(m):
    def bias(mask):
        return None if mask is None else ((1 - mask) * -math.inf)[:, None, None, :]

    m.setattr(mlx_impl.decoder, "attention_bias", bias)


@mutant("block output not masked", "flow-batch", f"{DOWN}.resnet.block1[step=0]", "padding")
def _(m):
    def call(self, x, mask):
        return F.mish(self.norm(self.conv(x if mask is None else x * mask)))

    m.setattr(CausalBlock1D, "__call__", call)


@mutant("sinusoidal scale 1 for 1000", "flow", "decoder.time_embeddings[step=1]", "scale")
def _(m):
    wrap(m, mlx_impl.decoder.SinusoidalPosEmb, "__call__", lambda call, self, t: call(self, t / 1000))


@mutant("time embedding with cosines first", "flow", "decoder.time_embeddings[step=0]", "permutation")
def _(m):
    def call(original, self, t):
        table = original(self, t)
        return mx.concatenate(mx.split(table, 2, axis=-1)[::-1], axis=-1)

    wrap(m, mlx_impl.decoder.SinusoidalPosEmb, "__call__", call)


@mutant("SiLU for Mish", "flow", f"{DOWN}.resnet.block1[step=0]", "activation")
def _(m):
    m.setattr(CausalBlock1D, "__call__", lambda self, x, mask: F.silu(self.norm(self.conv(x))))


@mutant("tanh GELU for exact", "flow", f"{BLOCK}.ff[step=0]", "activation")
def _(m):
    m.setattr(mlx_impl.decoder.FeedForward, "__call__", lambda self, x: self.proj_out(tanh_gelu(self.proj_in(x))))


@mutant("fast GELU for exact", "flow", f"{BLOCK}.ff[step=0]", "activation")
def _(m):
    m.setattr(mlx_impl.decoder.FeedForward, "__call__", lambda self, x: self.proj_out(fast_gelu(self.proj_in(x))))


@mutant("ReLU in the time embedding", "flow", "decoder.time_mlp[step=0]", "activation")
def _(m):
    def call(self, x):
        return self.linear_2(nn.relu(self.linear_1(x)))

    m.setattr(mlx_impl.decoder.TimestepEmbedding, "__call__", call)


@mutant("extra norm", "flow", f"{BLOCK}[step=0]", "normalisation")
def _(m):
    def call(original, self, x, bias):
        y = original(self, x, bias)
        centred = y - mx.mean(y, axis=-1, keepdims=True)
        return centred * mx.rsqrt(mx.mean(centred * centred, axis=-1, keepdims=True) + 1e-5)

    wrap(m, mlx_impl.decoder.BasicTransformerBlock, "__call__", call)


@mutant("dropped to_out bias", "flow", f"{BLOCK}.attn1[step=0]", "offset")
def _(m):
    wrap(m, Attention, "__call__", lambda call, self, x, bias: call(self, x, bias) - self.to_out.bias)


@mutant("residual of the transformer dropped", "flow", f"{BLOCK}[step=0]", "term")
def _(m):
    def call(self, x, bias):
        x = self.attn1(self.norm1(x), bias) + x
        return self.ff(self.norm3(x))

    m.setattr(mlx_impl.decoder.BasicTransformerBlock, "__call__", call)


def attention(m, change):
    """The decoder's alone: the encoder calls the same function before it."""
    m.setattr(mlx_impl.decoder, "attention", partial(change, mlx_impl.ops.attention.attention))


@mutant("attention without its scale", "flow", f"{BLOCK}.attn1[step=0]", "mixing")
def _(m):
    attention(m, lambda f, q, k, v, scale, bias=None: f(q, k, v, scale=1.0, bias=bias))


@mutant("heads split as (D, H)", "flow", f"{BLOCK}.attn1[step=0]", "mixing")
def _(m):
    def split(self, x):
        return x.reshape(*x.shape[:2], self.head_width, self.heads).transpose(0, 3, 1, 2)

    m.setattr(Attention, "split", split)


@mutant("heads merged without a transposition", "flow", f"{BLOCK}.attn1[step=0]", "memory order", "mixing")
def _(m):
    def call(self, x, bias):
        q, k, v = (self.split(f(x)) for f in (self.to_q, self.to_k, self.to_v))
        out = mlx_impl.ops.attention.attention(q, k, v, scale=1 / math.sqrt(self.head_width), bias=bias)
        return self.to_out(out.reshape(x.shape[0], x.shape[1], -1))

    m.setattr(Attention, "__call__", call)


@mutant("unconditional branch given real conditions", "flow", FIRST, "branches")
def _(m):
    def guided(self):
        mask = None if self.mask is None else mx.concatenate([self.mask, self.mask])
        mu, speaker, cond = (mx.concatenate([a, a]) for a in (self.mu, self.speaker, self.cond))
        return mlx_impl.ode.Conditions(mu, speaker, cond, mask)

    m.setattr(mlx_impl.ode.Conditions, "guided", guided)


@mutant("branches swapped", "flow", FIRST, "branches")
def _(m):
    def guided(self):
        mu, speaker, cond = (mx.concatenate([mx.zeros_like(a), a]) for a in (self.mu, self.speaker, self.cond))
        return mlx_impl.ode.Conditions(mu, speaker, cond, None)

    m.setattr(mlx_impl.ode.Conditions, "guided", guided)


@mutant("inputs stacked in another order", "flow", FIRST, "permutation")
def _(m):
    def call(original, self, x, mask, mu, t, speaker, cond):
        return original(self, mu, mask, x, t, speaker, cond)

    wrap(m, ConditionalDecoder, "__call__", call)


@mutant("skip stacked first", "flow", "decoder.up_blocks.0.resnet.block1.conv[step=0]", "permutation")
def _(m):
    def call(original, self, x, mask, bias, t):
        if x.shape[2] == 2 * self.resnet.block1.conv.weight.shape[0]:
            x = mx.concatenate(mx.split(x, 2, axis=2)[::-1], axis=2)
        return original(self, x, mask, bias, t)

    wrap(m, mlx_impl.decoder.UNetBlock, "__call__", call)


def padded(left: int, right: int) -> Any:
    def call(self, x):
        return super(CausalConv1d, self).__call__(mx.pad(x, ((0, 0), (left, right), (0, 0))))

    return call


@mutant("causal convolution padded on both sides", "flow", FIRST, "shift")
def _(m):
    m.setattr(CausalConv1d, "__call__", padded(1, 1))


@mutant("causal convolution padded on the right", "flow", FIRST, "shift")
def _(m):
    m.setattr(CausalConv1d, "__call__", padded(0, 2))


def euler(guide: Any = None, follow: Any = None) -> Any:
    def step(decoder, x, t, t_next, guided, guidance, observe=mlx_impl.ode.unobserved):
        both = mx.concatenate([x, x])
        velocity = decoder(both, guided.mask, guided.mu, mx.repeat(t, 2 * len(x)), guided.speaker, guided.cond)
        conditional, unconditional = observe("ode.velocity", velocity).split(2)
        right = (1.0 + guidance) * conditional - guidance * unconditional
        velocity = guide(conditional, unconditional, guidance) if guide else right
        velocity = observe("ode.guided_velocity", velocity)
        return observe("ode.state", follow(x, t, t_next, velocity) if follow else x + (t_next - t) * velocity)

    return step


@mutant("guidance sign", "flow", "ode.guided_velocity[step=0]", "branches")
def _(m):
    m.setattr(mlx_impl.pipeline, "euler_step", euler(guide=lambda c, u, g: (1.0 - g) * c + g * u))


@mutant("guidance 0.5 for 0.7", "flow", "ode.guided_velocity[step=0]", "branches")
def _(m):
    m.setattr(mlx_impl.pipeline, "euler_step", euler(guide=lambda c, u, g: 1.5 * c - 0.5 * u))


@mutant("guidance with the branches swapped", "flow", "ode.guided_velocity[step=0]", "branches")
def _(m):
    m.setattr(mlx_impl.pipeline, "euler_step", euler(guide=lambda c, u, g: (1.0 + g) * u - g * c))


@mutant("no guidance", "flow", "ode.guided_velocity[step=0]", "branches", "term")
def _(m):
    m.setattr(mlx_impl.pipeline, "euler_step", euler(guide=lambda c, u, g: c))


@mutant("Euler step backwards", "flow", "ode.state[step=0]", "term")
def _(m):
    m.setattr(mlx_impl.pipeline, "euler_step", euler(follow=lambda x, t, t_next, v: x - (t_next - t) * v))


@mutant("Euler step of the time itself", "flow", "ode.state[step=1]", "term")
def _(m):
    m.setattr(mlx_impl.pipeline, "euler_step", euler(follow=lambda x, t, t_next, v: x + t_next * v))


@mutant("linear for cosine schedule", "flow-10", "ode.time_grid", "schedule")
def _(m):
    m.setattr(mlx_impl.pipeline, "time_grid", lambda steps, dtype: np.linspace(0, 1, steps + 1).astype(dtype))


@mutant("9 steps", "flow-10", "ode.time_grid", "shape")
def _(m):
    wrap(m, mlx_impl.pipeline, "time_grid", lambda grid, steps, dtype: grid(9, dtype))


@mutant("32 steps", "flow-10", "ode.time_grid", "shape")
def _(m):
    wrap(m, mlx_impl.pipeline, "time_grid", lambda grid, steps, dtype: grid(32, dtype))


@mutant("time accumulated for indexed", "flow-10", "decoder.time_embeddings[step=2]", "gain", "scale")
def _(m):
    def ode(original, self, state, index, observe):
        grid = state["time_grid"]
        first = grid[1] - grid[0]
        time = np.float32(0)
        for _ in range(index or 0):  # equal steps, as of a linear schedule
            time = time + first
        moved = grid + (time - grid[index or 0])
        return original(self, state | {"time_grid": moved}, index, observe) | {"time_grid": grid}

    wrap(m, mlx_impl.pipeline.Pipeline, "ode", ode)


@mutant("gain 1.0001", "flow", "decoder.final_proj[step=0]", "gain")
def _(m):
    def change(model):
        model.decoder.final_proj.weight = model.decoder.final_proj.weight * 1.0001
        model.decoder.final_proj.bias = model.decoder.final_proj.bias * 1.0001

    loaded(m, "ode", change)


@mutant("all NaN", "flow", "decoder[step=0]", "not finite")
def _(m):
    wrap(m, ConditionalDecoder, "__call__", lambda call, *args: call(*args) * math.nan)


@mutant("velocity in float16", "flow", "decoder[step=0]", "rounding")
def _(m):
    def call(original, *args):
        return original(*args).astype(mx.float16).astype(mx.float32)

    wrap(m, ConditionalDecoder, "__call__", call)


@mutant("attention in bfloat16", "flow", f"{BLOCK}.attn1[step=0]", "rounding")
def _(m):
    def rounded(original, q, k, v, scale, bias=None):
        q, k, v = (a.astype(mx.bfloat16).astype(mx.float32) for a in (q, k, v))
        return original(q, k, v, scale=scale, bias=bias).astype(mx.bfloat16).astype(mx.float32)

    attention(m, rounded)


@mutant("epsilon 1e-3 in the layer norms", "flow", f"{DOWN}.resnet.block1.norm[step=0]", "normalisation", "gain")
def _(m):
    def change(model):
        for _, module in model.decoder.named_modules():
            if isinstance(module, mlx_impl.ops.normalization.LayerNorm):
                module.eps = 1e-3

    loaded(m, "ode", change)


for key, tap, where in (
    ("ff.net", f"{BLOCK}.ff[step=0]", lambda block: block.transformer_blocks[0].ff),
    ("attn1", f"{BLOCK}.attn1[step=0]", lambda block: block.transformer_blocks[0].attn1),
    ("res_conv", f"{DOWN}.resnet.res_conv[step=0]", lambda block: block.resnet.res_conv),
    ("mlp", f"{DOWN}.resnet.time_proj[step=0]", lambda block: block.resnet.time_proj),
):

    def _patch(m, where=where):
        loaded(m, "ode", lambda model: unfilled(where(model.decoder.down_blocks[0])))

    mutant(f"unmapped {key}", "flow", tap, "weights")(_patch)
