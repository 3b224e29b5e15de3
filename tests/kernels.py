"""`python -m tests.kernels`: which kernels of ours a run of the tiny case asks for on this device, and how often.

The exit code is 1 where a GPU ran none of them, or a CPU one: the run did not take the way that it was to judge.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from parity.base import runtime

BLAS = runtime.prepare()

import mlx.core as mx  # noqa: E402

from mlx_impl.ops.device import on_gpu  # noqa: E402
from mlx_impl.ops.launched import CALLS  # noqa: E402
from parity.cli import FAILURE, PASS  # noqa: E402
from parity.cli import main as parity  # noqa: E402


def main() -> int:
    """Run the candidate freely, and say what it asked for."""
    with TemporaryDirectory() as folder:
        line = f"capture --case tiny --side candidate --out {Path(folder) / 'dumps'} --quiet"
        code = parity(line.split())
    print(f"{mx.default_device()}, Metal: {mx.metal.is_available()}, CUDA: {mx.cuda.is_available()}")
    for text in told(CALLS):
        print(text)
    return code or judged(on_gpu(), CALLS)


def told(calls: Mapping[str, int]) -> list[str]:
    """A line for each kernel, and the sum."""
    rows = [f"{count:6} {name}" for name, count in sorted(calls.items())]
    return [*rows, f"{sum(calls.values()):6} calls of {len(calls)} kernels of ours"]


def judged(gpu: bool, calls: Mapping[str, int]) -> int:
    """The exit code: a GPU runs some, a CPU none."""
    return PASS if gpu == bool(calls) else FAILURE


if __name__ == "__main__":
    sys.exit(main())
