"""`python -m tests.exact.graph.versions.make FOLDER`, with any version of MLX: what versions write differently.

Needs MLX and NumPy alone. Writes `VERSION.mlxfn` and `VERSION.npz`, what that version gave for it on a CPU. Older
versions have an update of a slice without a mode, a transform that does not say that its length is odd, and quotients
of integers that are rounded to zero.
"""

from __future__ import annotations

import sys
from pathlib import Path

import mlx.core as mx
import numpy as np

from parity.base.draws import normal

X, PART = normal("versions", "x", (3, 7)), normal("versions", "part", (3, 2))


def function(x: mx.array, part: mx.array) -> list[mx.array]:
    updated = mx.slice_update(x, part, mx.array([2]), (1,))
    static = x + 0
    static[:, 4:6] = part
    whole = (part * 10).astype(mx.int32)
    return [updated, static, mx.fft.irfft(mx.fft.rfft(x), n=7), whole // -3, part // 0.3]


def main(folder: Path) -> None:
    arrays = mx.array(X), mx.array(PART)
    values = {f"output {place}": np.array(array) for place, array in enumerate(function(*arrays))}
    np.savez_compressed(folder / f"{mx.__version__}.npz", **values)
    mx.export_function(str(folder / f"{mx.__version__}.mlxfn"), function, *arrays)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
