"""Weights that are stored as codes of a few bits, with a scale and a bias for each group: MLX's affine quantisation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from parity.exact.constants import HALF
from parity.exact.operations.quantization import dequantize, unpack
from parity.match.audit.tensor import Tensor

BITS = (1, 2, 3, 4, 5, 6, 8)

_SAMPLED = 32
"""Rows that are compared before all are."""


@dataclass(frozen=True, eq=False)
class Quantised:
    """The codes of a weight, its scales and biases."""

    codes: Tensor
    scales: Tensor
    biases: Tensor

    @property
    def rows(self) -> int:
        return self.codes.size // self.codes.shape[-1]

    def settings(self, size: int) -> tuple[int, int] | None:
        """Bits, and numbers in a group, of a weight of so many numbers; None where the codes are not of one."""
        width, groups = self.codes.shape[-1] * 32, self.scales.shape[-1]
        length, rest = divmod(size, self.rows)
        if rest or not length or width % length or length % groups or width // length not in BITS:
            return None
        return width // length, length // groups

    def within(self, reference: np.ndarray, bits: int, group: int, rows: slice = slice(None)) -> bool:
        """Every number is within half a step of what its code stands for.

        A code at either end may be a whole step off: the scale is chosen so that the number farthest from 0 is exact.
        What rounding a scale in half precision moves is allowed.
        """
        codes, scales, biases = (
            tensor.read().reshape(self.rows, -1)[rows] for tensor in (self.codes, self.scales, self.biases)
        )
        wanted = reference.reshape(self.rows, -1)[rows].astype(np.float64)
        made = dequantize(codes, scales, biases, group, bits)
        number = unpack(codes, bits)
        step = np.repeat(np.abs(scales.astype(np.float64)), group, axis=-1)
        bound = np.where((number == 0) | (number == 2**bits - 1), 1.0, 0.5) * step * 1.001
        digits = 2.0**-8 if self.scales.dtype in HALF else 2.0**-20
        bound += digits * (np.abs(made) + number * step + np.repeat(np.abs(biases), group, axis=-1))
        return bool((np.abs(made - wanted) <= bound).all())

    def values(self, bits: int, group: int, shape: tuple[int, ...]) -> np.ndarray:
        """What it stands for."""
        return dequantize(self.codes.read(), self.scales.read(), self.biases.read(), group, bits).reshape(shape)


def quantised(tensors: Sequence[Tensor]) -> Iterator[Quantised]:
    """Codes and their scales and biases, by the names beside them."""
    by_path = {tensor.path: tensor for tensor in tensors if tensor.path}
    for path, tensor in by_path.items():
        module = path.rpartition(".")[0]
        scales, biases = (by_path.get(f"{module}.{leaf}".removeprefix(".")) for leaf in ("scales", "biases"))
        if tensor.dtype == "uint32" and scales is not None and biases is not None:
            yield Quantised(tensor, scales, biases)


def partner(one: Quantised, tensors: Sequence[Tensor]) -> tuple[Tensor, int, int] | None:
    """The weight that the codes stand for, with its bits and the numbers in a group."""
    step = max(1, one.rows // _SAMPLED)
    for tensor in tensors:
        settings = one.settings(tensor.size)
        if settings is None or tensor.shape[: len(one.codes.shape) - 1] != one.codes.shape[:-1]:
            continue
        values = tensor.read()
        if one.within(values, *settings, slice(None, None, step)) and one.within(values, *settings):
            return tensor, *settings
    return None
