"""What is converted: the checkpoint files that hold one model, checked before anything is made of them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from mlx_impl.convert.inventory import Expected, examine, expected_of
from mlx_impl.weights.checkpoint import ALL_IN_ONE, S3GEN
from mlx_impl.weights.conditioning import VE
from mlx_impl.weights.stored.mapping import UPSTREAM, Parameter
from mlx_impl.weights.stored.reader import Quantization, Tensors
from mlx_impl.weights.t3 import ENGLISH, MULTILINGUAL
from spec.files.safetensors_file import STORED

WEIGHTS = (S3GEN, VE, ENGLISH, MULTILINGUAL, ALL_IN_ONE)


class Source:
    """Checkpoint files that hold one model: each parameter's value, from whichever file has it.

    Raises `ValueError` for a file with anything wrong in it, naming the first problems.
    """

    def __init__(self, files: list[Path]):
        self.files = files
        self.tensors = [Tensors(file) for file in files]
        self.holder: dict[Parameter, Tensors] = {}
        self.expected: Expected = {}
        self.scalars: dict[Parameter, np.ndarray] = {}
        for tensors in self.tensors:
            if problems := examine(tensors):
                listed = "; ".join(problem.text for problem in problems[:5])
                raise ValueError(f"{tensors.file} cannot be converted ({len(problems)} problems): {listed}")
            for parameter in tensors.parameters:
                if parameter in self.holder:
                    both = f"{self.holder[parameter].file} and {tensors.file}"
                    raise ValueError(f"{both} both hold {parameter.stage}; convert one of them")
                self.holder[parameter] = tensors
            self.expected |= expected_of(tensors)
            for key, (dtype, shape, value) in tensors.dropped.items():
                if (found := UPSTREAM.find(key)) is not None:
                    self.scalars[found[0]] = np.full(shape, value, STORED[dtype])

    @property
    def quantization(self) -> Quantization | None:
        return next((tensors.quantization for tensors in self.tensors if tensors.quantization is not None), None)

    def left_out(self, expected: Expected) -> list[str]:
        """The stages of which the source has nothing: its naming has not got them."""
        return sorted({p.stage for p in expected} - {p.stage for p in self.holder})

    def value(self, parameter: Parameter) -> np.ndarray:
        """In PyTorch's layout, float32 or integers; the codes of a quantised weight as they are."""
        if parameter in self.holder:
            return self.holder[parameter].value(parameter)
        return self.scalars[parameter]

    def part(self, parameter: Parameter, part: int) -> np.ndarray:
        """As `value`, of one part."""
        tensors = self.holder[parameter]
        return tensors.part(tensors.parameters[parameter].parts[part])

    def parts(self, parameter: Parameter) -> int:
        return len(self.holder[parameter].parameters[parameter].parts) if parameter in self.holder else 0

    def __contains__(self, parameter: Parameter) -> bool:
        return parameter in self.holder or parameter in self.scalars


def sha256(file: Path) -> str:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def weight_files(source: Path) -> list[Path]:
    """The checkpoint files of a directory, or the file itself. Raises `ValueError` where there is none."""
    files = [source] if source.is_file() else [source / name for name in WEIGHTS if (source / name).is_file()]
    if not files:
        raise ValueError(f"{source}: no checkpoint file and no directory of {', '.join(WEIGHTS)}")
    return files
