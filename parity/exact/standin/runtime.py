"""What MLX has around its arrays: devices, streams, compilation, evaluation, memory, other processes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any

import numpy as np

from parity.exact.program import NoProgram
from parity.exact.standin.array import array, asarray, wrapped


class DeviceType(Enum):
    """`mx.cpu` and `mx.gpu`."""

    cpu = 0
    gpu = 1

    def __repr__(self) -> str:
        return f"DeviceType.{self.name}"

    def __eq__(self, other: object) -> bool:
        return other == Device(self) if isinstance(other, Device) else self is other

    def __hash__(self) -> int:
        return hash(self.name)


class Device:
    """A device by its kind and number."""

    def __init__(self, type: DeviceType, index: int = 0):
        self.type, self.index = type, index

    def __repr__(self) -> str:
        return f"Device({self.type.name}, {self.index})"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, DeviceType):
            other = Device(other)
        return isinstance(other, Device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))


class Stream:
    """A stream of a device. Everything is computed at once, in one order."""

    def __init__(self, device: Device, index: int = 0):
        self.device, self.index = device, index

    def __repr__(self) -> str:
        return f"Stream({self.device}, {self.index})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and (self.device, self.index) == (other.device, other.index)

    def __hash__(self) -> int:
        return hash((self.device, self.index))


class ThreadLocalStream(Stream):
    """A stream of each thread."""


class Group:
    """The processes of `mx.distributed`: this one alone."""

    def rank(self) -> int:
        return 0

    def size(self) -> int:
        return 1

    def split(self, color: int, key: int = -1) -> Group:
        return self


class PrintOptions:
    """How arrays are printed: as NumPy does."""

    precision = -1


class CustomFunction:
    """A function with derivatives of its own, which are left alone."""

    def __init__(self, function: Callable[..., Any]):
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def vjp(self, function: Callable[..., Any]) -> CustomFunction:
        return self

    jvp = vmap = vjp


def refused(name: str, advice: str) -> Callable[..., Any]:
    """A function that makes one, as `mx.grad` does: what it makes refuses to be called."""

    def make(*args: Any, **kwargs: Any) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            raise NoProgram(f"{name} has no definition in double here; {advice}")

        return call

    return make


def refused_at_once(name: str, advice: str) -> Callable[..., Any]:
    """A function that refuses to be called."""

    def call(*args: Any, **kwargs: Any) -> Any:
        raise NoProgram(f"{name} has no definition in double here; {advice}")

    return call


FORWARD = "prove the forward pass alone"
DEQUANTIZED = "dequantise the weights and gather with mx.gather_mm"
GRAPH = "a graph is traced with mlx itself: see parity.exact.mlx"


def compile_(
    fun: Callable[..., Any], inputs: Any = None, outputs: Any = None, shapeless: bool = False
) -> Callable[..., Any]:
    """The function itself."""
    return fun


def functions(default: DeviceType) -> dict[str, Any]:
    """The names of `mlx.core` that make no arrays, with `default` as the default device."""
    stack = [Device(default)]

    def default_device() -> Device:
        return stack[-1]

    def set_default_device(device: Any) -> None:
        stack[-1] = _device(device)

    def default_stream(device: Any) -> Stream:
        return Stream(_device(device))

    @contextlib.contextmanager
    def stream(s: Any) -> Iterator[None]:
        stack.append(_device(s))
        try:
            yield
        finally:
            stack.pop()

    def new_stream(device: Any) -> Stream:
        return Stream(_device(device), 1)

    def new_thread_local_stream(device: Any) -> ThreadLocalStream:
        return ThreadLocalStream(_device(device), 1)

    @contextlib.contextmanager
    def printoptions(precision: int = -1) -> Iterator[None]:
        yield

    def device_info(d: Any = None) -> dict[str, Any]:
        return {
            "device_name": "double",
            "architecture": "double",
            "memory_size": 1 << 36,
            "max_buffer_length": 1 << 36,
            "max_recommended_working_set_size": 1 << 36,
        }

    memory = {
        name: lambda *args: 0
        for name in (
            "get_active_memory",
            "get_array_buffer_size",
            "get_cache_memory",
            "get_memory_limit",
            "get_peak_memory",
            "set_cache_limit",
            "set_memory_limit",
            "set_wired_limit",
        )
    }
    quiet: dict[str, Callable[..., None]] = {
        name: lambda *args, **kwargs: None
        for name in (
            "async_eval",
            "clear_cache",
            "clear_streams",
            "disable_compile",
            "enable_compile",
            "eval",
            "reset_peak_memory",
            "set_default_stream",
            "set_printoptions",
            "synchronize",
        )
    }
    return (
        memory
        | quiet
        | {
            "Device": Device,
            "DeviceType": DeviceType,
            "Stream": Stream,
            "StreamContext": stream,
            "ThreadLocalStream": ThreadLocalStream,
            "checkpoint": lambda fun: fun,
            "compile": compile_,
            "cpu": DeviceType.cpu,
            "custom_function": CustomFunction,
            "default_device": default_device,
            "default_stream": default_stream,
            "device_count": lambda device_type: 1,
            "device_info": device_info,
            "gpu": DeviceType.gpu,
            "grad": refused("mx.grad", FORWARD),
            "is_available": lambda device: True,
            "jvp": refused_at_once("mx.jvp", FORWARD),
            "new_stream": new_stream,
            "new_thread_local_stream": new_thread_local_stream,
            "new_thread_unsafe_stream": new_stream,
            "gather_qqmm": refused_at_once("mx.gather_qqmm", DEQUANTIZED),
            "get_printoptions": PrintOptions,
            "PrintOptions": PrintOptions,
            "printoptions": printoptions,
            "set_default_device": set_default_device,
            "stream": stream,
            "value_and_grad": refused("mx.value_and_grad", FORWARD),
            "vjp": refused_at_once("mx.vjp", FORWARD),
        }
        | {
            name: refused_at_once(f"mx.{name}", GRAPH)
            for name in ("export_function", "export_to_dot", "exporter", "import_function")
        }
    )


def _device(given: Any) -> Device:
    if isinstance(given, Stream):
        return given.device
    return given if isinstance(given, Device) else Device(given)


def metal(names: dict[str, Any]) -> dict[str, Any]:
    """The names of `mx.metal`, which is not there."""
    shared = (
        "clear_cache",
        "device_info",
        "get_active_memory",
        "get_cache_memory",
        "get_peak_memory",
        "reset_peak_memory",
        "set_cache_limit",
        "set_memory_limit",
        "set_wired_limit",
    )
    own = {"is_available": lambda: False, "start_capture": lambda path: None, "stop_capture": lambda: None}
    return {name: names[name] for name in shared} | own


def distributed() -> dict[str, Any]:
    """The names of `mx.distributed`: one process, so that what all have together is what it has itself."""

    def alone(x: Any, *args: Any, group: Any = None, stream: Any = None) -> array:
        x = asarray(x)
        return wrapped(np.array(x.value), x.dtype)

    passing = refused_at_once("mx.distributed.send and recv", "run the program as one process")
    return {
        "Group": Group,
        "init": lambda *args, **kwargs: Group(),
        "is_available": lambda *args: False,
        "all_gather": alone,
        "all_max": alone,
        "all_min": alone,
        "all_sum": alone,
        "sum_scatter": alone,
        "recv": passing,
        "recv_like": passing,
        "send": passing,
    }
