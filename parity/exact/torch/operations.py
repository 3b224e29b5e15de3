"""One ATen operation as a function of values: what it takes, what it writes to, how it is run again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._pytree import tree_flatten, tree_unflatten

from parity.exact.torch.memory import Window, is_dense, to_numpy

WIDEST = {
    torch.float16: torch.float64,
    torch.bfloat16: torch.float64,
    torch.float32: torch.float64,
    torch.complex32: torch.complex128,
    torch.complex64: torch.complex128,
}
NARROW = frozenset(WIDEST)

# One operation that is several steps of a formula: each step is a node.
DECOMPOSED = {
    "aten.scaled_dot_product_attention",
    "aten._scaled_dot_product_attention_math",
    "aten.stft",
    "aten.istft",
    "aten.lstm",
    "aten.gru",
    "aten.rnn_tanh",
    "aten.rnn_relu",
}
DROPPING = {
    "aten.dropout",
    "aten.native_dropout",
    "aten.feature_dropout",
    "aten.alpha_dropout",
    "aten.rrelu_with_noise",
}
# What is not written reads as 0, so that a run can be repeated.
UNFILLED = {
    "aten.empty",
    "aten.empty_like",
    "aten.empty_permuted",
    "aten.empty_strided",
    "aten.new_empty",
    "aten.new_empty_strided",
}
OVERWRITING = {"aten.copy_", "aten.fill_", "aten.zero_"}
# Tagged as random by PyTorch for their dropout, which is off.
DETERMINISTIC = {"aten.lstm", "aten.gru", "aten.rnn_tanh", "aten.rnn_relu"}
REFUSED = {"aten.set_", "aten.resize_", "aten.resize_as_"}


def name_of(func: Any) -> str:
    """`aten.addmm` of `aten.addmm.default`."""
    return str(func).rpartition(".")[0]


def is_decomposed(func: Any) -> bool:
    return name_of(func) in DECOMPOSED


@contextmanager
def stepwise() -> Iterator[None]:
    """Inside, an LSTM is decomposed into its steps: oneDNN's is one operation, and of float32 alone."""
    enabled = torch.backends.mkldnn.enabled
    torch.backends.mkldnn.enabled = False
    try:
        yield
    finally:
        torch.backends.mkldnn.enabled = enabled


