"""Faults of T3: prefix, backbone and sampling."""

from __future__ import annotations

import math
from dataclasses import replace

import mlx.core as mx
import numpy as np

import mlx_impl.defaults
import mlx_impl.ops.functional
import mlx_impl.t3.backbone
import mlx_impl.t3.condition_encoder
import mlx_impl.t3.generation
import mlx_impl.t3.model
import mlx_impl.t3.sampling
import mlx_impl.t3.stage
import spec.config
from mlx_impl.t3.backbone import LlamaMLP, RMSNorm, Rotary
from mlx_impl.t3.model import T3
from tests.mutants.battery import checkpoint, loaded, mutant, wrap

F = mlx_impl.ops.functional
LAYER = "t3.backbone.layers.0"


@mutant("emotion of 0.1 by itself", "tiny-text", "defaults", "few values")
def _(m):
    m.setattr(mlx_impl.defaults, "EMOTION", 0.1)


@mutant("multilingual penalty of 1.2 by itself", "tiny-text-french", "defaults", "few values")
def _(m):
    wrap(m, mlx_impl.defaults, "sampling", lambda sampling, config: _other(sampling(config), repetition_penalty=1.2))


@mutant("double start token lost", "t3", "t3.input", "shape")
def _(m):
    wrap(m, T3, "embed_prefix", lambda embed, *args: embed(*args)[:, :-1])


@mutant("unconditional text zeroed after the positions", "t3", "t3.text", "branches")
def _(m):
    def embed_text(self, tokens, guided):
        text = self.text_embedding(tokens) + self.text_positions.weight[: tokens.shape[1]]
        return mx.concatenate([text, mx.zeros_like(text)])

    m.setattr(T3, "embed_text", embed_text)


@mutant("unconditional text not zeroed", "t3", "t3.text", "branches")
def _(m):
    wrap(m, T3, "embed_text", lambda embed, self, tokens, guided: embed(self, tokens, False))


@mutant("text positions off by one", "t3", "t3.text", "shift")
def _(m):
    def embed_text(self, tokens, guided):
        text = self.text_embedding(tokens)
        both = mx.concatenate([text, mx.zeros_like(text)])
        return both + self.text_positions.weight[1 : tokens.shape[1] + 1]

    m.setattr(T3, "embed_text", embed_text)


@mutant("emotion before the speaker", "t3", "t3.conditioning", "permutation")
def _(m):
    def call(original, self, *args):
        found = original(self, *args)
        return mx.concatenate([found[:, -1:], found[:, 1:-1], found[:, :1]], axis=1)

    wrap(m, mlx_impl.t3.condition_encoder.ConditionEncoder, "__call__", call)


@mutant("emotion doubled", "t3", "t3.conditioning.emotion_proj", "gain", "scale")
def _(m):
    def call(original, self, voice, prompt, emotion, *args):
        return original(self, voice, prompt, 2 * emotion, *args)

    wrap(m, mlx_impl.t3.condition_encoder.ConditionEncoder, "__call__", call)


@mutant("resampled prompt without its residual", "t3", "t3.resampled", "term", "normalisation")
def _(m):
    def call(original, self, x, context):
        return original(self, x, context) - x

    wrap(m, mlx_impl.t3.condition_encoder.PerceiverAttention, "__call__", call)


@mutant("rope off by one", "t3", f"{LAYER}.self_attn.rotary_q[token=0]", "rotary")
def _(m):
    def table(original, config, start, count, like):
        return original(config, start + (count == 1), count, like)

    wrap(m, mlx_impl.t3.backbone, "rotary_table", table)


@mutant("rope without scaling", "t3", f"{LAYER}.self_attn.rotary_q", "rotary")
def _(m):
    def frequencies(config, dtype):
        exponent = np.arange(0, config.head_width, 2, dtype=dtype) / dtype(config.head_width)
        return (1 / config.rope_theta**exponent).astype(dtype)

    m.setattr(mlx_impl.t3.backbone, "rope_frequencies", frequencies)


