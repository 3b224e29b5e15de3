"""T3's tokens on an NVIDIA GPU: one kernel a layer instead of some twenty, and one that chooses the token.

There a step of `t3/generation.py` spends five sixths of its time on launching kernels, and a choice as much as a step.
What `decode.cu` computes is what the modules of `t3/backbone.py` do for one new position, with fewer roundings in half
precision; `sampling.cu` does what `t3/sampling.py` does. The two Python files are the portable twins, and what the
harness taps.

Nothing waits for the host: a token goes on to the next step on the GPU, and that is queued before the token is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import mlx.core as mx
from mlx import nn

from mlx_impl.ops.cuda.kernel import Kernel, available, bits, multiprocessors
from mlx_impl.ops.precision import working_float
from mlx_impl.ops.rotary import cosines_and_sines
from spec.config import SamplingConfig, rope_frequencies

THREADS = 512
"""Of a block, each with up to 128 registers: one block is on each multiprocessor."""

SAMPLING_THREADS = 1024

COUNTERS = 2**18
"""Of which one is used: with few, MLX may put them into memory that it shares with the host, 0.4 ms away."""

EMBED = Kernel(
    "decode.cu",
    "embed",
    ("tokens", "positions", "state"),
    ("x",),
    "embed<T, B, K>(tokens + state[0] * K, positions + state[1] * K, x);",
)
LAYER = Kernel(
    "decode.cu",
    "layer",
    ("x", "norm", "to_q", "to_k", "to_v", "to_out", "mlp_norm", "to_gate", "to_up", "to_down")
    + ("cosines", "sines", "state", "cache", "arrivals"),
    ("q", "mixed", "middle", "gated", "out"),
    "Layer<T> layer{x, norm, to_q, to_k, to_v, to_out, mlp_norm, to_gate, to_up, to_down, "
    "__int_as_float(EPS), cosines, sines, state[2], cache_shape[3], const_cast<T*>(cache), "
    "const_cast<unsigned*>(arrivals)};"
    "run<T, B, K, N, D, THREADS>(layer, q, mixed, middle, gated, out);",
)
LOGITS = Kernel(
    "decode.cu",
    "logits",
    ("x", "norm", "weight"),
    ("logits",),
    "project_logits<T, B, K, N>(x, norm, __int_as_float(EPS), weight, logits);",
)
SAMPLE = Kernel(
    "sampling.cu",
    "sample",
    ("logits", "uniforms", "settings", "state", "seen"),
    ("next", "token"),
    "sample<V>(logits, uniforms, settings, state, const_cast<bool*>(seen), next, token);",
)


def applies(model: nn.Module, prefix: Any, sampling: SamplingConfig) -> bool:
    """Whether tokens can be made so: on CUDA, with plain weights, nothing watching the attention, and no top-p."""
    quantized = any(isinstance(module, nn.QuantizedLinear) for module in model.modules())
    return available() and not quantized and not prefix.watched and sampling.top_p == 1


class CUDADecoder:
    """Takes over from a cache that holds the prefix of both guidance branches. Greedy without `uniforms`.

    Its own cache, of each layer `(2, B, H, T, D)`, and its list of seen tokens are written in place, which MLX does not
    know: nobody else has them. `logits` are `logits_of` a state, compiled.
    """

    def __init__(self, model: nn.Module, prefix: Any, sampling: SamplingConfig, uniforms: Sequence[float] | None):
        config, self._steps = model.config, sampling.max_tokens
        keys_and_values = mx.stack(prefix.state(), axis=1)  # (layers, 2, B, H, T, D)
        cached = [mx.contiguous(layer) for layer in mx.pad(keys_and_values, (*[(0, 0)] * 4, (0, self._steps), (0, 0)))]
        tables = cosines_and_sines(rope_frequencies(config, working_float()), 0, prefix.length + self._steps)
        arrivals = mx.zeros(COUNTERS, dtype=mx.uint32)
        drawn = uniforms is not None
        settings = [sampling.guidance, sampling.repetition_penalty, sampling.temperature, sampling.min_p, float(drawn)]
        given = [
            mx.array(list(map(float, uniforms)) if drawn else [0.0]),
            mx.array(settings),
            mx.arange(config.speech_vocab_size) == config.start_speech,
        ]
        self._state = mx.array([config.start_speech, 0, prefix.length - 1])
        mx.eval(cached, tables, arrivals, given)
        self.logits = mx.compile(partial(logits_of, model, tables, cached, arrivals))
        self._choose = mx.compile(partial(_choose, given))

    def tokens(self, logits: mx.array) -> Iterator[int]:
        """From the prefix's logits `(2, V)` on, up to `max_tokens`; -1 where logits are not finite."""
        state, token = self._choose(logits, self._state)
        mx.async_eval(token)
        for left in reversed(range(self._steps)):  # no further: cache and uniforms end there
            following = None
            if left:
                state, following = self._choose(self.logits(state), state)
                mx.async_eval(following)
            yield token.item()
            token = following


def _choose(given: list[mx.array], logits: mx.array, state: mx.array) -> list[mx.array]:
    """Logits `(2, V)` and the state `(3,)` that they were made of -> the next state, and its token `(1,)`."""
    uniforms, settings, seen = given
    template = {"V": logits.shape[1]}
    return SAMPLE([logits, uniforms, settings, state, seen], [(3,), (1,)], mx.int32, template, 1, SAMPLING_THREADS)


def logits_of(
    model: nn.Module, tables: tuple[mx.array, mx.array], cached: list[mx.array], arrivals: mx.array, state: mx.array
) -> mx.array:
    """`state (3,)`: token, speech position and positions in the cache -> logits `(2, V)`."""
    tokens, positions = model.speech_embedding.weight, model.speech_positions.weight
    batch, width, dtype = cached[0].shape[1], tokens.shape[1], tokens.dtype
    template = {"T": dtype, "B": batch, "K": width}
    (x,) = EMBED([tokens, positions, state], [(batch, width)], dtype, template, 1, THREADS)
    for layer, cache in zip(model.backbone.layers, cached, strict=True):
        x = _layer(layer, x, [*tables, state, cache, arrivals])
    norm, head = model.backbone.norm, model.speech_head.weight
    inputs, template = [x, norm.weight, head], template | {"N": len(head), "EPS": bits(norm.eps)}
    (logits,) = LOGITS(inputs, [(batch, len(head))], mx.float32, template, multiprocessors(), THREADS)
    return logits


def _layer(layer: nn.Module, x: mx.array, rest: list[mx.array]) -> mx.array:
    """`x (B, c)` -> `(B, c)`. `rest`: cosines and sines, state, the layer's cache, arrivals."""
    attention, mlp = layer.self_attn, layer.mlp
    first, second = layer.input_layernorm, layer.post_attention_layernorm
    projections = [attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj]
    parts = [first, *projections, second, mlp.gate_proj, mlp.up_proj, mlp.down_proj]
    inputs = [x, *(part.weight for part in parts), *rest]
    batch, width, mlp_width = *x.shape, len(mlp.gate_proj.weight)
    sizes = {"B": batch, "K": width, "N": mlp_width, "D": attention.head_width, "THREADS": THREADS}
    template = {"T": x.dtype, **sizes, "EPS": bits(first.eps)}
    shapes = [x.shape] * 3 + [(batch, mlp_width), x.shape]
    *_, out = LAYER(inputs, shapes, x.dtype, template, multiprocessors(), THREADS)
    return out
