"""The run of a program in the stand-in, recorded: every function of `mlx.core` that it calls, with its place."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

import numpy as np

from parity.exact import constants
from parity.exact.places import caller
from parity.exact.program import Compute, Constant, Node, Program, Recording, Values
from parity.exact.standin.array import array, beside, converted, wrapped
from parity.exact.standin.dispatch import STATE, Function
from parity.exact.standin.dtypes import Dtype

_recorder: ContextVar[_Recorder | None] = ContextVar("recorder", default=None)


def record(function: Callable[..., Any], inputs: Sequence[Any], root: Any = None, source: str = "") -> Program:
    """The program of one run; see `recording`, which gives the values of the run, too."""
    return recording(function, inputs, root, source, values=False).program


def recording(
    function: Callable[..., Any], inputs: Sequence[Any], root: Any = None, source: str = "", values: bool = True
) -> Recording:
    """Run `function` once and record it. To be called inside of `installed()`, where the function was imported.

    `inputs` are NumPy's arrays or the stand-in's; others (None, a number, a cache) are handed over as they are. `root`
    is the `nn.Module` whose parts name constants, places and taps; the function itself where it is a module. A tap is
    what a module returns, by its path: `norm`, `norm#1` of its second call, `norm.1` the second of several results.
    Outputs are the arrays of what the function returns, in order. Without `values` none are kept.

    The program is that of this run: control flow that depends on values is not in it, and what passed through NumPy or
    Python's numbers is a constant.
    """
    root = function if root is None and hasattr(function, "named_modules") else root
    recorder = _Recorder(root, values)
    with ExitStack() as stack:
        args = [recorder.input(value) for value in inputs]
        token = _recorder.set(recorder)
        stack.callback(_recorder.reset, token)
        stack.callback(setattr, STATE, "recorder", STATE.recorder)
        stack.enter_context(recorder.modules())
        STATE.recorder = recorder
        result = function(*args)
        outputs = tuple(recorder.number(value) for value in arrays_of(result))
    program = Program(
        tuple(recorder.inputs),
        recorder.constants,
        tuple(recorder.nodes),
        outputs,
        recorder.taps,
        recorder.shapes,
        recorder.dtypes,
        source or getattr(function, "__qualname__", type(function).__name__),
    )
    return Recording(program, recorder.values, result)


def observe(name: str, value: Any) -> Any:
    """Name a value that no module returns, and go on with it. Outside a recording nothing happens."""
    recorder = _recorder.get()
    if recorder is not None and isinstance(value, array):
        recorder.tap(name, value)
    return value


def arrays_of(tree: Any) -> Iterator[array]:
    """The arrays of a result or of arguments, in order: of tuples, lists and mappings within each other."""
    if isinstance(tree, array):
        yield tree
    elif isinstance(tree, Mapping):
        for part in tree.values():
            yield from arrays_of(part)
    elif isinstance(tree, list | tuple):
        for part in tree:
            yield from arrays_of(part)


def numbered(name: str, call: int) -> str:
    """`norm`, then `norm#1` of the second call."""
    return f"{name}#{call}" if call else name


class _Hole:
    """Where an argument's array was."""

    def __repr__(self) -> str:
        return "array"


_HOLE = _Hole()


def _emptied(tree: Any, found: list[array], dtype: Dtype | None) -> Any:
    """Arguments with a hole for each array, which is added to `found`; NumPy's are taken beside those of `dtype`."""
    if isinstance(tree, np.ndarray) and tree.ndim:
        tree = converted(tree) if dtype is None else beside(tree, dtype)
    if isinstance(tree, array):
        found.append(tree)
        return _HOLE
    if isinstance(tree, list | tuple):
        parts = [_emptied(part, found, dtype) for part in tree]
        return parts if isinstance(tree, list) else tuple(parts)
    return {key: _emptied(part, found, dtype) for key, part in tree.items()} if isinstance(tree, dict) else tree


def _filled(tree: Any, arrays: Iterator[array]) -> Any:
    if tree is _HOLE:
        return next(arrays)
    if isinstance(tree, list):
        return [_filled(part, arrays) for part in tree]
    if isinstance(tree, tuple):
        return tuple(_filled(part, arrays) for part in tree)
    return {key: _filled(part, arrays) for key, part in tree.items()} if isinstance(tree, dict) else tree


def _compute(function: Function, args: Any, kwargs: Any, dtypes: tuple[Dtype, ...]) -> Compute:
    """A function as one of its arrays' values."""

    def compute(*values: np.ndarray) -> tuple[np.ndarray, ...]:
        arrays = (wrapped(value, dtype) for value, dtype in zip(values, dtypes, strict=True))
        with np.errstate(all="ignore"):
            result = function(*_filled(args, arrays), **_filled(kwargs, arrays))
        return tuple(one.value for one in arrays_of(result))

    return compute


