"""PyTorch adapter of the capture."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


@contextmanager
def instrument(
    model: nn.Module,
    paths: Iterable[str],
    on_value: Callable[[str, Any], Any],
    on_call: Callable[[str, tuple[Any, ...]], None] = lambda path, args: None,
) -> Iterator[None]:
    """Hand what the modules at `paths` return to `on_value` and let the run go on with what it gives back.

    What they are called with goes to `on_call` first.

    The instance's `forward` is wrapped, because hooks are skipped by code that calls `.forward(...)`. Paths that name
    no module are left to the side's own `observe`.
    """
    modules = dict(model.named_modules())
    originals = []
    try:
        for path in paths:
            if path in modules:
                module = modules[path]
                originals.append((module, module.__dict__.get("forward")))
                module.forward = _wrap(path, module.forward, on_value, on_call)
        yield
    finally:
        for module, original in originals:
            del module.forward  # uncovers the class's own
            if original is not None:
                module.forward = original


def _wrap(
    path: str,
    forward: Callable[..., Any],
    on_value: Callable[[str, Any], Any],
    on_call: Callable[[str, tuple[Any, ...]], None],
) -> Callable[..., Any]:
    @functools.wraps(forward)
    def call(*args: Any, **kwargs: Any) -> Any:
        on_call(path, args)
        return on_value(path, forward(*args, **kwargs))

    return call


LAZY = False
"""Values are computed when they are made, and may be overwritten in place: none can be held."""


def is_array(value: Any) -> bool:
    return isinstance(value, Tensor)


def to_numpy(value: Tensor) -> np.ndarray:
    """A copy with the memory order of the tensor; half precision is widened to float32, exactly."""
    return np.array(view(value), order="K")


def hold(value: Tensor) -> Tensor:
    """The value itself, which is there already and may be overwritten next: it is to be viewed at once."""
    return value


def start(values: list[Tensor]) -> None:
    """Nothing: values are there."""


def view(value: Tensor) -> np.ndarray:
    """The value where it lies; half precision and float8 are a widened copy."""
    value = value.detach().cpu()
    if value.is_floating_point() and value.dtype.itemsize < 4:
        value = value.float()
    return value.numpy()


def new(array: np.ndarray) -> Tensor:
    """A copy as a tensor of the same dtype."""
    return torch.tensor(np.array(array, order="C"))


def from_numpy(array: np.ndarray, like: Tensor) -> Tensor:
    """A copy as a tensor of the dtype and device of `like`, contiguous: the run may write into it."""
    return torch.tensor(np.ascontiguousarray(array), device=like.device, dtype=like.dtype)


def environment() -> dict[str, str]:
    return {
        "torch": torch.__version__,
        "torch threads": str(torch.get_num_threads()),
        "torch device": "cpu",
        "torch cpu capability": torch.backends.cpu.get_cpu_capability(),
    }


def probe() -> dict[str, Callable[..., np.ndarray]]:
    """The operations of the precision probe, float32 NumPy in and out: matmul, conv1d and attention."""

    def conv1d(x: np.ndarray, w: np.ndarray) -> np.ndarray:  # x (B, T, in), w (out, k, in)
        y = torch.nn.functional.conv1d(torch.tensor(x).transpose(1, 2), torch.tensor(w).transpose(1, 2))
        return y.transpose(1, 2).numpy()

    def attention(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
        return torch.nn.functional.scaled_dot_product_attention(*map(torch.tensor, (q, k, v))).numpy()

    return {
        "matmul": lambda a, b: (torch.tensor(a) @ torch.tensor(b)).numpy(),
        "conv1d": conv1d,
        "attention": attention,
    }
