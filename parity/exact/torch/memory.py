"""Which value a tensor holds at a moment of a run: views and in-place operations as functions of values.

A tensor is a window on a storage. Two tensors with the same storage, offset, shape and strides are the same value until
that storage is written to. A write through a window gives a new value of the window and of the whole that it is part
of; another window on the same storage is read from the new whole the next time it is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

Emit = Callable[[str, tuple[int, ...], Callable[..., list[Tensor]], dict[str, Any], Tensor], int]
"""Adds an operation with one output: name, inputs, function of tensors, arguments, and the output itself; gives the
number of the output."""


class Window(NamedTuple):
    """The part of a storage that a tensor shows."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    conjugate: bool
    negative: bool

    @classmethod
    def of(cls, tensor: Tensor) -> Window:
        return cls(
            tensor.dtype,
            tuple(tensor.shape),
            tuple(tensor.stride()),
            tensor.storage_offset(),
            tensor.is_conj(),
            tensor.is_neg(),
        )

    @property
    def extent(self) -> int:
        """Elements from the first to the last."""
        return 1 + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True)) if 0 not in self.shape else 0

    @property
    def bytes(self) -> int:
        """Of its elements; the storage's size where they are all of it, and each is one of its own."""
        return math.prod(self.shape) * self.dtype.itemsize if is_dense(self.shape, self.strides) else 0

    def seen_in(self, flat: Tensor, start: int) -> Tensor:
        """This window on another storage, whose first byte is byte `start` of its own."""
        offset = (self.offset * self.dtype.itemsize - start) // self.dtype.itemsize
        view = torch.empty(0, dtype=self.dtype).set_(flat.untyped_storage(), offset, self.shape, self.strides)
        view = view.conj() if self.conjugate else view
        return torch._neg_view(view) if self.negative else view

    def laid_out(self, value: Tensor) -> tuple[Tensor, int]:
        """A storage of its own, as a flat tensor, that holds `value` as this window shows it; and its first byte."""
        flat = torch.zeros(self.extent, dtype=self.dtype)
        start = self.offset * self.dtype.itemsize
        self.seen_in(flat, start).copy_(value)
        return flat, start


def is_dense(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether elements lie one after the other, in some order of the axes, without gaps or overlap."""
    expected = 1
    for stride, length in sorted(zip(strides, shape, strict=True)):
        if length == 1:
            continue
        if stride != expected:
            return False
        expected *= length
    return True


@dataclass
class Storage:
    """`whole` is the window that all others are parts of. `reference` keeps the address, not the memory."""

    reference: StorageWeakRef
    known: dict[Window, int] = field(default_factory=dict)
    whole: Window | None = None
    shown: list[int] = field(default_factory=list)
    """Numbers of recorded values that lie in this memory."""


class Memory:
    """The numbers of the values that tensors hold. `constant` gives a number to a tensor that was there before."""

    def __init__(self, constant: Callable[[Tensor], int], emit: Emit, preserve: Callable[[int], None]):
        self.constant, self.emit, self.preserve = constant, emit, preserve
        self.storages: dict[int, Storage] = {}

    def storage(self, tensor: Tensor) -> Storage:
        storage = tensor.untyped_storage()
        if storage._cdata not in self.storages:
            self.storages[storage._cdata] = Storage(StorageWeakRef(storage))
        return self.storages[storage._cdata]

    def known(self, tensor: Tensor) -> bool:
        """Whether the value of a tensor has a number already."""
        held = self.storages.get(tensor.untyped_storage()._cdata)
        return held is not None and Window.of(tensor) in held.known

    def number(self, tensor: Tensor) -> int:
        """The number of the value that a tensor holds now."""
        held, window = self.storage(tensor), Window.of(tensor)
        if window not in held.known:
            if held.whole is None:
                held.known[window] = self.constant(tensor)
            else:
                held.known[window] = self._read(held.known[held.whole], held.whole, window, tensor)
            held.shown.append(held.known[window])
        return held.known[window]

    def made(self, tensor: Tensor, number: int) -> None:
        """An operation has given `tensor`: a new storage, or a window on one that is known."""
        held, window = self.storage(tensor), Window.of(tensor)
        if not held.known and held.whole is None:
            held.whole = window
        held.known[window] = number
        held.shown.append(number)

    def before_write(self, tensor: Tensor) -> None:
        """Recorded values that lie in the tensor's memory are copied, for it is about to be overwritten."""
        held = self.storage(tensor)
        if held.whole is None:  # was there before the run
            size = tensor.untyped_storage().nbytes()
            held.whole = next((window for window in held.known if window.bytes == size), None)
        if held.whole is None:
            flat = torch.empty(0, dtype=tensor.dtype)
            flat.set_(tensor.untyped_storage(), 0, (size // tensor.dtype.itemsize,), (1,))
            held.whole = Window.of(flat)
            held.known[held.whole] = self.constant(flat)
            held.shown.append(held.known[held.whole])
        for number in held.shown:
            self.preserve(number)
        held.shown.clear()

    def written(self, tensors: Sequence[Tensor], numbers: Sequence[int]) -> None:
        """An operation has overwritten tensors in place; what they hold now has these numbers."""
        parts: dict[int, list[tuple[Tensor, int]]] = {}
        for tensor, number in zip(tensors, numbers, strict=True):
            parts.setdefault(tensor.untyped_storage()._cdata, []).append((tensor, number))
        for written in parts.values():
            held = self.storage(written[0][0])
            whole = held.whole
            assert whole is not None, "before_write comes first"
            now = {Window.of(tensor): number for tensor, number in written}
            if whole not in now:
                now[whole] = self._write(held.known[whole], now, whole, whole.seen_in(written[0][0], 0))
            held.known = now
            held.shown += dict.fromkeys(now.values())

    def _read(self, number: int, whole: Window, window: Window, result: Tensor) -> int:
        def read(value: Tensor) -> list[Tensor]:
            return [window.seen_in(*whole.laid_out(value))]

        return self.emit("aten.as_strided", (number,), read, _said(window), result)

    def _write(self, number: int, parts: Mapping[Window, int], whole: Window, result: Tensor) -> int:
        windows = list(parts)

        def write(value: Tensor, *new: Tensor) -> list[Tensor]:
            flat, start = whole.laid_out(value)
            for window, part in zip(windows, new, strict=True):
                window.seen_in(flat, start).copy_(part)
            return [whole.seen_in(flat, start)]

        said = _said(windows[0]) if len(windows) == 1 else {"parts": len(windows)}
        return self.emit("aten.as_strided_scatter", (number, *parts.values()), write, said, result)


def _said(window: Window) -> dict[str, Any]:
    return {"size": window.shape, "stride": window.strides, "storage_offset": window.offset}


def to_numpy(tensor: Tensor) -> np.ndarray:
    """The value where it lies, floating-point values as double; narrower ones are widened copies."""
    tensor = tensor.detach().resolve_conj().resolve_neg()
    if tensor.is_complex():
        return tensor.to(torch.complex128).numpy()
    return (tensor.double() if tensor.is_floating_point() else tensor).numpy()
