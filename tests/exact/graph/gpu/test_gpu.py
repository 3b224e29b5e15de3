"""Graphs that a GPU made hold fused primitives: each is computed as the GPU did, within single precision."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.exact import mlxfn
from parity.exact.graph import program, unseen
from parity.exact.inputs import load
from parity.exact.program import Program, evaluate
from tests.exact.graph.gpu.make import FUNCTIONS

HERE = Path(__file__).parent
FUSED = {
    "rms": "RMSNorm",
    "layer": "LayerNorm",
    "rope": "RoPE",
    "attention": "ScaledDotProductAttention",
    "quantized": "QuantizedMatmul",
    "gather": "GatherQMM",
    "dequantize": "Quantize",
}
SINGLE, HALF = 5e-6, 2e-3


def error(made: Program, name: str) -> float:
    """The largest difference from the GPU's result, in parts of its RMS."""
    want = np.load(HERE / "values.npz")[name].astype(np.float64)
    found = evaluate(made, FUNCTIONS[name][1])[made.outputs[0]]
    return float(np.abs(found - want).max() / np.sqrt(np.mean(want**2)))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_gpu_computes_what_its_graph_says(name: str) -> None:
    made = load(HERE / f"{name}.mlxfn", FUNCTIONS[name][1])
    operation = FUSED[name.partition("_")[0]]
    assert operation in {node.operation for node in made.nodes}
    assert error(made, name) <= (HALF if name.endswith("half") else SINGLE)


def test_fused_primitives_are_said_to_be_unseen_on_a_mac() -> None:
    found = {node.operation for name in FUNCTIONS for node in unseen(load(HERE / f"{name}.mlxfn"))}
    assert found == {"RMSNorm", "LayerNorm", "RoPE", "ScaledDotProductAttention"}


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("rms_norm", 0, 1e-3),
        ("layer_norm", 0, 1e-3),
        ("rope", 1, True),
        ("rope", 2, 9e3),
        ("rope_traditional", 3, 0.71),
        ("rope", 4, False),
        ("attention_few", 0, 0.31),
        ("attention_few_causal", 1, False),
        ("attention_half", 1, False),
    ],
)
def test_another_argument_is_noticed(name: str, place: int, value: Any) -> None:
    graph = mlxfn.read(HERE / f"{name}.mlxfn").graph
    arguments = list(graph.calls[-1].arguments)
    arguments[place] = value
    assert error(program(_changed(graph, arguments)), name) > (HALF if name.endswith("half") else 50 * SINGLE)


def _changed(graph: Any, arguments: list[Any]) -> Any:
    graph.calls[-1] = replace(graph.calls[-1], arguments=tuple(arguments))
    return graph
