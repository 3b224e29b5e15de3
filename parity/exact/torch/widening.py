"""A double default: single precision that a torch program asks for, by whatever name, becomes double."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple
from unittest import mock

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from parity.exact.places import caller

WIDE = {torch.float32: torch.float64, torch.complex64: torch.complex128}
NAMES = {
    "float32": torch.float64,
    "float": torch.float64,
    "complex64": torch.complex128,
    "cfloat": torch.complex128,
    "FloatTensor": torch.DoubleTensor,
}
PLAIN = {name: getattr(torch, name) for name in NAMES}
TYPES = {"torch.FloatTensor": "torch.DoubleTensor", torch.FloatTensor: torch.DoubleTensor}


class Default(NamedTuple):
    """An argument that has a value of the dtype's own where none is given."""

    name: str
    position: int
    value: float


SINGLE = torch.finfo(torch.float32)
DEFAULTS = dict.fromkeys(
    (torch.rms_norm, torch.nn.functional.rms_norm), (Default("eps", 3, SINGLE.eps),)
) | dict.fromkeys(
    (torch.nan_to_num, torch.Tensor.nan_to_num, torch.nan_to_num_, torch.Tensor.nan_to_num_),
    (Default("posinf", 2, SINGLE.max), Default("neginf", 3, SINGLE.min)),
)
NARROW = {wide: narrow for narrow, wide in WIDE.items()}

_entered: ContextVar[list[str] | None] = ContextVar("entered", default=None)


@contextmanager
def widened() -> Iterator[list[str]]:
    """Within, single precision that is asked for becomes double, in this process; all is put back on leaving.

    Widened are the names (`torch.float32`, `torch.float`, `torch.complex64`, `torch.FloatTensor`), a dtype that was
    taken from them before and is passed to a torch function, `Tensor.float`, `Tensor.type`, the default dtype whatever
    the program sets it to, and constructors. `torch.finfo` of double gives the limits of float32, for which double
    stands here: a mask of `finfo(torch.float32).min` keeps its value. Half precision stays: a cast to it rounds.
    float32 values that enter from NumPy become double without changing: the list that this gives names their places,
    for they are rounded already. Files are read as they are. `torch._grouped_mm`, which refuses double, is a loop over
    its groups.
    """
    entered: list[str] = []
    default = torch.get_default_dtype()
    with ExitStack() as stack:
        stack.callback(torch.set_default_dtype, default)
        torch.set_default_dtype(torch.float64)
        for name, wide in NAMES.items():
            stack.enter_context(mock.patch.object(torch, name, wide))
        for name, replacement in (
            ("finfo", _finfo(torch.finfo)),
            ("from_numpy", _entering(torch.from_numpy)),
            ("set_default_dtype", _ignored),
            ("set_default_tensor_type", _ignored),
            ("_grouped_mm", grouped_mm),
            ("load", _plain(torch.load)),
            ("save", _plain(torch.save)),
        ):
            if hasattr(torch, name):
                stack.enter_context(mock.patch.object(torch, name, replacement))
        if hasattr(torch.nn.functional, "grouped_mm"):
            stack.enter_context(mock.patch.object(torch.nn.functional, "grouped_mm", grouped_mm))
        stack.enter_context(mock.patch.object(torch.jit, "load", _script(torch.jit.load)))
        token = _entered.set(entered)
        stack.callback(_entered.reset, token)
        stack.enter_context(_Widening())
        stack.enter_context(_Below())
        yield entered


def wide_arguments(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments of a torch function, dtypes of single precision among them replaced by double."""
    return tuple(map(_wide_dtype, args)), {name: _wide_dtype(value) for name, value in kwargs.items()}


def wide_operation(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The same of an ATen operation, but of one that reads bits as another dtype."""
    return (tuple(args), dict(kwargs)) if func is torch.ops.aten.view.dtype else wide_arguments(args, kwargs)


def _wide_dtype(value: Any) -> Any:
    return WIDE.get(value, value) if isinstance(value, torch.dtype) else value


def grouped_mm(
    a: Tensor, b: Tensor, offs: Tensor | None = None, bias: Tensor | None = None, out_dtype: Any = None
) -> Tensor:
    """Products by groups, `torch.nn.functional.grouped_mm`: rows, columns or sums of them end at `offs`.

    2-d by 3-d: rows of `a (rows, in)` in groups, each with its `b (group, in, out)`. 3-d by 2-d: columns of `b` in
    groups. 2-d by 2-d: the summed axis in groups, which gives `(group, rows, out)`. 3-d by 3-d: a batch.
    """
    if offs is None:
        result = torch.bmm(a, b)
    else:
        ends = offs.tolist()
        spans = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]
        if a.ndim == 2 and b.ndim == 3:
            result = a.new_zeros(a.shape[0], b.shape[2])
            for group, span in enumerate(spans):
                result[span] = a[span] @ b[group]
        elif a.ndim == 3 and b.ndim == 2:
            result = a.new_zeros(a.shape[1], b.shape[1])
            for group, span in enumerate(spans):
                result[:, span] = a[group] @ b[:, span]
        else:
            result = torch.stack([a[:, span] @ b[span] for span in spans])
    return result if bias is None else result + bias


