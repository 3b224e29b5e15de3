"""Faults of tables, taps and positions: the right weights, read elsewhere or given another value."""

from __future__ import annotations

from dataclasses import replace

import mlx.core as mx
import numpy as np

import mlx_impl.conditioning.s3tokenizer
import mlx_impl.encoder
import mlx_impl.ops.attention
import mlx_impl.t3.backbone
from mlx_impl.encoder import ConformerEncoderLayer, RelativePositions
from mlx_impl.t3.backbone import Llama, LlamaLayer
from mlx_impl.t3.model import T3
from spec.config import rope_frequencies
from tests.mutants.battery import mutant, wrap

LAYER = "t3.backbone.layers.0"
ATTENTION = f"{LAYER}.self_attn"
VOICE = "tiny-conditioning"
TOKENIZER = "tokenizer.encoder.blocks.0.attn.out"
CONFORMER = "encoder.encoders.0"


def speech(places):
    """Speech at other positions of its table."""

    def embed(self, tokens, start):
        count = tokens.shape[1]
        return self.speech_embedding(tokens) + self.speech_positions.weight[mx.array(places(start, count))]

    return lambda m: m.setattr(T3, "embed_speech", embed)


mutant("speech positions from 1", "t3", "t3.prompt", "table")(speech(lambda start, n: np.arange(start, start + n) + 1))
mutant("speech positions from 2", "t3", "t3.prompt", "table")(speech(lambda start, n: np.arange(start, start + n) + 2))
mutant("speech at one position", "t3", "t3.prompt", "table")(speech(lambda start, n: np.full(n, start)))
mutant("speech positions descending", "t3", "t3.prompt", "table")(
    speech(lambda start, n: np.arange(start, start + n)[::-1].copy())
)
mutant("positions of later tokens one late", "t3", "t3.input[token=0]", "table")(
    speech(lambda start, n: np.arange(start, start + n) + (start > 0))
)


@mutant("text tokens one up", "t3", "t3.text", "table")
def _(m):
    def embed(original, self, tokens, guided):
        return original(self, (tokens + 1) % self.text_embedding.weight.shape[0], guided)

    wrap(m, T3, "embed_text", embed)


@mutant("logits from before the final norm", "t3", "t3.logits", "tap")
def _(m):
    given = []

    def backbone(self, x, cache):
        table = mlx_impl.t3.backbone.rotary_table(self.config, cache.length, x.shape[1], x)
        for index, layer in enumerate(self.layers):
            x = layer(x, table, cache, index)
        given[:] = [x]
        return self.norm(x)

    def call(self, x, cache):
        self.backbone(x, cache)  # the norm is computed all the same
        return self.speech_head(given[0][:, -1])

    m.setattr(Llama, "__call__", backbone)
    m.setattr(T3, "__call__", call)


@mutant("logits of the first position", "t3", "t3.logits", "tap")
def _(m):
    m.setattr(T3, "__call__", lambda self, x, cache: self.speech_head(self.backbone(x, cache)[:, 0]))


def layer(attended, fed):
    """A layer of which attention and MLP are given those of the input, its norm, the sum and its norm."""

    def call(self, x, table, cache, index):
        normed = self.input_layernorm(x)
        y = x + self.self_attn(attended(x, normed), table, cache, index)
        return y + self.mlp(fed(normed, y, self.post_attention_layernorm(y)))

    return lambda m: m.setattr(LlamaLayer, "__call__", call)


mutant("queries of what is not normed", "t3", f"{ATTENTION}.q_proj", "tap")(layer(lambda x, n: x, lambda n, y, p: p))
mutant("MLP of what is not normed", "t3", f"{LAYER}.mlp", "tap")(layer(lambda x, n: n, lambda n, y, p: y))
mutant("MLP of the attention's norm", "t3", f"{LAYER}.mlp", "tap")(layer(lambda x, n: n, lambda n, y, p: n))


@mutant("feed-forward of what is not normed", "flow", f"{CONFORMER}.feed_forward", "tap")
def _(m):
    def call(self, x, positions, bias):
        x = x + self.self_attn(self.norm_mha(x), positions, bias)
        self.norm_ff(x)
        return x + self.feed_forward(x)

    m.setattr(ConformerEncoderLayer, "__call__", call)


def frequencies(change):
    def patch(m):
        m.setattr(mlx_impl.t3.backbone, "rope_frequencies", lambda config, dtype: change(config, dtype).astype(dtype))

    return patch


def based(base):
    return lambda config, dtype: rope_frequencies(replace(config, rope_theta=base), dtype)


