"""A torch model as it runs, in single precision."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch.utils._pytree import tree_map

from parity.capture.torch import environment as environment
from parity.capture.torch import to_numpy
from parity.exact.torch.recorder import tensors
from parity.exact.torch.widening import widened


def run(model: Callable[..., Any], inputs: Sequence[Any] | Mapping[str, Any]) -> list[np.ndarray]:
    """The arrays that a model gives for arrays by position or by keyword, in order; half precision is widened."""

    def tensor(value: Any) -> Any:
        return torch.tensor(np.array(value, order="C")) if isinstance(value, np.ndarray) else value

    with torch.inference_mode():
        if isinstance(inputs, Mapping):
            made = model(**tree_map(tensor, dict(inputs)))
        else:
            made = model(*tree_map(tensor, tuple(inputs)))
        return [to_numpy(array.resolve_conj().resolve_neg()) for array in tensors(made)]


@contextmanager
def in_double() -> Iterator[None]:
    """Where a twin runs: single precision that it asks for is double. Within `widened` it is so already."""
    with nullcontext() if torch.get_default_dtype() == torch.float64 else widened(), inference():
        yield


@contextmanager
def inference() -> Iterator[None]:
    """Nothing is kept for gradients."""
    with torch.inference_mode():
        yield