class Layout(NamedTuple):
    """How a value lies in memory: sums and products of the same values in another order round otherwise."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @classmethod
    def of(cls, tensor: Tensor) -> Layout:
        return cls(tensor.dtype, tuple(tensor.shape), tuple(tensor.stride()))

    @property
    def dense(self) -> bool:
        return is_dense(self.shape, self.strides)

    def empty(self) -> Tensor:
        if self.dense:
            return torch.empty_strided(self.shape, self.strides, dtype=self.dtype)
        return torch.empty(self.shape, dtype=self.dtype)

    def tensor(self, array: np.ndarray) -> Tensor:
        """An array as a tensor of this dtype, laid out like this where that is dense."""
        if not array.flags.writeable or any(stride < 0 for stride in array.strides):
            array = array.copy()
        tensor = torch.from_numpy(array).to(self.dtype)
        if tuple(tensor.shape) == self.shape and tuple(tensor.stride()) != self.strides and self.dense:
            return self.empty().copy_(tensor)
        return tensor


TOLD = ("eps", "approximate", "negative_slope")
"""Arguments that are said even where they are left out: another port writes them down."""


class Call:
    """One call of an operation. `tensors` are all that it takes, in order; `written` those that it writes to."""

    def __init__(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]):
        self.func, self.args, self.kwargs = func, args, kwargs
        self.name = name_of(func)
        self.leaves, self.spec = tree_flatten((args, kwargs))
        self.positions = [place for place, leaf in enumerate(self.leaves) if isinstance(leaf, Tensor)]
        parameters = func._schema.arguments
        given = dict(zip((argument.name for argument in parameters), args, strict=False)) | kwargs
        self.targets: list[int] = []
        if func._schema.is_mutable and not self.changes_view:
            writes = {argument.name for argument in parameters if argument.alias_info and argument.alias_info.is_write}
            start = 0
            for name, value in given.items():
                end = start + len(tree_flatten(value)[0])
                self.targets += [place for place in self.positions if start <= place < end and name in writes]
                start = end
        self.written: list[Tensor] = [self.leaves[place] for place in self.targets]
        said = {one.name: one.default_value for one in parameters if one.name in TOLD and one.has_default_value()}
        self.arguments = {name: _shown(value) for name, value in (said | given).items() if _is_plain(value)}

    @property
    def random(self) -> bool:
        return torch.Tag.nondeterministic_seeded in self.func.tags and self.name not in DETERMINISTIC

    @property
    def changes_view(self) -> bool:
        """Whether it changes what a tensor shows, in place, without writing to memory: `transpose_`, `detach_`."""
        return torch.Tag.inplace_view in self.func.tags or self.name == "aten.detach_"

    @property
    def overwrites(self) -> bool:
        """Whether what is written to is lost whole, so that the former value does not matter."""
        return self.name in OVERWRITING

    @cached_property
    def taken(self) -> list[int]:
        """The positions of the leaves that the result depends on."""
        if not self.overwrites:
            return self.positions
        return [place for place in self.positions if place not in self.targets]

    @property
    def tensors(self) -> list[Tensor]:
        return [self.leaves[place] for place in self.taken]

    @property
    def copies(self) -> bool:
        """Whether the operation copies a tensor of the same dtype and layout: the value has a number already."""
        return self.name == "aten.copy_" and Layout.of(self.args[0]) == Layout.of(self.args[1])

    @property
    def idle(self) -> bool:
        """Whether a tensor is copied onto itself, which `x[i] += 1` ends with."""
        return self.name == "aten.copy_" and same(self.args[0], self.args[1])

    @property
    def functional(self) -> str:
        """The name without the underscore of what works in place."""
        return self.name if self.name.endswith("__") else self.name.removesuffix("_")

    def run(self) -> Any:
        result = self.func(*self.args, **self.kwargs)
        return result.zero_() if self.name in UNFILLED else result

    def function(self) -> Callable[..., list[Tensor]]:
        """The operation of the tensors that it takes: what it would write to is copied, and comes first."""
        leaves = [None if place in self.positions else leaf for place, leaf in enumerate(self.leaves)]
        func, spec, taken, unfilled = self.func, self.spec, self.taken, self.name in UNFILLED
        alias = self.changes_view
        targets, layouts = self.targets, [Layout.of(tensor) for tensor in self.written]

        def run(*tensors: Tensor) -> list[Tensor]:
            filled = list(leaves)
            for place, tensor in zip(taken, tensors, strict=True):
                filled[place] = torch.ops.aten.alias(tensor) if alias else tensor
            written = []
            for place, layout in zip(targets, layouts, strict=True):
                filled[place] = layout.empty() if filled[place] is None else layout.empty().copy_(filled[place])
                written.append(filled[place])
            args, kwargs = tree_unflatten(filled, spec)
            result = func(*args, **kwargs)
            if unfilled:
                result = result.zero_()
            return [*written, *others(result, written)]

        return run


def others(result: Any, written: Sequence[Tensor]) -> list[Tensor]:
    """The tensors of a result that are not those written to."""
    leaves = (result,) if isinstance(result, Tensor) else tree_flatten(result)[0]
    made = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    return [tensor for tensor in made if not any(same(tensor, other) for other in written)]


def same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors show the same part of the same memory."""
    return one.untyped_storage()._cdata == other.untyped_storage()._cdata and Window.of(one) == Window.of(other)


def compute(function: Callable[..., list[Tensor]], layouts: Sequence[Layout]) -> Callable[..., tuple[np.ndarray, ...]]:
    """A function of tensors as one of arrays, under a double default."""

    def run(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        default = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH):
                taken = [layout.tensor(array) for layout, array in zip(layouts, arrays, strict=True)]
                return tuple(to_numpy(tensor) for tensor in function(*taken))
        finally:
            torch.set_default_dtype(default)

    return run


def _is_plain(value: Any) -> bool:
    held = value if isinstance(value, list | tuple) else (value,)
    return value is not None and not any(isinstance(item, Tensor) for item in held)


def _shown(value: Any) -> Any:
    return str(value).removeprefix("torch.") if isinstance(value, torch.dtype | torch.device | torch.layout) else value
