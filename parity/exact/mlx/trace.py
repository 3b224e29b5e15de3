"""A live function of MLX arrays as a program in double."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten, tree_map

from parity.base.frames import innermost
from parity.capture.mlx import instrument
from parity.exact.graph import Graph, Origin, program
from parity.exact.mlx.draws import Draws
from parity.exact.mlx.events import exported
from parity.exact.mlx.notes import Notes
from parity.exact.mlx.opaque import opened
from parity.exact.program import NoProgram, Program


def trace(
    function: Callable[..., Any],
    inputs: Sequence[Any],
    root: nn.Module | None = None,
    draws: Draws | None = None,
    source: str = "",
) -> Program:
    """The program that `function` runs on inputs of these shapes: its graph, in double.

    `inputs` are NumPy or MLX arrays, `root` the module whose parameters and submodules are named (`function` itself if
    it is one). Outputs are the arrays of what the function returns, in order. While it is traced, parameters and inputs
    are float64, so that scalar constants are double; behind it everything is as it was. An array of the function's own
    that is float32 becomes a constant with `rounded`. `draws` are what calls of `mx.random` give, in order, or a
    function that gives one of a shape.

    Raises `NoProgram` where the control flow depends on values, where a primitive has no definition in double, or where
    the function runs as it is and refuses float64: it asks its arrays for their dtype.
    """
    root = function if root is None and isinstance(function, nn.Module) else root
    notes, taps = Notes(draws), list[tuple[str, Any]]()
    results: list[Any] = []
    parameters: list[tuple[str, Any]] = []

    def traced(*arrays: Any) -> list[Any]:
        with notes.listening(), _watched(root, notes, taps):
            result = function(*arrays)
        results.extend(array for _, array in tree_flatten(result) if isinstance(array, mx.array))
        return [
            *results,
            *(array for _, array in taps),
            *(array for _, array in parameters),
            *(operation.result for operation in notes.operations),
            *(array for array, _ in notes.arrays),
        ]

    refused, graph = None, None
    with _on_cpu(), _uncompiled(), _undrawn(), _doubled(root, parameters):
        arrays = [_double(mx.array(value)) for value in inputs]
        mx.eval(arrays)
        try:
            graph = exported(traced, arrays)
        except Exception as error:
            refused = error
    if graph is None:
        assert refused is not None
        _refuse(refused, function, inputs, source or "the function")
    return _program(graph, len(results), [path for path, _ in taps], [path for path, _ in parameters], notes, source)


def _refuse(error: Exception, function: Callable[..., Any], inputs: Sequence[Any], source: str) -> NoReturn:
    """Raise what keeps the function from being traced, or its own error where it does not run as it is either."""
    if "Attempting to eval" in str(error):
        raise NoProgram(
            f"{source} asks for a value at {innermost(error)}: a graph has no values, so control flow that depends on "
            "them cannot be traced; run the port in the stand-in for mlx.core"
        ) from error
    try:
        with _on_cpu():
            mx.eval([array for _, array in tree_flatten(function(*map(mx.array, inputs)))])
    except Exception as own:
        raise own from None
    raise NoProgram(
        f"{source} refuses float64, which stands in for float32 while it is traced, at {innermost(error)} "
        f"({type(error).__name__}: {error}); run the port in the stand-in for mlx.core, which reports float32"
    ) from error


def _program(graph: Graph, outputs: int, taps: list[str], parameters: list[str], notes: Notes, source: str) -> Program:
    names = iter(graph.outputs)
    ours = [next(names) for _ in range(outputs)]
    tapped = {path: next(names) for path in taps}
    paths = {next(names): path for path in parameters}
    opened(graph, {next(names): operation for operation in notes.operations})
    origins = _origins(graph, [(next(names), origin) for _, origin in notes.arrays])
    return program(graph, ours, tapped, paths, origins, double=True, source=source)


def _origins(graph: Graph, noted: list[tuple[str, Origin]]) -> dict[str, Origin]:
    """The origin of every value: a call's is that of its result and of all that was made for it on the way."""
    makers = {name: call for call in graph.calls for name in call.outputs}
    origins: dict[str, Origin] = {}
    for result, origin in noted:
        waiting = [result]
        while waiting:
            name = waiting.pop()
            if name in origins or name not in makers:
                continue
            origins.update(dict.fromkeys(makers[name].outputs, origin))
            waiting.extend(makers[name].inputs)
    return origins


@contextmanager
def _watched(root: nn.Module | None, notes: Notes, taps: list[tuple[str, Any]]) -> Iterator[None]:
    """Notes learn which module runs, and the outputs of root's modules become taps: `path`, and `path[1]` of several.

    The second call of a module is `path#1`. One that stands at several paths goes by the first.
    """
    calls: dict[str, int] = {}

    def on_call(path: str, args: tuple[Any, ...]) -> None:
        count = calls.get(path, 0)
        calls[path] = count + 1
        notes.modules.append(f"{path}#{count}" if count else path)

    def on_value(path: str, value: Any) -> Any:
        module = notes.modules.pop()
        if path:
            parts = [array for _, array in tree_flatten(value) if isinstance(array, mx.array)]
            for index, array in enumerate(parts):
                taps.append((f"{module}[{index}]" if index else module, array.__copy__()))
        return value

    if root is None:
        yield
        return
    first: dict[int, str] = {}
    for path, module in root.named_modules():
        first.setdefault(id(module), path)
    with instrument(root, first.values(), on_value, on_call):
        yield


@contextmanager
def _doubled(root: nn.Module | None, parameters: list[tuple[str, Any]]) -> Iterator[None]:
    """The parameters of `root` are float64 for a while; `parameters` gets them by path."""
    if root is None:
        yield
        return
    original = root.parameters()
    mx.eval(original)
    try:
        root.update(tree_map(_double, original))
        mx.eval(root.parameters())
        parameters.extend(tree_flatten(root.parameters()))
        yield
    finally:
        root.update(original)


def _double(array: Any) -> Any:
    return array.astype(mx.float64) if mx.issubdtype(array.dtype, mx.floating) else array


@contextmanager
def _on_cpu() -> Iterator[None]:
    """The default device is the CPU, the only one with float64."""
    device = mx.default_device()
    mx.set_default_device(mx.cpu)
    try:
        yield
    finally:
        mx.set_default_device(device)


@contextmanager
def _uncompiled() -> Iterator[None]:
    """`mx.compile` is off, so that each function's own lines run; then as it was, which MLX tells only by its doing."""
    runs = []

    def probe(x: Any) -> Any:
        runs.append(x)
        return x + 1

    compiled = mx.compile(probe)
    for _ in range(2):
        compiled(mx.array(0))
    mx.disable_compile()
    try:
        yield
    finally:
        if len(runs) == 1:
            mx.enable_compile()


@contextmanager
def _undrawn() -> Iterator[None]:
    """MLX's own generator goes on from where it was."""
    state: Any = mx.random.state
    key = mx.array(state[0])
    mx.eval(key)
    try:
        yield
    finally:
        state[0][...] = key  # the state's items cannot be replaced, their values can
