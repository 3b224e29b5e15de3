"""Fourier transforms as `mx.fft` defines them: the axes' last one is the one that is real."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.fft


def transform(
    x: np.ndarray,
    n: Sequence[int] | int | None,
    axes: Sequence[int],
    inverse: bool = False,
    real: bool = False,
    norm: str = "backward",
) -> np.ndarray:
    """The transform over `axes`, at sizes `n` (None: those of x): complex, or real inputs to the non-negative half.

    With `inverse` and `real` the non-negative half gives real values, and `n` is the size of the result: by default
    even, 2 · (inputs - 1). Inputs are cut or padded with zeros at their ends. `norm` is 'backward' (the inverse divides
    by the number of elements), 'ortho' (both by its root) or 'forward' (the transform divides). No axes: x itself.
    """
    x = np.asarray(x)
    if not axes:
        return x
    sizes = (n,) if isinstance(n, int) else n
    if not inverse and real:
        return np.asarray(scipy.fft.rfftn(_double(x.real), sizes, axes, norm=norm))
    kind = {(False, False): scipy.fft.fftn, (True, False): scipy.fft.ifftn, (True, True): scipy.fft.irfftn}
    return np.asarray(kind[inverse, real](_double(x), sizes, axes, norm=norm))


def _double(x: np.ndarray) -> np.ndarray:
    return x.astype(np.complex128 if x.dtype.kind == "c" else np.float64, copy=False)
