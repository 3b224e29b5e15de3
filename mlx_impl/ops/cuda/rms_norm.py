"""RMS norm in float32 on an NVIDIA GPU, its factor in double there as on a CPU.

A factor in float32 may be an ulp off, and with it all channels of a position, where PyTorch's happens not to be. The
portable twin for other GPUs is in `t3.backbone`.
"""

from __future__ import annotations

import mlx.core as mx

from mlx_impl.ops.cuda.kernel import Kernel, available, bits

THREADS = 256

NORMALIZE = Kernel(
    "rms_norm.cu",
    "rms_normalize",
    ("x", "weight"),
    ("y",),
    "rms_normalize<THREADS>(x, weight, __int_as_float(EPS), weight_shape[0], y);",
)


def applies(x: mx.array, weight: mx.array) -> bool:
    """Whether the kernel takes such arrays `(..., c)` and `(c)`."""
    return x.dtype == weight.dtype == mx.float32 and available()


def rms_norm(x: mx.array, weight: mx.array, eps: float) -> mx.array:
    """`x (..., c)` over the root of its mean square, times `weight (c)`."""
    rows = x.size // x.shape[-1]
    template = {"THREADS": THREADS, "EPS": bits(eps)}
    (y,) = NORMALIZE([x, weight], [x.shape], mx.float32, template, rows, THREADS)
    return y
