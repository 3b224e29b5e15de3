"""Approximations that ports use in place of the exact functions."""

import math

import mlx.core as mx


def tanh_gelu(x: mx.array) -> mx.array:
    return 0.5 * x * (1 + mx.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))


def fast_gelu(x: mx.array) -> mx.array:
    return x * mx.sigmoid(1.702 * x)
