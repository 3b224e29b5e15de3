"""What must be set before a framework is first used: full float32 on GPUs, and a fast BLAS under MLX on Linux.

Imports no framework: it only prepares the process for them. Call `prepare()` before anything imports `mlx.core`, or
MLX keeps a slower BLAS.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from pathlib import Path

from parity.base.errors import InputError

M_MXFAST, M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = 1, -1, -3  # names and numbers of malloc.h
LARGEST_FAST_BYTES = 80 * ctypes.sizeof(ctypes.c_size_t) // 4  # what glibc takes for M_MXFAST
BLAS_SWITCH = "PARITY_BLAS"  # "torch" (default where it applies) or "plain"


def prepare() -> str:
    """Prepare this process and return the name of the BLAS that MLX's CPU backend will use.

    MLX's default on CUDA and on recent Metal is TF32, with 3e-4 relative error: `MLX_ENABLE_TF32=0` turns it off unless
    the caller has set it. The Linux `mlx[cpu]` wheel calls the netlib reference BLAS (about 3 GFLOP/s); PyTorch's
    library exports an optimised `sgemm_`, which takes over when it is loaded first with global symbols (about 130).
    `PARITY_BLAS=plain` keeps MLX's own, and so does a program that has imported MLX already: it is slower, and as
    right. The allocator is told what suits MLX (`_tune_memory`).
    """
    os.environ.setdefault("MLX_ENABLE_TF32", "0")
    choice = os.environ.get(BLAS_SWITCH, "torch")
    if choice not in ("torch", "plain"):
        raise InputError(f"{BLAS_SWITCH}={choice!r}: expected 'torch' or 'plain'")
    if not sys.platform.startswith("linux"):
        return "platform"
    _tune_memory()
    library = _torch_library()
    too_late = getattr(sys.modules.get("mlx.core"), "__file__", None) and not _loaded
    if choice == "plain" or library is None or too_late:
        return "plain"
    if not _loaded:
        _loaded.append(ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL))
    return "torch"


_loaded: list[ctypes.CDLL] = []


def _tune_memory() -> None:
    """Have glibc keep freed memory, and free small pieces without a lock. Where there is no glibc nothing is changed.

    Without the first each temporary of more than 32 MB is mapped anew and touched page by page: page faults took two
    thirds of MLX's attention time. The second is for MLX's two threads: one builds the graph, in some 500 pieces of
    memory a step of an LSTM, and the other frees them. What neither's own cache takes goes through one lock, and who
    finds it held goes to sleep; up to `LARGEST_FAST_BYTES` a list without a lock is used instead (128 by default).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 1 << 30)
        mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
        mallopt(M_MXFAST, LARGEST_FAST_BYTES)


def share_cores() -> None:
    """Have OpenMP's threads sleep while they have no work. Call it before PyTorch is imported; later it has no effect.

    A run in double goes from one library's threads to the other's, and those that wait by asking again and again take
    the cores from those that compute: beside other processes the reference took fifteen times as long. A setting of
    `OMP_WAIT_POLICY` is kept.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def return_memory() -> None:
    """Give freed memory back to the system, as glibc by itself no longer does: for when weights were let go of."""
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)


def _torch_library() -> Path | None:
    spec = importlib.util.find_spec("torch")
    if spec is None or not spec.submodule_search_locations:
        return None
    library = Path(spec.submodule_search_locations[0]) / "lib" / "libtorch_cpu.so"
    return library if library.is_file() else None
