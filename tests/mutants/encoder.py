"""Faults of the conformer, and of the weights of the flow."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
from mlx import nn

import mlx_impl.encoder
import mlx_impl.flow
import mlx_impl.ops.functional
import mlx_impl.weights.stored.reader
from mlx_impl.encoder import ConformerEncoderLayer, LinearEmbedding, PreLookaheadLayer, Upsample1D
from mlx_impl.ops.linear import Linear
from tests.mutants.activations import tanh_gelu
from tests.mutants.battery import checkpoint, loaded, mutant, wrap

F = mlx_impl.ops.functional
LAYER = "encoder.encoders.0"


@mutant("encoder mask left 0/1", "flow-batch", f"{LAYER}.self_attn", "mixing")
def _(m):
    m.setattr(mlx_impl.encoder, "attention_bias", lambda mask: None if mask is None else mask[:, None, None, :])


@mutant("mask leak across a padded batch", "flow-batch", f"{LAYER}.self_attn", "mixing")
def _(m):
    wrap(m, mlx_impl.encoder, "padding_mask", lambda f, lengths, t, like: f([max(lengths)] * len(lengths), t, like))


@mutant("padding tokens not zeroed", "flow-batch", "encoder.embed.linear", "padding")
def _(m):
    m.setattr(mlx_impl.flow, "padding_mask", lambda *args: None)


@mutant("slope 0.1 for 0.01", "flow", "encoder.pre_lookahead_layer.conv2", "activation")
def _(m):
    def call(self, x):
        h = nn.leaky_relu(self.conv1(mx.pad(x, ((0, 0), (0, self.lookahead), (0, 0)))), 0.1)
        return self.conv2(mx.pad(h, ((0, 0), (2, 0), (0, 0)))) + x

    m.setattr(PreLookaheadLayer, "__call__", call)


@mutant("lookahead padded on the left", "flow", "encoder.pre_lookahead_layer.conv1", "shift")
def _(m):
    def call(self, x):
        h = nn.leaky_relu(self.conv1(mx.pad(x, ((0, 0), (self.lookahead, 0), (0, 0)))))
        return self.conv2(mx.pad(h, ((0, 0), (2, 0), (0, 0)))) + x

    m.setattr(PreLookaheadLayer, "__call__", call)


@mutant("missing root of the width", "flow", "encoder.embed", "scale")
def _(m):
    m.setattr(LinearEmbedding, "__call__", lambda self, x: self.norm(self.linear(x)))


def table(change):
    def patch(m):
        wrap(m, mlx_impl.encoder.RelativePositions, "__call__", lambda f, self, x: changed(f(self, x)))

    def changed(table):
        return mx.array(np.ascontiguousarray(change(np.array(table))))

    return patch


def halves(array):
    return np.concatenate([array[..., 0::2], array[..., 1::2]], axis=-1)


def swapped(array):
    return array.reshape(*array.shape[:-1], -1, 2)[..., ::-1].reshape(array.shape)


mutant("sines and cosines in halves", "flow", "encoder.positions", "permutation", "memory order")(table(halves))
mutant("sines and cosines swapped", "flow", "encoder.positions", "permutation", "memory order", "rotary")(
    table(swapped)
)
mutant("relative positions ascending", "flow", "encoder.positions", "permutation", "sign", "rotary")(
    table(lambda a: a[:, ::-1])
)
mutant("positions in degrees of 1/1000", "flow", "encoder.positions", "scale")(
    table(lambda a: np.stack([np.sin(np.arcsin(a) / 1000)], 0)[0].astype(np.float32))
)


@mutant("relative shift off by one", "flow", f"{LAYER}.self_attn", "mixing")
def _(m):
    def shift(scores):
        batch, heads, frames, positions = scores.shape
        padded = mx.pad(scores, ((0, 0), (0, 0), (0, 0), (1, 0))).reshape(batch, heads, positions + 1, frames)
        return padded[:, :, 1:].reshape(batch, heads, frames, positions)[..., 1 : frames + 1]

    m.setattr(mlx_impl.encoder, "relative_shift", shift)


@mutant("relative shift left out", "flow", f"{LAYER}.self_attn", "mixing")
def _(m):
    m.setattr(mlx_impl.encoder, "relative_shift", lambda scores: scores[..., : scores.shape[2]])


@mutant("upsampling order", "flow", "encoder.up_layer.conv", "permutation", "upsampling")
def _(m):
    def call(self, x):
        h = mx.tile(x, (1, self.stride, 1))
        return self.conv(mx.pad(h, ((0, 0), (2 * self.stride, 0), (0, 0))))

    m.setattr(Upsample1D, "__call__", call)


@mutant("GELU for SiLU", "flow", f"{LAYER}.feed_forward", "activation")
def _(m):
    m.setattr(mlx_impl.encoder.PositionwiseFeedForward, "__call__", lambda self, x: self.w_2(tanh_gelu(self.w_1(x))))


@mutant("half a feed-forward", "flow", LAYER, "term")
def _(m):
    def call(self, x, positions, bias):
        x = x + self.self_attn(self.norm_mha(x), positions, bias)
        return x + 0.5 * self.feed_forward(self.norm_ff(x))

    m.setattr(ConformerEncoderLayer, "__call__", call)


@mutant("epsilon 1e-5 for 1e-12", "flow", f"{LAYER}.norm_mha", "normalisation", "gain")
def _(m):
    def change(model):
        for layer in model.encoder.encoders:
            layer.norm_mha.eps = 1e-4

    loaded(m, "encoder", change)


@mutant("missing tap", "flow", "encoder.after_norm", "taps")
def _(m):
    loaded(m, "encoder", lambda model: setattr(model.encoder, "after_norm", lambda x: x))


@mutant("x-vector not normalised", "flow", "spk_embed_affine_layer", "gain", "scale", "tap")
def _(m):
    m.setattr(mlx_impl.flow, "normalize", lambda x, eps: x)


@mutant("prompt at the end", "flow", "cond", "permutation", "shift")
def _(m):
    def conditions(original, self, mu, frames, prompt_mel, embedding):
        found = original(self, mu, frames, prompt_mel, embedding)
        cond = mx.pad(prompt_mel, ((0, 0), (mu.shape[1] - prompt_mel.shape[1], 0), (0, 0)))
        return mlx_impl.ode.Conditions(found.mu, found.speaker, cond, found.mask)

    wrap(m, mlx_impl.flow.Flow, "conditions", conditions)


def encoded(change):
    def patch(m):
        def encode(original, *args):
            mu, frames = original(*args)
            return change(mu), frames

        wrap(m, mlx_impl.flow.Flow, "encode", encode)

    return patch


mutant("Fortran data read as C", "flow", "mu", "memory order")(
    encoded(lambda mu: mx.contiguous(mu.swapaxes(1, 2)).reshape(mu.shape))
)
mutant("axes the other way round", "flow", "mu", "axis order")(encoded(lambda mu: mu.swapaxes(1, 2)))
mutant("sign", "flow", "mu", "sign")(encoded(lambda mu: -mu))
mutant("offset", "flow", "mu", "offset")(encoded(lambda mu: mu + 0.01))
mutant("one frame late", "flow", "mu", "shift")(encoded(lambda mu: mx.concatenate([mu[:, :1], mu[:, :-1]], axis=1)))
mutant("channels reversed", "flow", "mu", "permutation")(encoded(lambda mu: mu[..., ::-1]))
mutant("first frame zero", "flow", "mu", "padding", "envelope")(
    encoded(lambda mu: mx.concatenate([0 * mu[:, :1], mu[:, 1:]], axis=1))
)
mutant("never computed", "flow", "mu", "constant")(encoded(mx.zeros_like))


@mutant("gain 1.01", "flow", "encoder_proj", "gain", "weights")
def _(m):
    wrap(m, mlx_impl.encoder.UpsampleConformerEncoder, "__call__", lambda call, *args: call(*args) * 1.0)

    def change(model):
        model.encoder_proj.weight = model.encoder_proj.weight * 1.01
        model.encoder_proj.bias = model.encoder_proj.bias * 1.01

    loaded(m, "encoder", change)


def rounded(bits):
    """The number with that many bits behind the leading one, as a matrix unit takes it."""

    def cut(x):
        whole = x.astype(mx.float32).view(mx.uint32) + (1 << (22 - bits))
        return (whole & (0xFFFFFFFF << (23 - bits) & 0xFFFFFFFF)).view(mx.float32)

    return cut


def linear(bits):
    def patch(m):
        cut = rounded(bits)

        def call(self, x):
            y = cut(x) @ cut(self.weight).T
            return y + self.bias if "bias" in self else y

        m.setattr(Linear, "__call__", call)

    return patch


mutant("TF32 on", "flow", "encoder.embed.linear", "rounding")(linear(10))
mutant("linear layers in bfloat16", "flow", "encoder.embed.linear", "rounding")(linear(7))


@mutant("untransposed Conv1d", "flow", "encoder.pre_lookahead_layer.conv1", "weights")
def _(m):
    def layout(original, array, *layouts):
        right = original(array, *layouts)
        return array.reshape(right.shape) if right.ndim == 3 and array.shape[2] > 1 else right

    wrap(m, mlx_impl.weights.stored.reader, "convert", layout)


@mutant("double-transposed linear", "flow", "encoder.embed.linear", "weights")
def _(m):
    def layout(original, array, *layouts):
        square = array.ndim == 2 and array.shape[0] == array.shape[1]
        return np.ascontiguousarray(array.T) if square else original(array, *layouts)

    wrap(m, mlx_impl.weights.stored.reader, "convert", layout)


def swap(tensors, one, two):
    for key in [key for key in tensors if one in key]:
        other = key.replace(one, two)
        tensors[key], tensors[other] = tensors[other], tensors[key]


@mutant("two blocks of equal shape swapped", "flow", f"{LAYER}.norm_mha", "weights")
def _(m):
    checkpoint(m, lambda tensors: swap(tensors, "encoder.encoders.0.", "encoder.encoders.1."))


@mutant("query and key swapped", "flow", f"{LAYER}.self_attn", "weights")
def _(m):
    checkpoint(m, lambda tensors: swap(tensors, "linear_q", "linear_k"))


@mutant("position biases swapped", "flow", f"{LAYER}.self_attn", "weights")
def _(m):
    checkpoint(m, lambda tensors: swap(tensors, "pos_bias_u", "pos_bias_v"))


@mutant("one bit flipped in one weight", "flow", "decoder.mid_blocks.0.resnet.block1.conv[step=0]", "weights")
def _(m):
    def flip(tensors):
        for key, array in tensors.items():
            if key.endswith("mid_blocks.0.0.block1.block.0.weight"):
                flat = array.reshape(-1)
                at = int(np.argmax(np.abs(flat)))
                bits = flat[at : at + 1].view(np.uint32)
                bits ^= np.uint32(1 << 21)

    checkpoint(m, flip)


@mutant("kernel reversed", "flow", "encoder.pre_lookahead_layer.conv1", "weights")
def _(m):
    def change(tensors):
        for key, array in tensors.items():
            if key.endswith("pre_lookahead_layer.conv1.weight"):
                tensors[key] = np.ascontiguousarray(array[..., ::-1])

    checkpoint(m, change)


@mutant("weights in half precision", "flow", "input_embedding", "weights", "rounding")
def _(m):
    def change(tensors):
        for key, array in tensors.items():
            tensors[key] = array.astype(np.float16).astype(np.float32)

    checkpoint(m, change)