@lru_cache
def _parameters(function: Function) -> tuple[str, ...]:
    return tuple(inspect.signature(function).parameters)


def _said(function: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments that are no arrays, by name."""
    names = _parameters(function)
    said = {names[min(place, len(names) - 1)]: value for place, value in enumerate(args)}
    said |= kwargs
    return {
        name: value.name if isinstance(value, Dtype) else value for name, value in said.items() if value is not _HOLE
    }


class _Recorder:
    """Sees every function of `mlx.core` that makes arrays.

    An array is marked with the number of its value; one without a mark of this recorder was there before.
    """

    def __init__(self, root: Any, keep: bool):
        self.root, self.keep, self.token = root, keep, object()
        self.inputs: list[int] = []
        self.constants: dict[int, Constant] = {}
        self.nodes: list[Node] = []
        self.taps: dict[str, int] = {}
        self.values: Values = {}
        self.shapes: dict[int, tuple[int, ...]] = {}
        self.dtypes: dict[int, str] = {}
        self.running: list[str] = []
        self.calls: Counter[str] = Counter()
        self.names = dict(_named(root)) if root is not None else {}

    def input(self, value: Any) -> Any:
        """An input of the program, in an array of its own; what is no array is handed over as it is."""
        if not isinstance(value, np.ndarray | np.generic | array):
            return value
        made = converted(value)
        made = wrapped(made.value, made.dtype)
        self.inputs.append(self._new(made))
        return made

    def number(self, a: array) -> int:
        """The number of an array's value: a constant's where no operation of the run made it."""
        if a.mark is not None and a.mark[0] is self.token:
            known: int = a.mark[1]
            return known
        number = self._new(a)
        name = self.names.get(id(a), "")
        stored = "" if name else constants.rounded(a.value, a.dtype.name)
        self.constants[number] = Constant(a.value, name, stored)
        return number

    def call(self, name: str, function: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        taken: list[array] = []
        dtype = next((a.dtype for a in arrays_of([args, kwargs])), None)
        args, kwargs = _emptied(args, taken, dtype), _emptied(kwargs, taken, dtype)
        inputs = tuple(self.number(a) for a in taken)
        dtypes = tuple(a.dtype for a in taken)
        STATE.recorder = None
        try:
            filling = iter(taken)
            with np.errstate(all="ignore"):
                result = _fresh(function(*_filled(args, filling), **_filled(kwargs, filling)))
        finally:
            STATE.recorder = self
        outputs = tuple(self._new(a) for a in arrays_of(result))
        module = self.running[-1] if self.running else ""
        compute = _compute(function, args, kwargs, dtypes)
        said = _said(function, args, kwargs)
        self.nodes.append(
            Node(name, inputs, outputs, compute, said, caller("parity.exact", "parity.capture", "mlx"), module)
        )
        return result

    def _new(self, a: array) -> int:
        number = len(self.shapes)
        a.mark = self.token, number
        self.shapes[number], self.dtypes[number] = a.shape, a.dtype.name
        if self.keep:
            self.values[number] = a.value
        return number

    @contextmanager
    def modules(self) -> Iterator[None]:
        """Follow which module runs, and name what it returns."""
        if self.root is None:
            yield
            return
        from parity.capture.runner import adapter  # what it gives inside of `installed` stands on the stand-in

        paths = [path for path, _ in self.root.named_modules() if path]
        with adapter("mlx").instrument(self.root, paths, self._leave, self._enter):
            yield

    def _enter(self, path: str, args: Any) -> None:
        self.running.append(numbered(path, self.calls[path]))
        self.calls[path] += 1

    def _leave(self, path: str, value: Any) -> Any:
        name = self.running.pop()
        for place, made in enumerate(arrays_of(value)):
            self.taps[f"{name}.{place}" if place else name] = self.number(made)
        return value

    def tap(self, name: str, value: array) -> None:
        self.taps[numbered(name, self.calls[name])] = self.number(value)
        self.calls[name] += 1


def _fresh(result: Any) -> Any:
    """A result in arrays of its own, where a function gave back what it was given."""
    if isinstance(result, array):
        return wrapped(result.value, result.dtype)
    if isinstance(result, list | tuple):
        parts = [_fresh(part) for part in result]
        return parts if isinstance(result, list) else tuple(parts)
    return result


def _named(module: Any, path: str = "") -> Iterator[tuple[int, str]]:
    """The arrays that a module holds, by their identity, with their paths; the first path of one that is shared."""
    parts = module.items() if isinstance(module, dict) else enumerate(module)
    found: dict[int, str] = {}
    for key, value in parts:
        inner = f"{path}.{key}" if path else str(key)
        if isinstance(value, array):
            found.setdefault(id(value), inner)
        elif isinstance(value, dict | list | tuple):
            for identity, name in _named(value, inner):
                found.setdefault(identity, name)
    yield from found.items()
