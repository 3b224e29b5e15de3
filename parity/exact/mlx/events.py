"""The events of `mx.export_function` as a graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import mlx.core as mx
import numpy as np

from parity.exact.graph import Call, Graph
from parity.exact.primitives import Output
from parity.exact.primitives.registry import advice
from parity.exact.program import NoProgram


def exported(function: Callable[..., Any], arrays: Sequence[Any], keywords: Mapping[str, Any] | None = None) -> Graph:
    """The graph of a function of arrays. Raises `NoProgram` for a primitive that MLX cannot export."""
    events: list[Mapping[str, Any]] = []
    try:
        mx.export_function(events.append, function, tuple(arrays), dict(keywords or {}))
    except ValueError as error:
        if "Unable to get state for primitive" not in str(error):
            raise
        name = str(error).split()[-1]
        raise NoProgram(f"MLX cannot export the primitive {name}: {advice(name)}") from error
    return from_events(events)


def from_events(events: Sequence[Mapping[str, Any]]) -> Graph:
    """A graph in NumPy's terms of what an export's callback was told."""
    graph = Graph()

    def names(values: Sequence[tuple[str, Sequence[int], Any]]) -> list[str]:
        for name, shape, dtype in values:
            graph.said[name] = Output(tuple(shape), dtype_name(dtype))
        return [name for name, _, _ in values]

    for event in events:
        match event["type"]:
            case "inputs":
                graph.inputs = names(event["inputs"])
            case "keyword_inputs":
                graph.keywords = dict(event["keywords"])
            case "outputs":
                graph.outputs = names(event["outputs"])
            case "constants":
                names([(name, array.shape, array.dtype) for name, array in event["constants"]])
                graph.constants = {name: _to_numpy(array) for name, array in event["constants"]}
            case "primitive":
                arguments = tuple(_plain(argument) for argument in event["arguments"])
                inputs, outputs = names(event["inputs"]), names(event["outputs"])
                graph.calls.append(Call(event["name"], arguments, tuple(inputs), tuple(outputs)))
    return graph


def dtype_name(dtype: Any) -> str:
    return str(dtype).rpartition(".")[2]


def _to_numpy(array: Any) -> np.ndarray:
    return np.array(array.astype(mx.float32) if array.dtype == mx.bfloat16 else array)


def _plain(argument: Any) -> Any:
    """An argument without a type of MLX: dtypes by name, shapes as lists."""
    if isinstance(argument, mx.Dtype):
        return dtype_name(argument)
    return list(argument) if isinstance(argument, tuple) else argument
