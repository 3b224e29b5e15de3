"""What a torch model holds: copies of it, and parameters that are put back after a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from parity.exact.torch.operations import Call


class Detached(TorchFunctionMode):
    """Within, `copy.deepcopy` takes the values of a tensor that was computed from parameters, which PyTorch refuses.

    Models hold such tensors between two calls: a folded weight norm, a pruned weight, the last output.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is Tensor.__deepcopy__ and not args[0].is_leaf:
            return args[0].detach().clone()
        return func(*args, **(kwargs or {}))


@contextmanager
def unwritten(parameters: Sequence[Tensor]) -> Iterator[None]:
    """Parameters are afterwards as they were before. Those that a run writes to, and no others, are copied for it."""
    held = [(one, one.detach()) for one in parameters if not is_lazy(one)]
    writes = _Writes([values for _, values in held])
    try:
        with writes:
            yield
    finally:
        for one, values in held:
            if one.data_ptr() != values.data_ptr():
                one.data = values
        for values, before in writes.copied:
            values.copy_(before)


class _Writes(TorchDispatchMode):
    """Copies tensors before the first operation that writes to their memory."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        super().__init__()
        self.copied: list[tuple[Tensor, Tensor]] = []
        self.waiting: dict[int, list[Tensor]] = {}
        for tensor in tensors:
            self.waiting.setdefault(tensor.untyped_storage()._cdata, []).append(tensor)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func._schema.is_mutable:
            for written in Call(func, args, kwargs).written:
                for tensor in self.waiting.pop(written.untyped_storage()._cdata, ()):
                    self.copied.append((tensor, tensor.clone()))
        return func(*args, **kwargs)
