"""A transformer of two layers, written as two people would: channels first and plain, channels last and fused.

`faults` are names of what is wrong in the candidate; `rewrites` of what it writes another way, rightly.
"""

from __future__ import annotations

import numpy as np
from scipy.special import erf

from parity.exact.program import Program

from .builder import Builder, Value, join

WIDTH, HEADS, HIDDEN, LAYERS = 16, 4, 32, 2
LENGTHS = (7, 9, 12)


def weights(seed: int = 0) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)
    made: dict[str, np.ndarray] = {}
    for layer in range(LAYERS):
        for name in ("query", "key", "value", "out"):
            made[f"{layer}.{name}"] = draw.standard_normal((WIDTH, WIDTH)) / 4
            made[f"{layer}.{name}.bias"] = draw.standard_normal(WIDTH) / 10
        for name in ("norm1", "norm2"):
            made[f"{layer}.{name}.weight"] = 1 + draw.standard_normal(WIDTH) / 10
            made[f"{layer}.{name}.bias"] = draw.standard_normal(WIDTH) / 10
        made[f"{layer}.up"] = draw.standard_normal((HIDDEN, WIDTH)) / 4
        made[f"{layer}.up.bias"] = draw.standard_normal(HIDDEN) / 10
        made[f"{layer}.down"] = draw.standard_normal((WIDTH, HIDDEN)) / 4
        made[f"{layer}.down.bias"] = draw.standard_normal(WIDTH) / 10
    return made


def inputs(seed: int = 1, lengths: tuple[int, ...] = LENGTHS) -> list[np.ndarray]:
    draw = np.random.default_rng(seed)
    return [draw.standard_normal((2, WIDTH, length)) for length in lengths]


def angles(length: int, base: float = 10000.0) -> np.ndarray:
    width = WIDTH // HEADS
    return np.arange(length)[:, None] * base ** -(np.arange(0, width, 2) / width)


def causal(x: np.ndarray) -> np.ndarray:
    return np.where(np.tril(np.ones(x.shape[-2:], bool)), x, -np.inf)


