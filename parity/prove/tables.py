"""Tables that the port holds as the checkpoint does, in single precision, where the twin computes them in double."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from parity.exact.constants import half_ulp
from parity.exact.program import Constant, Program
from parity.match.audit.lying import arranged
from parity.match.weights import telling


def as_meant(program: Program, reference: Program, model: Any) -> tuple[Program, list[str]]:
    """The port's program with the reference's tables in double where it holds the model's own bits, and their names.

    Sines of thousands of radians are off by far more than half an ulp in single precision. A port that took such a
    table over from the checkpoint holds what the model does, and means the same. `model` is the reference before it
    was widened. Tables that the port computes itself, or holds in part, stay as they are.
    """
    tables = list(_rounded(reference, model))
    constants, names = dict(program.constants), list[str]()
    for number, constant in program.constants.items() if tables else ():
        for name, held, wide in tables:
            if constant.array.dtype.kind != "f" or constant.array.size != held.size:
                continue
            arrangement = arranged(constant.array, held)
            if arrangement is not None:
                meant = arrangement.apply(wide, constant.array.shape)
                constants[number] = replace(constant, array=meant, rounded="")
                names.append(name)
                break
    return replace(program, constants=constants), names


def _rounded(reference: Program, model: Any) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Buffers of a module whose values in double are not theirs within rounding: name, both arrays."""
    buffers = dict(model.named_buffers()) if hasattr(model, "named_buffers") else {}
    by_name: dict[str, Constant] = {constant.name: constant for constant in reference.constants.values()}
    for name, buffer in buffers.items():
        constant = by_name.get(name)
        if constant is None or str(buffer.dtype) != "torch.float32" or constant.array.shape != tuple(buffer.shape):
            continue
        held = buffer.detach().cpu().double().numpy()
        apart = np.abs(constant.array - held) > half_ulp(held, "float32")
        if telling((held,)) and apart.any():
            yield name, held, constant.array
