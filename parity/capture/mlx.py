"""MLX adapter of the capture."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from parity.base.kernels import require_kernel_folder
from parity.base.runtime import prepare

BLAS = prepare()
require_kernel_folder()

import mlx.core as mx  # noqa: E402 - the process must be prepared first
import mlx.nn as nn  # noqa: E402


@contextmanager
def instrument(
    model: nn.Module,
    paths: Iterable[str],
    on_value: Callable[[str, Any], Any],
    on_call: Callable[[str, tuple[Any, ...]], None] = lambda path, args: None,
) -> Iterator[None]:
    """Hand what the modules at `paths` return to `on_value` and let the run go on with what it gives back.

    What they are called with goes to `on_call` first.

    MLX has no hooks and looks `__call__` up on the class, so each module is given a subclass of its own for the time
    being. Paths that name no module are left to the side's own `observe`.
    """
    modules = dict(model.named_modules())
    originals = []
    try:
        for path in paths:
            if path in modules:
                module = modules[path]
                originals.append((module, module.__class__))
                module.__class__ = _wrapped(path, module.__class__, on_value, on_call)
        yield
    finally:
        for module, original in reversed(originals):  # a module at two paths has two classes, one of the other
            del module.__class__.__call__  # a class is garbage in a cycle: it would keep the run's values for long
            module.__class__ = original


def _wrapped(
    path: str, cls: type, on_value: Callable[[str, Any], Any], on_call: Callable[[str, tuple[Any, ...]], None]
) -> type:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        on_call(path, args)
        return on_value(path, cls.__call__(self, *args, **kwargs))

    return type(cls.__name__, (cls,), {"__call__": call})


LAZY = True
"""A value can be held, and computed later."""


def is_array(value: Any) -> bool:
    return isinstance(value, mx.array)


def to_numpy(value: mx.array) -> np.ndarray:
    """A copy; half precision is widened to float32, exactly. Evaluates the array."""
    if value.dtype in (mx.float16, mx.bfloat16):
        value = value.astype(mx.float32)
    return np.array(value)


def hold(value: mx.array) -> mx.array:
    """Another handle of the value: what is assigned into parts of `value` afterwards does not reach it."""
    return value.astype(value.dtype)


def start(values: list[mx.array]) -> None:
    """Have the values computed, in one graph, without waiting for them."""
    mx.async_eval(values)


def view(value: mx.array) -> np.ndarray:
    """The value where it lies; half precision is a widened copy. Waits until it is computed."""
    if value.dtype in (mx.float16, mx.bfloat16):
        value = value.astype(mx.float32)
    return np.asarray(value)


def new(array: np.ndarray) -> mx.array:
    """The array with MLX's dtype of it: float32 for double."""
    return mx.array(np.array(array, order="C"))


def from_numpy(array: np.ndarray, like: mx.array) -> mx.array:
    """The array with the dtype of `like`. Made contiguous first: MLX keeps NumPy's strides otherwise."""
    return mx.array(np.ascontiguousarray(array)).astype(like.dtype)


def environment() -> dict[str, str]:
    return {
        "mlx": importlib.metadata.version("mlx"),
        "mlx device": str(mx.default_device()),
        "mlx blas": BLAS,
        "mlx metal": str(mx.metal.is_available()),
        "system": f"macOS {release.partition('.')[0]}" if (release := platform.mac_ver()[0]) else platform.system(),
        "machine": platform.machine(),
    }


def probe() -> dict[str, Callable[..., np.ndarray]]:
    """The operations of the precision probe, float32 NumPy in and out: matmul, conv1d and attention."""

    def attention(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
        scale = q.shape[-1] ** -0.5
        return np.array(mx.fast.scaled_dot_product_attention(mx.array(q), mx.array(k), mx.array(v), scale=scale))

    return {
        "matmul": lambda a, b: np.array(mx.array(a) @ mx.array(b)),
        "conv1d": lambda x, w: np.array(mx.conv1d(mx.array(x), mx.array(w))),
        "attention": attention,
    }
