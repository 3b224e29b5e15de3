"""The port of `torch_stack`: channels-last, with names of its own, and with faults or parts of it to find."""

from __future__ import annotations

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten

from tests.meta.discovered import torch_stack
from tests.meta.discovered.torch_stack import DEPTH, HEADS, WIDTH

RENAMED = {
    "stem": "embed",
    "blocks": "layers",
    "norm1": "ln_a",
    "norm2": "ln_b",
    "attention.query": "mix.q",
    "attention.key": "mix.k",
    "attention.value": "mix.v",
    "attention.out": "mix.o",
    "conv": "widen",
    "final": "ln_post",
    "head": "to_mel",
}


class Mix(nn.Module):
    """`b t c` -> `b t c`."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def __call__(self, x: mx.array) -> mx.array:
        b, t, c = x.shape
        v, k, q = (project(x).reshape(b, t, HEADS, -1).swapaxes(1, 2) for project in (self.v, self.k, self.q))
        y = mx.fast.scaled_dot_product_attention(q, k, v, scale=(c // HEADS) ** -0.5)
        return self.o(y.swapaxes(1, 2).reshape(b, t, c))


class Layer(nn.Module):
    """`b t c` -> `b t c`."""

    approximate = False

    def __init__(self) -> None:
        super().__init__()
        self.ln_a, self.ln_b = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.mix = Mix()
        self.widen = nn.Conv1d(WIDTH, WIDTH, 3, padding=1)

    def __call__(self, x: mx.array) -> mx.array:
        x = x + self.mix(self.ln_a(x))
        hidden = self.widen(self.ln_b(x))
        return x + (nn.gelu_approx(hidden) if self.approximate else nn.gelu(hidden))


class Port(nn.Module):
    """Features `b t f` and a style `b c` -> `b t c`."""

    def __init__(self, depth: int = DEPTH) -> None:
        super().__init__()
        self.embed = nn.Conv1d(5, WIDTH, 3, padding=1)
        self.layers = [Layer() for _ in range(depth)]
        self.ln_post = nn.LayerNorm(WIDTH)
        self.to_mel = nn.Conv1d(WIDTH, 7, 1)

    def __call__(self, features: mx.array, style: mx.array) -> mx.array:
        x = self.embed(features) + style[:, None]
        for layer in self.layers:
            x = layer(x)
        return self.to_mel(self.ln_post(x))


class Encoder(nn.Module):
    """The first part alone: what the layers give."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv1d(5, WIDTH, 3, padding=1)
        self.layers = [Layer() for _ in range(DEPTH)]

    def __call__(self, features: mx.array, style: mx.array) -> mx.array:
        x = self.embed(features) + style[:, None]
        for layer in self.layers:
            x = layer(x)
        return x


class Astray(Encoder):
    """The encoder, and the last norm of what it is not meant for."""

    def __init__(self) -> None:
        super().__init__()
        self.ln_post = nn.LayerNorm(WIDTH)

    def __call__(self, features: mx.array, style: mx.array) -> tuple[mx.array, mx.array]:  # type: ignore[override]
        return super().__call__(features, style), self.ln_post(style)


def filled(model: nn.Module) -> nn.Module:
    """With those of the reference's weights that the model has."""
    named = {}
    for name, value in torch_stack.weights().items():
        for ours, theirs in RENAMED.items():
            name = name.replace(ours, theirs)
        named[name] = mx.array(value.swapaxes(1, 2) if value.ndim == 3 else value)
    own = dict(tree_flatten(model.parameters()))
    model.load_weights([(name, value) for name, value in named.items() if name in own], strict=True)
    return model


def candidate() -> nn.Module:
    """All of it."""
    return filled(Port())


def faulty() -> nn.Module:
    """The second layer has the GELU of `tanh`."""
    model = filled(Port())
    model.layers[1].approximate = True
    return model


def another_epsilon() -> nn.Module:
    """The second norm of the last layer has another epsilon."""
    model = filled(Port())
    model.layers[2].ln_b.eps = 1e-3
    return model


def encoder() -> nn.Module:
    """Neither the last norm nor the head."""
    return filled(Encoder())


def faulty_encoder() -> nn.Module:
    """The encoder, its second layer with the GELU of `tanh`."""
    model = filled(Encoder())
    model.layers[1].approximate = True
    return model


def astray() -> nn.Module:
    """The encoder with the last norm beside it."""
    return filled(Astray())


def short() -> nn.Module:
    """The last layer is not ported yet."""
    return filled(Port(DEPTH - 1))