QUERY = f"{ATTENTION}.rotary_q"
mutant("rotary base 500 for 500000", "t3", QUERY, "rotary")(frequencies(based(500.0)))
mutant("rotary base 10000 for 500000", "t3", QUERY, "rotary")(frequencies(based(10000.0)))
mutant("rotary angles negative", "t3", QUERY, "rotary")(frequencies(lambda *args: -rope_frequencies(*args)))
mutant("rotary angles halved", "t3", QUERY, "rotary")(frequencies(lambda *args: rope_frequencies(*args) / 2))


@mutant("rotary positions from 1", "t3", QUERY, "rotary")
def _(m):
    def table(original, config, start, count, like):
        return original(config, start + 1, count, like)

    wrap(m, mlx_impl.t3.backbone, "rotary_table", table)


@mutant("rotary positions left out", "t3", QUERY, "rotary", "term")
def _(m):
    m.setattr(mlx_impl.t3.backbone, "rotate", lambda x, table: x)


@mutant("rotary positions of the text backwards", "t3", QUERY, "rotary")
def _(m):
    def table(original, *args):
        return tuple(part[::-1] for part in original(*args))

    wrap(m, mlx_impl.t3.backbone, "rotary_table", table)


@mutant("keys rotated the other way", "t3", f"{ATTENTION}.rotary_k", "rotary")
def _(m):
    original = mlx_impl.t3.backbone.Rotary.__call__
    count = [0]

    def call(self, x, table):
        count[0] += 1
        cos, sin = table
        return original(self, x, (cos, -sin if count[0] % 2 == 0 else sin))

    m.setattr(mlx_impl.t3.backbone.Rotary, "__call__", call)


def tokenizer_positions(change):
    return lambda m: wrap(m, mlx_impl.conditioning.s3tokenizer, "rotary_positions", change)


def of_base(base):
    def positions(original, frames, width, dtype):
        angles = np.arange(frames)[:, None] / base ** (np.arange(0, width, 2) / width)
        angles = np.concatenate([angles, angles], axis=-1)[None, :, None]
        return mx.array(np.cos(angles).astype(np.float32)), mx.array(np.sin(angles).astype(np.float32))

    return positions


def neighbours(x, cos, sin):
    half = x.shape[-1] // 2
    cos, sin = cos[..., :half], sin[..., :half]
    even, odd = x[..., 0::2], x[..., 1::2]
    return mx.stack([even * cos - odd * sin, odd * cos + even * sin], axis=-1).reshape(x.shape)


mutant("tokenizer's rotary base 1000", VOICE, TOKENIZER, "rotary", "mixing")(tokenizer_positions(of_base(1000.0)))


@mutant("tokenizer's rotary pairs interleaved", VOICE, TOKENIZER, "rotary", "mixing")
def _(m):
    m.setattr(mlx_impl.conditioning.s3tokenizer, "rotate", neighbours)


def relative(base=10000.0, start=0, sign=1):
    def call(self, x):
        frames = x.shape[1]
        place = sign * (np.arange(frames - 1, -frames, -1) + start)[:, None]
        angle = place / base ** (np.arange(0, self.width, 2) / self.width)
        return mx.array(np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(1, len(place), -1), mx.float32)

    return lambda m: m.setattr(RelativePositions, "__call__", call)


POSITIONS = "encoder.positions"
mutant("relative positions of base 1000", "flow", POSITIONS, "rotary")(relative(base=1000.0))
mutant("relative positions one off", "flow", POSITIONS, "shift", "rotary")(relative(start=1))
mutant("relative positions halved", "flow", POSITIONS, "rotary")(relative(base=10000.0, start=0, sign=0.5))


@mutant("position term left out", "flow", f"{CONFORMER}.self_attn", "mixing")
def _(m):
    m.setattr(mlx_impl.encoder, "relative_shift", lambda scores: 0 * mlx_impl.ops.attention.skewed(scores))


@mutant("position term not scaled", "flow", f"{CONFORMER}.self_attn", "mixing")
def _(m):
    def shift(scores):
        return mlx_impl.ops.attention.skewed(scores) * 4.0

    m.setattr(mlx_impl.encoder, "relative_shift", shift)


@mutant("gate without SiLU", "t3", f"{LAYER}.mlp", "activation")
def _(m):
    def call(self, x):
        return self.down_proj(self.gate_proj(x) * self.up_proj(x))

    m.setattr(mlx_impl.t3.backbone.LlamaMLP, "__call__", call)


@mutant("gate of a sigmoid", "t3", f"{LAYER}.mlp", "activation")
def _(m):
    def call(self, x):
        return self.down_proj(mx.sigmoid(self.gate_proj(x)) * self.up_proj(x))

    m.setattr(mlx_impl.t3.backbone.LlamaMLP, "__call__", call)
