"""What a traced function asked for: the arrays that MLX's calls gave, each with its line and its module."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import mlx.core as mx

from parity.exact.graph import Origin
from parity.exact.mlx.compositions import COMPOSED
from parity.exact.mlx.draws import DRAWING, Draws, drawing
from parity.exact.mlx.opaque import OPAQUE, Operation, held
from parity.exact.mlx.patches import Patches
from parity.exact.places import caller
from parity.exact.primitives.registry import advice
from parity.exact.program import NoProgram

OWN = ("parity.exact", "parity.capture", "mlx")
"""Packages whose own lines are not the place of an operation: `nn.Linear` stands where a port calls it."""

TRANSFORMS = ("grad", "jvp", "value_and_grad", "vjp", "vmap")
"""These run a function on arrays of their own, which are no part of the graph."""

QUIET = ("eval", "async_eval", "synchronize", "set_default_device", "set_default_stream", "clear_cache")
"""Nothing is computed while a function is traced."""

IGNORED = ("export_function", "exporter", "import_function", "compile", "enable_compile", "disable_compile", "stream")

ARITHMETIC = ("add", "sub", "mul", "truediv", "div", "floordiv", "mod", "pow", "matmul", "neg", "abs")
BITS = ("and", "or", "xor", "lshift", "rshift", "invert")
OPERATORS = (*ARITHMETIC, *BITS, "eq", "ne", "lt", "le", "gt", "ge", "getitem", "setitem")

FLOAT32, FLOAT64 = mx.float32, mx.float64
MODULES = (mx, mx.fast, mx.fft, mx.linalg, mx.random)


class Notes:
    """Within `listening` every array that MLX's functions, methods and operators give is noted with its origin.

    float32 is float64 meanwhile, so that scalars beside an array become double constants: where a call asks for float32
    it gets float64, and a float32 result is widened. Draws, where they are given, stand for what `mx.random` draws.
    """

    def __init__(self, draws: Draws | None = None) -> None:
        self.drawn = None if draws is None else drawing(draws)
        self.arrays: list[tuple[Any, Origin]] = []
        self.operations: list[Operation] = []
        self.modules: list[str] = []
        self._suspended = 0

    def note(self, array: Any) -> None:
        """Another handle of the array is kept: what is assigned into parts of it afterwards gives a new one."""
        module = self.modules[-1] if self.modules else ""
        self.arrays.append((copy.copy(array), Origin(caller(*OWN), module)))

    @contextmanager
    def listening(self) -> Iterator[None]:
        with Patches() as patches:
            for module in MODULES:
                for name, function in list(vars(module).items()):
                    if type(function).__name__ == "nb_func" and name not in IGNORED:
                        patches.set(module, name, self._replacement(module, name, function))
            for name, function in list(vars(mx.array).items()):
                if type(function).__name__ == "nb_method" and (not name.startswith("_") or _is_operator(name)):
                    patches.set(mx.array, name, self._wrapped(mx.array, name, function))
            for name in ("T", "real", "imag"):
                function = self._wrapped(mx.array, name, vars(mx.array)[name].__get__)
                patches.set(mx.array, name, property(function))
            for name, function in list(vars(mx.ArrayAt).items()):
                if type(function).__name__ == "nb_method" and not name.startswith("_"):
                    patches.set(mx.ArrayAt, name, self._wrapped(mx.ArrayAt, name, function))
            patches.set(mx.custom_function, "__call__", _refused)
            patches.set(mx, "finfo", _finfo(mx.finfo))
            patches.set(mx, "stream", lambda device: nullcontext())
            patches.set(mx, "array", _constructor(mx.array))
            patches.set(mx, "float32", FLOAT64)
            yield

    def _replacement(self, module: Any, name: str, function: Callable[..., Any]) -> Any:
        if module is mx and name in QUIET:
            return lambda *args, **kwargs: None
        if module is mx and name in TRANSFORMS:
            return self._transform(function)
        if module is mx and name == "contiguous":
            return lambda a, *args, **kwargs: copy.copy(a)  # it cannot be exported, and changes no value
        if module is mx and name == "checkpoint":
            return lambda function: function  # it changes no value either
        if module is mx.random and name in DRAWING and self.drawn is not None:
            function = self.drawn(name, function)
        if (module, name) in COMPOSED:
            return COMPOSED[module, name]
        return self._wrapped(module, name, function)

    def _transform(self, transform: Callable[..., Any]) -> Callable[..., Any]:
        def call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            def quiet(*inner: Any, **named: Any) -> Any:
                self._suspended += 1
                try:
                    return function(*inner, **named)
                finally:
                    self._suspended -= 1

            return transform(quiet, *args, **kwargs)

        return call

    def _wrapped(self, owner: Any, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        if (owner, name) in OPAQUE:
            function = held(owner, name, function, self.operations.append)
        elif name == "view":
            function = _viewed(function)

        def call(*args: Any, **kwargs: Any) -> Any:
            kwargs.pop("stream", None)
            args = tuple(_widened_dtype(arg) for arg in args)
            kwargs = {key: _widened_dtype(value) for key, value in kwargs.items()}
            result = function(*args, **kwargs)
            if isinstance(result, _ARRAY) and result.dtype == FLOAT32:
                result = _again(function, args, kwargs, result)
            if self._suspended:
                return result
            if name == "__setitem__":
                self.note(args[0])
                return result
            return self._noted(result, in_place=bool(args) and result is args[0])

        call.__name__ = name
        return call

    def _noted(self, result: Any, in_place: bool) -> Any:
        if isinstance(result, _ARRAY):
            if result.dtype == FLOAT32 and not in_place:
                result = _ASTYPE(result, FLOAT64)
            self.note(result)
        elif isinstance(result, (list, tuple)):
            return type(result)(self._noted(part, False) for part in result)
        return result


_ARRAY = mx.array
_ASTYPE = mx.array.astype


def _is_operator(name: str) -> bool:
    plain = name.strip("_")
    return plain in OPERATORS or (plain[:1] in "ri" and plain[1:] in OPERATORS)


def _widened_dtype(argument: Any) -> Any:
    return FLOAT64 if isinstance(argument, mx.Dtype) and argument == FLOAT32 else argument


def _again(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> Any:
    """The call with Python's numbers as double constants: beside arrays of integers MLX makes them float32.

    A function that takes no arrays in their place is asked for float64 instead.
    """
    plain = not any(isinstance(argument, float) for argument in (*args, *kwargs.values()))
    if plain or (args and result is args[0]):
        return result
    try:
        return function(*map(_constant, args), **{key: _constant(value) for key, value in kwargs.items()})
    except TypeError:
        pass
    try:
        return function(*args, **kwargs, dtype=FLOAT64)
    except TypeError:
        return result


def _constant(argument: Any) -> Any:
    return _ARRAY(argument, FLOAT64) if isinstance(argument, float) else argument


def _refused(self: Any, *args: Any, **kwargs: Any) -> Any:
    raise NoProgram(f"mx.custom_function is called at {caller(*OWN)}: {advice('CustomTransforms')}")


def _viewed(view: Callable[..., Any]) -> Callable[..., Any]:
    """Bytes are counted as if float64 were the float32 whose place it takes."""

    def call(a: Any, dtype: Any) -> Any:
        a = _ASTYPE(a, FLOAT32) if a.dtype == FLOAT64 else a
        return view(a, FLOAT32 if dtype == FLOAT64 else dtype)

    return call


def _finfo(finfo: Any) -> Callable[[Any], Any]:
    """Limits are those of the dtype that a port would be told of: float64 stands in for float32."""
    return lambda dtype: finfo(FLOAT32 if dtype == FLOAT64 else dtype)


def _constructor(array: Any) -> type:
    """`mx.array`, whose calls make double of Python's numbers and of NumPy's doubles; instances are MLX's own."""

    class Meta(type):
        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            args = tuple(_widened_dtype(arg) for arg in args)
            made = array(*args, **{key: _widened_dtype(value) for key, value in kwargs.items()})
            given = len(args) > 1 or "dtype" in kwargs
            if made.dtype == FLOAT32 and not given and not isinstance(args[0], array):
                if str(getattr(args[0], "dtype", "float64")) == "float64":
                    return array(args[0], FLOAT64)
            return made

        def __instancecheck__(cls, instance: Any) -> bool:
            return isinstance(instance, array)

        def __getattr__(cls, name: str) -> Any:
            return getattr(array, name)

    return Meta("array", (), {"__doc__": array.__doc__})