class _Widening(TorchFunctionMode):
    """Of every torch function that is called from Python: dtypes that are passed, and single precision that enters."""

    def __init__(self) -> None:
        super().__init__()
        self.viewed: Any = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.Tensor.float:
            return args[0].double()
        if func is torch.Tensor.cfloat:
            return args[0].cdouble()
        if func is torch.Tensor.type and len(args) > 1:
            args = (args[0], TYPES.get(args[1], args[1]), *args[2:])
        if func in (torch.Tensor.view, torch.Tensor.reshape):
            return self._bits(func, args, kwargs)
        args, kwargs = wide_arguments(args, kwargs)
        for default in DEFAULTS.get(func, ()):
            if args[0].dtype == torch.float64 and len(args) <= default.position and kwargs.get(default.name) is None:
                kwargs[default.name] = default.value
        result = func(*args, **kwargs)
        if func in (torch.tensor, torch.as_tensor, torch.asarray):
            return _widen_entering(result)
        return result

    def _bits(self, func: Any, args: Any, kwargs: Any) -> Tensor:
        """A view of bits as another dtype is what it is.

        safetensors looks its dtypes up by name, and would view a file's float32 as double: bytes are viewed as float32,
        until the shape that is asked for says that they are double.
        """
        source: Any = args[0]
        wide = kwargs.get("dtype", args[1] if len(args) > 1 else None)
        if func is torch.Tensor.view and source.dtype == torch.uint8 and wide in NARROW:
            self.viewed = func(source, NARROW[wide])
            return self.viewed
        shape = args[1] if len(args) == 2 else args[1:]
        if source is self.viewed and not isinstance(shape, int) and 2 * math.prod(shape) == source.numel():
            source = source.view(WIDE[source.dtype])
        args = (source, *args[1:])
        if source.dtype in (torch.float64, torch.complex128):
            args, kwargs = wide_arguments(args, kwargs)
        return func(*args, **kwargs)


class _Below(TorchDispatchMode):
    """Of every ATen operation: a dtype that a script or a function written in C++ asks for."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        args, kwargs = wide_operation(func, args, kwargs or {})
        return func(*args, **kwargs)


def _widen_entering(value: Tensor) -> Tensor:
    if value.dtype not in WIDE:
        return value
    entered = _entered.get()
    if entered is not None:
        entered.append(
            f"{caller('torch', 'parity.exact')}: values of shape {tuple(value.shape)} enter in single precision"
        )
    return value.to(WIDE[value.dtype])


def _entering(original: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda array: _widen_entering(original(array))


def _plain(original: Callable[..., Any]) -> Callable[..., Any]:
    """A function that reads or writes files: the names mean what they say."""

    def call(*args: Any, **kwargs: Any) -> Any:
        with mock.patch.multiple(torch, **PLAIN), torch._C.DisableTorchFunction(), _disable_current_modes():
            return original(*args, **kwargs)

    return call


def _script(original: Callable[..., Any]) -> Callable[..., Any]:
    """A function that reads a script: its file is read as it is, and its parameters and buffers become double."""
    return lambda *args, **kwargs: _plain(original)(*args, **kwargs).double()


def _finfo(original: Any) -> Callable[..., Any]:
    """The limits of the dtype that was asked for: double stands for float32, but where torch itself asks for a size."""

    def finfo(dtype: torch.dtype | None = None) -> Any:
        asks = sys._getframe(1).f_globals.get("__name__", "")
        if dtype in (None, torch.float64, torch.complex128) and not f"{asks}.".startswith("torch."):
            return original(PLAIN["float32"])
        return original(dtype)

    return finfo


def _ignored(dtype: Any) -> None:
    """The default stays double."""
