"""The run of a torch program in double, recorded: every ATen operation, and what every module returns."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from parity.capture.results import parts
from parity.capture.torch import instrument
from parity.exact.places import Place, caller
from parity.exact.program import Constant, Node, NoProgram, Program, Recording, Values
from parity.exact.torch import operations
from parity.exact.torch.memory import Memory, to_numpy
from parity.exact.torch.operations import Call, Layout
from parity.exact.torch.widening import wide_operation, widened

_recorder: ContextVar[_Recorder | None] = ContextVar("recorder", default=None)


def record(
    function: Callable[..., Any], inputs: Sequence[Any] | Mapping[str, Any], root: Any = None, random: bool = True
) -> Program:
    """The program of one run; see `recording`, which gives the values of the run, too."""
    return recording(function, inputs, root, values=False, random=random).program


def recording(
    function: Callable[..., Any],
    inputs: Sequence[Any] | Mapping[str, Any],
    root: nn.Module | None = None,
    source: str = "",
    values: bool = True,
    random: bool = True,
) -> Recording:
    """Run `function` once in double and record it.

    `inputs` are arrays or tensors, by position or by keyword, also in lists, tuples and dictionaries; floating-point
    ones are widened, and the program takes them in order. What is no array (None, a number, a text) is handed over as
    it is, and is part of the program. `root` is the module whose parts name
    constants, places and taps; the function itself where it is a module. Without `values` none are kept, but those that
    the program needs.

    The program is that of this run: control flow that depends on values or lengths is not in it, nor are random draws,
    whose results are constants. Tensors made without being filled (`torch.empty`) hold zeros.
    Raises `NoProgram` for an operation that gives a tensor other memory (`set_`, `resize_`), and where not `random` for
    one that draws.
    """
    root = function if root is None and isinstance(function, nn.Module) else root
    recorder = _Recorder(root, values, random)
    with ExitStack() as stack:
        stack.enter_context(widened())
        stack.enter_context(torch.inference_mode())
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        stack.callback(torch.backends.mha.set_fastpath_enabled, torch.backends.mha.get_fastpath_enabled())
        torch.backends.mha.set_fastpath_enabled(False)  # one operation for a whole layer
        token = _recorder.set(recorder)
        stack.callback(_recorder.reset, token)
        args = () if isinstance(inputs, Mapping) else tree_map(recorder.input, tuple(inputs))
        kwargs = tree_map(recorder.input, dict(inputs)) if isinstance(inputs, Mapping) else {}
        stack.enter_context(recorder.modules())
        stack.enter_context(recorder)
        result = function(*args, **kwargs)
    outputs = tuple(recorder.memory.number(tensor) for tensor in tensors(result))
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


def observe(name: str, value: Tensor) -> Tensor:
    """Name a value that no module returns, and go on with it. Outside a recording nothing happens."""
    recorder = _recorder.get()
    if recorder is not None:
        recorder.observed(name, value)
    return value


def tensors(value: Any) -> Iterator[Tensor]:
    """The tensors of a result, in order: of tuples, lists, mappings and dataclasses within each other."""
    if isinstance(value, Tensor):
        yield value
        return
    for _, part in parts(value):
        yield from tensors(part)


class _Recorder(TorchDispatchMode):
    """Sees every ATen operation of a run."""

    def __init__(self, root: nn.Module | None, keep: bool, random: bool = True):
        super().__init__()
        self.root, self.keep, self.random = root, keep, random
        self.inputs: list[int] = []
        self.constants: dict[int, Constant] = {}
        self.nodes: list[Node] = []
        self.taps: dict[str, int] = {}
        self.values: Values = {}
        self.shapes: dict[int, tuple[int, ...]] = {}
        self.dtypes: dict[int, str] = {}
        self.layouts: list[Layout] = []
        self.running: list[str] = []
        self.calls: Counter[str] = Counter()
        self.memory = Memory(self._constant, self._part, self._preserve)
        owned = [] if root is None else [*root.named_buffers(), *root.named_parameters()]
        self.owned = {tensor.untyped_storage()._cdata: (name, tensor) for name, tensor in reversed(owned)}

    # What the program starts from

    def input(self, value: Any) -> Any:
        """An input of the program: a copy, for the run may write into it."""
        if isinstance(value, np.ndarray | np.generic):
            value = torch.tensor(np.array(value, order="C"))
        if not isinstance(value, Tensor):
            return value
        wide = operations.WIDEST.get(value.dtype, value.dtype)
        value = value.detach().to("cpu", wide).clone(memory_format=torch.contiguous_format)
        number = self._new(value)
        self.memory.made(value, number)
        self.inputs.append(number)
        return value

    def _constant(self, tensor: Tensor, named: bool = True) -> int:
        """A tensor that was there before the run, or that was drawn at random in it."""
        number = self._new(tensor)
        name, owner = self.owned.get(tensor.untyped_storage()._cdata, ("", tensor))
        name = name if named and operations.same(owner, tensor) else ""
        rounded = self.dtypes[number] if tensor.dtype in operations.NARROW else ""
        self.constants[number] = Constant(to_numpy(tensor), name, rounded)
        return number

    # Operations

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        args, kwargs = wide_operation(func, args, kwargs or {})
        if operations.is_decomposed(func):
            with self, operations.stepwise():
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        call = Call(func, args, kwargs)
        if call.name in operations.REFUSED:
            raise NoProgram(f"{call.name} at {self._place()} gives a tensor other memory: assign a new tensor instead")
        if call.idle:
            return call.run()
        if call.random and not self.random and call.name not in operations.DROPPING:
            raise NoProgram(
                f"{call.name} at {self._place()} draws at random, so no two runs are the same: make what it draws an "
                "argument of both sides, name an input that stands for it in draws=, or switch it off as eval() does"
            )
        taken = tuple(self.memory.number(tensor) for tensor in call.tensors)
        for tensor in call.written:
            self.memory.before_write(tensor)
        result = call.run()
        made = operations.others(result, call.written)
        if call.written:
            self._written(call, taken, made)
        elif not all(self.memory.known(tensor) for tensor in made):
            if call.name in operations.DROPPING:
                raise NoProgram(f"{call.name} at {self._place()} draws what it drops: call eval() on the model first")
            if call.random:
                for tensor in made:
                    self.memory.made(tensor, self._constant(tensor))
            else:
                self._node(call.functional, taken, made, call)
        return result

    def _node(self, name: str, taken: tuple[int, ...], made: Sequence[Tensor], call: Call) -> list[int]:
        """An operation that makes new tensors, or views of those it takes."""
        outputs = self._add(name, taken, call.function(), call.arguments, made)
        for tensor, number in zip(made, outputs, strict=True):
            self.memory.made(tensor, number)
        return outputs

    def _written(self, call: Call, taken: tuple[int, ...], new: Sequence[Tensor]) -> None:
        """An operation that writes in place: in the program, one that makes new values."""
        if call.random:
            numbers = [self._constant(tensor, named=False) for tensor in call.written]
        elif call.copies:
            numbers = list(taken)
        else:
            results = [*call.written, *new]
            numbers = self._add(call.functional, taken, call.function(), call.arguments, results)
        self.memory.written(call.written, numbers[: len(call.written)])
        for tensor, number in zip(new, numbers[len(call.written) :], strict=False):
            self.memory.made(tensor, number)

    def _part(
        self,
        name: str,
        taken: tuple[int, ...],
        function: Callable[..., list[Tensor]],
        arguments: Mapping[str, Any],
        result: Tensor,
    ) -> int:
        return self._add(name, taken, function, arguments, [result])[0]

    def _add(
        self,
        name: str,
        taken: tuple[int, ...],
        function: Callable[..., list[Tensor]],
        arguments: Mapping[str, Any],
        made: Sequence[Tensor],
    ) -> list[int]:
        compute = operations.compute(function, [self.layouts[number] for number in taken])
        outputs = [self._new(tensor) for tensor in made]
        module = self.running[-1] if self.running else ""
        self.nodes.append(Node(name, taken, tuple(outputs), compute, arguments, self._place(), module))
        return outputs

    def _place(self) -> Place | None:
        return caller("torch", "parity.exact", "parity.capture")

    # Values

    def _new(self, tensor: Tensor) -> int:
        number = len(self.layouts)
        self.layouts.append(Layout.of(tensor))
        self.shapes[number] = tuple(tensor.shape)
        self.dtypes[number] = str(tensor.dtype).removeprefix("torch.")
        if self.keep:
            self.values[number] = to_numpy(tensor)
        return number

    def _preserve(self, number: int) -> None:
        """The value as it is now: its memory is about to be written to."""
        if number in self.values:
            self.values[number] = self.values[number].copy(order="K")
        if number in self.constants:
            constant = self.constants[number]
            self.constants[number] = dataclasses.replace(constant, array=constant.array.copy(order="K"))

    # Names

    @contextmanager
    def modules(self) -> Iterator[None]:
        """Follow which module runs, and name what it returns."""
        if self.root is None:
            yield
            return
        found = self.root.named_modules()
        paths = [path for path, module in found if path and not isinstance(module, torch.jit.ScriptModule)]
        with instrument(self.root, paths, self._leave, self._enter):
            yield

    def _enter(self, path: str, args: Any) -> None:
        self.running.append(numbered(path, self.calls[path]))
        self.calls[path] += 1

    def _leave(self, path: str, value: Any) -> Any:
        name = self.running.pop()
        for place, tensor in enumerate(tensors(value)):
            self.taps[f"{name}.{place}" if place else name] = self.memory.number(tensor)
        return value

    def observed(self, name: str, value: Tensor) -> None:
        self.taps[numbered(name, self.calls[name])] = self.memory.number(value)
        self.calls[name] += 1


def numbered(name: str, call: int) -> str:
    """`norm`, then `norm#1` of the second call."""
    return f"{name}#{call}" if call else name
