"""Graphs as a Mac writes them: fused primitives on a GPU's stream. None was seen here, so each is made by hand.

The order of inputs and of arguments is that of `mlx/fast.cpp` and `fast_primitives.h`.
"""

from __future__ import annotations

from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest

from parity.base.draws import normal
from parity.exact.constants import resolved, unresolved
from parity.exact.graph import Call, Graph, unseen
from parity.exact.inputs import load
from parity.exact.mlx import trace
from parity.exact.program import evaluate
from tests.exact.graph.writer import graph_of, write

X = normal("mac", "x", (2, 4, 5, 8))
K, V = normal("mac", "k", (2, 2, 6, 8)), normal("mac", "v", (2, 2, 6, 8))
WEIGHT, BIAS, SINKS = (normal("mac", name, (size,)) for name, size in [("w", 8), ("b", 8), ("s", 4)])
MASK = normal("mac", "m", (2, 4, 5, 6)) > 0
MASK[..., 0] = True
OFFSET, FREQS = np.array(3, np.int32), np.abs(normal("mac", "f", (4,))) + 1
F32 = np.float32

MAC = {
    "RMSNorm": [
        (Call("RMSNorm", (1e-5,), ("x", "w"), ("y",)), {"w": WEIGHT}, lambda x: mx.fast.rms_norm(x, arr(WEIGHT), 1e-5)),
        (Call("RMSNorm", (1e-5,), ("x", "w"), ("y",)), {"w": F32(1)}, lambda x: mx.fast.rms_norm(x, None, 1e-5)),
    ],
    "LayerNorm": [
        (
            Call("LayerNorm", (1e-6,), ("x", "w", "b"), ("y",)),
            {"w": WEIGHT, "b": BIAS},
            lambda x: mx.fast.layer_norm(x, arr(WEIGHT), arr(BIAS), 1e-6),
        ),
        (
            Call("LayerNorm", (1e-6,), ("x", "w", "b"), ("y",)),
            {"w": F32(1), "b": F32(0)},
            lambda x: mx.fast.layer_norm(x, None, None, 1e-6),
        ),
    ],
    "RoPE": [
        (
            Call("RoPE", (8, False, 1e4, 0.7, True), ("x", "offset"), ("y",)),
            {"offset": OFFSET},
            lambda x: mx.fast.rope(x, 8, traditional=False, base=1e4, scale=0.7, offset=3),
        ),
        (
            Call("RoPE", (6, True, 500.0, 1.0, True), ("x", "offset"), ("y",)),
            {"offset": OFFSET},
            lambda x: mx.fast.rope(x, 6, traditional=True, base=500.0, scale=1.0, offset=3),
        ),
        (
            Call("RoPE", (8, False, 1.0, 1.0, True), ("x", "offset", "freqs"), ("y",)),
            {"offset": OFFSET, "freqs": FREQS},
            lambda x: mx.fast.rope(x, 8, traditional=False, base=None, scale=1.0, offset=3, freqs=arr(FREQS)),
        ),
    ],
    "ScaledDotProductAttention": [
        (
            Call("ScaledDotProductAttention", (0.3, False, False, False, False), ("x", "k", "v"), ("y",)),
            {"k": K, "v": V},
            lambda x: mx.fast.scaled_dot_product_attention(x, arr(K), arr(V), scale=0.3),
        ),
        (
            Call("ScaledDotProductAttention", (0.3, True, True, False, False), ("x", "k", "v", "s"), ("y",)),
            {"k": K, "v": V, "s": SINKS},
            lambda x: mx.fast.scaled_dot_product_attention(
                x, arr(K), arr(V), scale=0.3, mask="causal", sinks=arr(SINKS)
            ),
        ),
        (
            Call("ScaledDotProductAttention", (0.3, False, False, False, True), ("x", "k", "v", "m"), ("y",)),
            {"k": K, "v": V, "m": MASK},
            lambda x: mx.fast.scaled_dot_product_attention(x, arr(K), arr(V), scale=0.3, mask=arr(MASK)),
        ),
    ],
}
"""Of each primitive: the call as a Mac's graph has it, its constants, and the function that makes it."""

CALLS = [(name, place) for name, calls in MAC.items() for place in range(len(calls))]


def arr(array: np.ndarray) -> mx.array:
    return mx.array(array, mx.float64) if array.dtype.kind == "f" else mx.array(array)


def graph(name: str, place: int) -> Graph:
    call, constants, _ = MAC[name][place]
    arrays = {key: np.asarray(value) for key, value in constants.items()}
    return graph_of({"x": X}, [call], ["y"], arrays, {"y": X.shape})


def exact(program):
    """The program with the numbers that were meant for its float32 arguments and tables."""
    meant = [1e-5, 1e-6, 1e4, 0.7, 500.0, 0.3]
    found = {}
    for number, constant in unresolved(program).items():
        near = [each for each in meant if constant.array.ndim == 0 and abs(each - constant.array) < 1e-6 * each]
        found[number] = np.asarray(near[0]) if near else constant.array
    return resolved(program, found)


@pytest.mark.parametrize(("name", "place"), CALLS)
def test_a_mac_file_computes_what_the_function_does(tmp_path: Path, name: str, place: int) -> None:
    program = load(write(tmp_path / "mac.mlxfn", graph(name, place), gpu=True))
    assert [node.operation for node in unseen(program)] == [name]
    want = trace(MAC[name][place][2], [X])
    ours, theirs = evaluate(exact(program), [X])[program.outputs[0]], evaluate(want, [X])[want.outputs[0]]
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def test_float32_arguments_are_constants_that_can_be_resolved(tmp_path: Path) -> None:
    program = load(write(tmp_path / "mac.mlxfn", graph("RMSNorm", 0), gpu=True))
    (number,) = [n for n, constant in unresolved(program).items() if constant.array.ndim == 0]
    assert unresolved(program)[number].array == np.float64(np.float32(1e-5))
    rounded, better = evaluate(program, [X]), evaluate(exact(program), [X])
    assert 0 < np.abs(rounded[program.outputs[0]] - better[program.outputs[0]]).max() < 1e-11


def test_a_graph_of_a_cpu_holds_none_of_them() -> None:
    program = trace(lambda x: mx.fast.rms_norm(x, None, 1e-5), [X])
    assert unseen(program) == []