def rsqrt(x: np.ndarray) -> np.ndarray:
    return 1 / np.sqrt(x)


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def reference(x: np.ndarray, weights: dict[str, np.ndarray]) -> Program:
    """(B, C, T) in and out."""
    b = Builder()
    held = {name: b.constant(array, name) for name, array in weights.items()}
    h = b.input(x)
    length = x.shape[-1]

    def norm(h: Value, name: str) -> Value:
        b.module = name
        h = h.transpose(0, 2, 1)
        centred = h - h.mean()
        variance = (centred * centred).mean()
        deviation = b.run("sqrt", np.sqrt, variance + 1e-5)
        return b.tap(name, (centred / deviation * held[f"{name}.weight"] + held[f"{name}.bias"]).transpose(0, 2, 1))

    def linear(h: Value, name: str) -> Value:
        b.module = name
        bias = held[f"{name}.bias"].reshape(-1, 1)
        return b.tap(name, held[name] @ h + bias)

    def heads(h: Value) -> Value:
        return h.reshape(2, HEADS, WIDTH // HEADS, length).transpose(0, 1, 3, 2)

    def rotate(h: Value) -> Value:
        b.module = "rope"
        angle = b.constant(np.concatenate([angles(length)] * 2, -1))
        half = WIDTH // HEADS // 2
        turned = join(-h.part(half, 2 * half), h.part(0, half))
        return h * b.run("cos", np.cos, angle) + turned * b.run("sin", np.sin, angle)

    for layer in range(LAYERS):
        normal = norm(h, f"{layer}.norm1")
        query, key = (rotate(heads(linear(normal, f"{layer}.{name}"))) for name in ("query", "key"))
        value = heads(linear(normal, f"{layer}.value"))
        b.module = f"{layer}.attention"
        scores = (query @ key.transpose(0, 1, 3, 2)) / np.sqrt(WIDTH / HEADS)
        chances = b.run("softmax", softmax, b.run("mask", causal, scores))
        mixed = (chances @ value).transpose(0, 1, 3, 2).reshape(2, WIDTH, length)
        h = h + linear(mixed, f"{layer}.out")
        up = linear(norm(h, f"{layer}.norm2"), f"{layer}.up")
        b.module = f"{layer}.activation"
        active = up * (1 + b.run("erf", erf, up / np.sqrt(2))) / 2
        h = h + linear(active, f"{layer}.down")
        b.tap(f"{layer}", h)
    return b.program(h)


def candidate(
    x: np.ndarray,
    weights: dict[str, np.ndarray],
    faults: frozenset[str] = frozenset(),
    rewrites: frozenset[str] = frozenset(),
) -> Program:
    """(B, T, C) in and out; a fault has the layer's number before it: `0.epsilon`."""
    b = Builder()
    h = b.input(x.transpose(0, 2, 1))
    length = x.shape[-1]

    def norm(h: Value, name: str) -> Value:
        layer = name[0]
        mean = h.mean()
        variance = (h * h).mean() - mean * mean if "variance" in rewrites else ((h - mean) * (h - mean)).mean()
        if f"{layer}.biased" in faults and name.endswith("norm1"):
            variance = variance * (WIDTH / (WIDTH - 1))
        epsilon = 1e-6 if f"{layer}.epsilon" in faults and name.endswith("norm1") else 1e-5
        inverse = b.run("rsqrt", rsqrt, variance + epsilon)
        weight, bias = b.constant(weights[f"{name}.weight"]), b.constant(weights[f"{name}.bias"])
        if "folded" in rewrites:
            scale = inverse * weight
            return h * scale + (bias - mean * scale)
        return (h - mean) * inverse * weight + bias

    def linear(h: Value, *names: str) -> Value:
        weight = np.concatenate([weights[name] for name in names]).T
        bias = np.concatenate([weights[f"{name}.bias"] for name in names])
        if f"{names[0]}.scale" in faults:
            weight = weight * (1 + 1e-6)
        if "addmm" in rewrites:
            return b.run("addmm", lambda c, x, w: x @ w + c, b.constant(bias), h, b.constant(weight))
        return h @ b.constant(weight) + b.constant(bias)

    def heads(h: Value) -> Value:
        return h.reshape(2, length, HEADS, WIDTH // HEADS).transpose(0, 2, 1, 3)

    def rotate(h: Value, layer: int) -> Value:
        half = WIDTH // HEADS // 2
        angle = angles(length, 5000.0 if f"{layer}.base" in faults else 10000.0)
        cos, sin = b.constant(np.cos(angle)), b.constant(np.sin(angle))
        one, two = h.part(0, half), h.part(half, 2 * half)
        if f"{layer}.pairs" in faults:
            one, two = (b.run("slice", lambda x, n=n: x[..., n::2], h, start=n, step=2) for n in (0, 1))
        return join(one * cos - two * sin, two * cos + one * sin)

    for layer in range(LAYERS):
        normal = norm(h, f"{layer}.norm1")
        if f"{layer}.unnormed" in faults:
            normal = h
        names = [f"{layer}.{name}" for name in ("query", "key", "value")]
        if "fused" in rewrites:
            fused = linear(normal, *names)
            query, key, value = (fused.part(n * WIDTH, (n + 1) * WIDTH) for n in range(3))
        else:
            value, key, query = (linear(normal, name) for name in names[::-1])
        if f"{layer}.swapped" in faults:
            query, key = key, query
        query, key, value = rotate(heads(query), layer), rotate(heads(key), layer), heads(value)
        scale = np.sqrt(HEADS / WIDTH) * (1 + 1e-6 * (f"{layer}.scaled" in faults))
        scores = (
            (query * scale) @ key.transpose(0, 1, 3, 2)
            if "early" in rewrites
            else (query @ key.transpose(0, 1, 3, 2)) * scale
        )
        if f"{layer}.mask" not in faults:
            mask = b.constant(np.where(np.tril(np.ones((length, length), bool)), 0.0, -1e30))
            scores = scores + mask
        mixed = (b.run("softmax", softmax, scores) @ value).transpose(0, 2, 1, 3).reshape(2, length, WIDTH)
        if f"{layer}.frame" in faults:

            def moved(x: np.ndarray) -> np.ndarray:
                x = x.copy()
                x[0, 3, 5] += 1e-6
                return x

            mixed = b.run("at", moved, mixed)
        out = linear(mixed, f"{layer}.out")
        if f"{layer}.extra" in faults:
            out = out * 1.5
        h = out if f"{layer}.residual" in faults else h + out
        up = linear(norm(h, f"{layer}.norm2"), f"{layer}.up")
        if f"{layer}.tanh" in faults:
            active = 0.5 * up * (1 + b.run("tanh", np.tanh, np.sqrt(2 / np.pi) * (up + 0.044715 * up * up * up)))
        else:
            active = 0.5 * (up + up * b.run("erf", erf, up * np.sqrt(0.5)))
        h = linear(active, f"{layer}.down") + h
    return b.program(h)
