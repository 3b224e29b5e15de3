"""Kernels of the `.cu` files beside this one, compiled by MLX on first use for the dtypes and sizes they are given."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

from mlx_impl.ops.device import on_gpu
from mlx_impl.ops.launched import called

FOLDER = Path(__file__).parent
OLDEST = 8  # major compute capability: Ampere


def available() -> bool:
    """Whether what runs now runs on an NVIDIA GPU that has all the kernels' instructions."""
    return on_gpu() and mx.cuda.is_available() and _generation() >= OLDEST


@dataclass(frozen=True)
class Kernel:
    """A call of a function in a `.cu` file, with pointers named after its inputs and outputs."""

    file: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    call: str

    @cached_property
    def _compiled(self) -> Any:
        return mx.fast.cuda_kernel(
            name=f"{Path(self.file).stem}_{self.name}",
            input_names=self.inputs,
            output_names=self.outputs,
            source=self.call,
            header=(FOLDER / self.file).read_text(encoding="utf-8"),
        )

    def __call__(
        self,
        inputs: list[mx.array],
        shapes: list[tuple[int, ...]],
        dtype: mx.Dtype,
        template: dict[str, mx.Dtype | int],
        blocks: int,
        threads: int,
    ) -> list[mx.array]:
        """Outputs of these shapes. `template` names what the call's angle brackets hold; `threads` are of a block."""
        called(f"{Path(self.file).stem}.{self.name}")
        return self._compiled(
            inputs=inputs,
            output_shapes=shapes,
            output_dtypes=[dtype] * len(shapes),
            grid=(blocks * threads, 1, 1),
            threadgroup=(threads, 1, 1),
            template=list(template.items()),
        )


def bits(number: float) -> int:
    """Of a float32, as an integer: what a kernel's template can hold."""
    return int(np.float32(number).view(np.int32))


@cache
def _generation() -> int:
    return int(mx.device_info(mx.gpu)["compute_capability_major"])


@cache
def multiprocessors() -> int:
    """Of the GPU that MLX uses, which is the first one. MLX does not tell; the driver does."""
    count = ctypes.c_int()
    attribute = 16  # CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT
    error = ctypes.CDLL("libcuda.so.1").cuDeviceGetAttribute(ctypes.byref(count), attribute, 0)
    if error:
        raise RuntimeError(f"CUDA's driver answered {error} when asked for the number of multiprocessors of GPU 0")
    return count.value