@mutant("rope of neighbouring pairs", "t3", f"{LAYER}.self_attn.rotary_q", "rotary")
def _(m):
    def rotate(x, table):
        cos, sin = (part[..., : x.shape[-1] // 2] for part in table)
        even, odd = x[..., 0::2], x[..., 1::2]
        return mx.stack([even * cos - odd * sin, odd * cos + even * sin], axis=-1).reshape(x.shape)

    m.setattr(mlx_impl.t3.backbone, "rotate", rotate)


@mutant("no causal mask", "t3", f"{LAYER}.self_attn.attention", "mixing")
def _(m):
    wrap(m, mlx_impl.t3.backbone, "attention", lambda f, q, k, v, scale, bias=None: f(q, k, v, scale=scale))


@mutant("gate and up swapped", "t3", f"{LAYER}.mlp", "activation")
def _(m):
    m.setattr(LlamaMLP, "__call__", lambda self, x: self.down_proj(self.gate_proj(x) * F.silu(self.up_proj(x))))


@mutant("GELU gate for SiLU", "t3", f"{LAYER}.mlp", "activation")
def _(m):
    m.setattr(LlamaMLP, "__call__", lambda self, x: self.down_proj(F.gelu(self.gate_proj(x)) * self.up_proj(x)))


@mutant("epsilon 1e-3 in the RMS norms", "t3", f"{LAYER}.input_layernorm", "normalisation", "gain")
def _(m):
    wrap(m, RMSNorm, "__init__", lambda init, self, width, eps: init(self, width, 1e-3))


@mutant("value and key swapped", "t3", f"{LAYER}.self_attn.k_proj", "weights")
def _(m):
    def change(tensors):
        for key in [key for key in tensors if "k_proj" in key]:
            other = key.replace("k_proj", "v_proj")
            tensors[key], tensors[other] = tensors[other], tensors[key]

    checkpoint(m, change)


@mutant("heads of the query permuted", "t3", f"{LAYER}.self_attn.q_proj", "weights", "permutation")
def _(m):
    def change(tensors):
        for key, array in tensors.items():
            if key.endswith("layers.0.self_attn.q_proj.weight"):
                tensors[key] = np.ascontiguousarray(np.roll(array, array.shape[0] // 4, axis=0))

    checkpoint(m, change)


@mutant("keys not rotated in the cache", "t3", f"{LAYER}.self_attn.rotary_k", "rotary", "term")
def _(m):
    def change(model):
        for layer in model.t3.backbone.layers:
            layer.self_attn.rotary_k = Unturned()

    loaded(m, "t3_step", change)


class Unturned(Rotary):
    def __call__(self, x, table):
        return x


@mutant("attention scaled by the width", "t3", f"{LAYER}.self_attn.attention", "mixing")
def _(m):
    def wide(original, q, k, v, scale, bias=None):
        return original(q, k, v, scale=scale / math.sqrt(q.shape[1]), bias=bias)

    wrap(m, mlx_impl.t3.backbone, "attention", wide)


@mutant("guidance sign in T3", "t3", "t3.guided_logits[token=0]", "branches")
def _(m):
    m.setattr(mlx_impl.t3.sampling, "guide", lambda x, g: x[0:1] - g * (x[0:1] - x[1:2]))


@mutant("guidance from the unconditional", "t3", "t3.guided_logits[token=0]", "branches")
def _(m):
    m.setattr(mlx_impl.t3.sampling, "guide", lambda x, g: x[1:2] + g * (x[0:1] - x[1:2]))


@mutant("repetition penalty sign", "t3", "t3.penalized[token=0]", "few values", "term")
def _(m):
    wrap(m, mlx_impl.t3.sampling, "penalize", lambda f, logits, previous, penalty: f(logits, previous, 1 / penalty))


@mutant("cut before the temperature", "t3", "t3.penalized[token=0]", "not finite")
def _(m):
    def penalize(original, logits, previous, penalty):
        return mlx_impl.t3.sampling.cut_top_p(original(logits, previous, penalty), 0.9)

    wrap(m, mlx_impl.t3.sampling, "penalize", penalize)


def sampled_with(**fields):
    def patch(m):
        def sample(original, logits, previous, config, uniform, observe=mlx_impl.ode.unobserved):
            return original(logits, previous, _other(config, **fields), uniform, observe)

        wrap(m, mlx_impl.t3.stage, "sample", sample)

    return patch


mutant("temperature multiplied", "t3", "t3.scores[token=0]", "gain")(sampled_with(temperature=1 / 0.8))
mutant("min-p of 0.045 for 0.05", "t3", "t3.min_p[token=2]", "cut", "decision")(sampled_with(min_p=0.045))
mutant("top-p of 0.91 for 0.9", "t3", "t3.top_p[token=0]", "cut", "decision")(sampled_with(top_p=0.91))


@mutant("top-p before min-p", "t3", "t3.min_p[token=0]", "cut", "decision")
def _(m):
    cut_min_p, cut_top_p = mlx_impl.t3.sampling.cut_min_p, mlx_impl.t3.sampling.cut_top_p
    m.setattr(mlx_impl.t3.sampling, "cut_min_p", lambda scores, min_p: cut_top_p(scores, 0.9))
    m.setattr(mlx_impl.t3.sampling, "cut_top_p", lambda scores, top_p: cut_min_p(scores, 0.05))


@mutant("the next token's number", "t3", "t3.uniform[token=0]", "draw")
def _(m):
    def choose(original, logits, previous, sampling, index, state, observe):
        state = state | {"uniforms": np.roll(state["uniforms"], -1)}
        return original(logits, previous, sampling, index, state, observe)

    wrap(m, mlx_impl.t3.stage, "choose", choose)


@mutant("greedy for sampled", "t3-long", "t3.tokens.4.token", "decision")
def _(m):
    m.setattr(mlx_impl.t3.sampling, "draw", lambda probabilities, uniform: int(mx.argmax(probabilities[0]).item()))


@mutant("logits stop the run", "t3", "t3.logits", "not finite")
def _(m):
    wrap(m, T3, "__call__", lambda call, *args: call(*args) * math.inf)


@mutant("last layer left out", "t3", "t3.backbone.layers.1", "term", "taps")
def _(m):
    def call(original, self, x, table, cache, layer):
        y = original(self, x, table, cache, layer)
        return x if layer == 1 else y

    wrap(m, mlx_impl.t3.backbone.LlamaLayer, "__call__", call)


@mutant("embeddings scaled by the root of the width", "t3", "t3.prompt", "weights", "scale", "term")
def _(m):
    def change(model):
        embedding = model.t3.speech_embedding
        embedding.weight = embedding.weight * math.sqrt(embedding.weight.shape[1])

    loaded(m, "t3_step", change)


def _other(config, **fields):
    assert isinstance(config, spec.config.SamplingConfig)
    return replace(config, **fields)
