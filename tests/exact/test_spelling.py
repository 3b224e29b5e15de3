"""Operations as lines of Python: each line computes what its operation does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
import torch

from parity.exact.mlx import trace
from parity.exact.primitives import spelling as primitives
from parity.exact.program import Node, Program, evaluate
from parity.exact.standin import installed
from parity.exact.standin import spelling as standin
from parity.exact.standin.record import record as recorded
from parity.exact.torch import record
from parity.exact.torch import spelling as aten

X = np.random.default_rng(0).standard_normal((3, 4, 8)) / 2
NARROW = {"float64": "float32", "bool": "bool_"}

MLX: dict[str, Callable[[Any], Any]] = {
    "arithmetic": lambda x: (x + 1) * x - x / (2 + x * x) + x**2 + (x // 2) + x % 3,
    "functions": lambda x: mx.exp(x) + mx.tanh(x) + mx.erf(x) + mx.sigmoid(x) + mx.abs(x) + mx.square(x) + mx.sign(x),
    "roots": lambda x: mx.sqrt(x * x) + mx.rsqrt(1 + x * x) + mx.log(1 + x * x) + mx.log2(2 + x * x) + mx.log1p(x**2),
    "comparisons": lambda x: mx.where((x > 0) & (x < 1), mx.maximum(x, 0.2), mx.minimum(x, -0.2)),
    "sums": lambda x: x.sum(1, keepdims=True) + x.max(-1, keepdims=True) + x.mean(0) + mx.logsumexp(x, -1)[..., None],
    "scans": lambda x: mx.cumsum(x, 1) + mx.cumprod(x, -1, reverse=True) + mx.cummax(x, 0),
    "softmax": lambda x: mx.softmax(x, -1) + mx.softmax(x, 1),
    "shapes": lambda x: mx.broadcast_to(x.reshape(3, 1, 32).transpose(0, 2, 1), (3, 32, 2)).swapaxes(0, 1),
    "parts": lambda x: mx.concatenate([x[:, 1:3, ::2], x[:, ::-1, 4:][:, :2]], -1),
    "reversed": lambda x: x[::-1, :, ::-2],
    "split": lambda x: mx.split(x, 2, -1)[1] * mx.split(x, [3, 4], -1)[0][..., :1],
    "padding": lambda x: mx.pad(x, [(0, 0), (1, 2), (0, 0)], constant_values=0.5),
    "rows": lambda x: mx.take(x, mx.array([2, 0]), 0) * mx.take_along_axis(x, mx.array([[[1]]]), 1)[:1],
    "order": lambda x: mx.sort(x, -1) + mx.argsort(x, 1) + mx.argmax(x, -1, keepdims=True),
    "products": lambda x: mx.addmm(x[..., :4], x, x.swapaxes(1, 2), alpha=0.5, beta=2.0),
    "convolutions": lambda x: mx.conv1d(x, mx.ones((5, 3, 8)) / 3, stride=2, padding=1) + 0,
    "transposed": lambda x: mx.conv_transpose1d(x, mx.ones((5, 3, 8)) / 3, stride=2, padding=1),
    "casts": lambda x: x.astype(mx.float16).astype(mx.float32) + x.astype(mx.int32).astype(mx.float32),
    "frequencies": lambda x: mx.fft.irfft(mx.fft.rfft(x, axis=-1), axis=-1) + mx.abs(mx.fft.fft(x, axis=1)),
    "norms": lambda x: mx.fast.rms_norm(x, mx.ones(8), 1e-5) + mx.fast.layer_norm(x, None, None, 1e-5),
    "attention": lambda x: mx.fast.scaled_dot_product_attention(x[None], x[None], x[None], scale=0.5, mask=None),
    "codes": lambda x: mx.dequantize(*mx.quantize(mx.ones((4, 64)) / 3, 32, 4), group_size=32, bits=4)[:, :8] * x,
    "ranges": lambda x: x * mx.arange(8) + mx.arange(0.0, 4.0, 0.5),
}  # fmt: skip

TORCH: dict[str, Callable[[Any], Any]] = {
    "arithmetic": lambda x: (x + 1) * x - x / (2 + x * x) + torch.add(x, x, alpha=3) + (1 - x),
    "functions": lambda x: torch.nn.functional.gelu(x, approximate="tanh") + x.sigmoid() + torch.nn.functional.elu(x),
    "norms": lambda x: torch.nn.functional.layer_norm(x, (8,)) + torch.nn.functional.rms_norm(x, (8,), eps=1e-6),
    "linear": lambda x: torch.nn.functional.linear(x, torch.ones(5, 8) / 3, torch.arange(5.0)),
    "convolution": lambda x: torch.nn.functional.conv1d(x, torch.ones(5, 4, 3) / 3, padding=1, stride=2),
    "parts": lambda x: torch.cat([x[:, 1:3], x[:, ::2]], 1).transpose(1, 2).reshape(3, -1),
    "sums": lambda x: x.sum(1, keepdim=True) + x.mean((0, 2)) [:, None] + x.amax(-1, keepdim=True) + x.var(1)[:, None],
    "softmax": lambda x: x.softmax(-1) + x.log_softmax(1) + torch.logsumexp(x, 1, keepdim=True),
    "choice": lambda x: torch.where(x > 0, x.clamp(0.1, 0.9), x.masked_fill(x < -1, -9.0)),
    "chunks": lambda x: x.chunk(2, -1)[0] * x.split([3, 5], -1)[1][..., :4],
    "rows": lambda x: torch.nn.functional.embedding(torch.tensor([2, 0]), x[0]),
    "casts": lambda x: x.to(torch.float16).to(x.dtype) + x.to(torch.int64),
    "made": lambda x: x + torch.arange(8, dtype=x.dtype) + torch.full((8,), 0.3, dtype=x.dtype),
    "stack": lambda x: torch.stack([x, x * 2], -1).flatten(-2),
}  # fmt: skip


def differing(program: Program, spelled: Callable[[Node, list[str]], str | None], scope: dict[str, Any]) -> list[str]:
    """Lines that give other values than their operations, and operations without a line."""
    values, wrong = evaluate(program, [X]), []
    for node in program.nodes:
        names = [f"x{place}" for place in range(len(node.inputs))]
        text = spelled(node, names)
        if text is None:
            wrong.append(f"{node}: no line")
            continue
        given = dict(zip(names, (scope["load"](values[n], program.dtypes[n]) for n in node.inputs), strict=True))
        made = eval(text, scope | given)
        several = list(made) if isinstance(made, list | tuple) else [made]
        for number, one in zip(node.outputs, several, strict=True):
            found, wanted = scope["see"](one), values[number]
            if found.shape != wanted.shape or not np.allclose(found, wanted, rtol=1e-4, atol=1e-5):
                wrong.append(f"{text}: {found.shape} {wanted.shape}")
    return wrong


IN_MLX = {
    "mx": mx,
    "load": lambda array, dtype: mx.array(np.ascontiguousarray(array), getattr(mx, NARROW.get(dtype, dtype))),
    "see": lambda one: np.array(one.astype(mx.float32)) if mx.issubdtype(one.dtype, mx.floating) else np.array(one),
}
IN_TORCH = {
    "torch": torch,
    "load": lambda array, dtype: torch.tensor(np.ascontiguousarray(array)),
    "see": lambda one: one.numpy(),
}


@pytest.mark.parametrize("name", MLX)
def test_a_primitive_is_the_call(name):
    program = trace(MLX[name], [X])
    assert differing(program, lambda node, names: primitives.spelled(node, names, program), IN_MLX) == []


@pytest.mark.parametrize("name", MLX)
def test_a_function_of_the_stand_in_is_the_call(name):
    with installed():
        import mlx.core

        function = type(MLX[name])(MLX[name].__code__, {"mx": mlx.core})
        program = recorded(function, [X.astype(np.float32)])
    assert differing(program, standin.spelled, IN_MLX) == []


@pytest.mark.parametrize("name", TORCH)
def test_an_operation_of_torch_is_the_call(name):
    before = torch.get_default_dtype()
    program = record(TORCH[name], [X])
    torch.set_default_dtype(torch.float64)
    try:
        assert differing(program, aten.spelled, IN_TORCH) == []
    finally:
        torch.set_default_dtype(before)


def test_a_line_that_is_another_operation_is_seen():
    program = trace(MLX["softmax"], [X])
    assert differing(program, lambda node, names: f"{names[0]} * 2", IN_MLX)


def test_what_one_line_cannot_say():
    def scattered(x: Any) -> Any:
        made = mx.zeros((3, 4, 8))
        made[mx.array([1, 1]), 2] = x[0, :2]
        return made

    program = trace(scattered, [X])
    assert {
        node.operation for node in program.nodes if primitives.spelled(node, ["x"] * 9, program) is None
    } == {"Scatter"}  # fmt: skip
    assert aten.spelled(Node("aten.as_strided_scatter", (), (), list, {"parts": 2}), ["x"]) is None
    assert standin.spelled(Node("no_such_function", (), (), list), ["x"]) is None
