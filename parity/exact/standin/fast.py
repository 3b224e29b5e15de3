"""`mx.fast`: the layers that MLX has as one operation each, by their definition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from parity.exact.operations import fast
from parity.exact.program import NoProgram
from parity.exact.standin import dtypes
from parity.exact.standin.array import array, asarray, wrapped
from parity.exact.standin.dispatch import Names
from parity.exact.standin.dtypes import result_type
from parity.exact.standin.elementwise import doubled

NAMES = Names("fast.")


def _optional(a: Any) -> np.ndarray | None:
    return None if a is None else doubled(asarray(a))


@NAMES.operation
def rms_norm(x: Any, weight: Any, eps: float) -> array:
    x = asarray(x)
    dtype = x.dtype if weight is None else result_type(x.dtype, asarray(weight).dtype)
    return wrapped(fast.rms_norm(doubled(x), _optional(weight), eps), dtype)


@NAMES.operation
def layer_norm(x: Any, weight: Any, bias: Any, eps: float) -> array:
    x = asarray(x)
    dtype = result_type(x.dtype, *(asarray(a).dtype for a in (weight, bias) if a is not None))
    return wrapped(fast.layer_norm(doubled(x), _optional(weight), _optional(bias), eps), dtype)


@NAMES.operation
def rope(
    a: Any,
    dims: int,
    *,
    traditional: bool,
    base: float | None,
    scale: float,
    offset: Any,
    freqs: Any = None,
) -> array:
    a = asarray(a)
    at = offset.value if isinstance(offset, array) else offset
    return wrapped(fast.rope(doubled(a), dims, traditional, base, scale, at, _optional(freqs)), a.dtype)


@NAMES.operation
def scaled_dot_product_attention(
    q: Any, k: Any, v: Any, *, scale: float, mask: Any = None, sinks: Any = None, force_fused: bool = False
) -> array:
    q, k, v = asarray(q), asarray(k), asarray(v)
    causal = isinstance(mask, str)
    if causal and mask != "causal":
        raise ValueError(f"[scaled_dot_product_attention] got mask {mask!r}, expected 'causal' or an array")
    seen = None if causal or mask is None else asarray(mask).value
    value = fast.attention(doubled(q), doubled(k), doubled(v), scale, seen, _optional(sinks), causal)
    return wrapped(value, result_type(q.dtype, k.dtype, v.dtype))


@NAMES.operation
def cross_entropy(logits: Any, targets: Any) -> array:
    """-log softmax(logits)[target] over the last axis; `targets` are indices."""
    return wrapped(fast.cross_entropy(doubled(asarray(logits)), asarray(targets).value), dtypes.float32)


@NAMES.operation
def gated_delta_update(
    q: Any, k: Any, v: Any, gamma: Any, beta: Any, initial_state: Any = None, mask: Any = None
) -> list[array]:
    """The outputs, and the last state."""
    queries, keys, values, decay, rate = (doubled(asarray(each)) for each in (q, k, v, gamma, beta))
    seen = None if mask is None else asarray(mask).value
    out, state = fast.gated_delta_update(queries, keys, values, decay, rate, _optional(initial_state), seen)
    start = dtypes.float32 if initial_state is None else asarray(initial_state).dtype
    return [wrapped(out, asarray(v).dtype), wrapped(state, start)]


class Kernel:
    """What `metal_kernel` and `cuda_kernel` give: it runs the twin registered under its name, or refuses."""

    def __init__(self, name: str, twin: Callable[..., Any] | None):
        self.name, self.twin = name, twin

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.twin is None:
            raise NoProgram(
                f"the kernel {self.name!r} is source code for a GPU, which has no definition in double; register its "
                f"twin in Python under its name: installed(kernels={{{self.name!r}: function}})"
            )
        return self.twin(*args, **kwargs)


def kernel_makers(twins: Mapping[str, Callable[..., Any]]) -> dict[str, Callable[..., Kernel]]:
    """`metal_kernel`, `cuda_kernel` and `precompiled_cuda_kernel`, with the twins of kernels by name."""

    def make(name: str = "", *args: Any, **kwargs: Any) -> Kernel:
        return Kernel(name, twins.get(name))

    def run(*, name: str, **kwargs: Any) -> Any:
        return Kernel(name, twins.get(name))(**kwargs)

    return {"metal_kernel": make, "cuda_kernel": make, "precompiled_cuda_kernel": run}
