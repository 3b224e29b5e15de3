"""What is converted: the checkpoint files that hold one model, checked before anything is made of them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from mlx_impl.convert.inventory import FILE_OF, Expected, examine, expected_of, files_of
from mlx_impl.convert.origin import made_from
from mlx_impl.weights.stored.foreign import Quantization
from mlx_impl.weights.stored.mapping import UPSTREAM, Parameter
from mlx_impl.weights.stored.reader import Tensors
from spec.files.checkpoint import ALL_IN_ONE, FLOWS, Contents, contents_of, missing, names_of, t3_named
from spec.files.safetensors_file import STORED


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
                    raise ValueError(f"{both} both hold {parameter.stage}; name one of them")
                self.holder[parameter] = tensors
            self.expected |= expected_of(tensors)
            for key, (dtype, shape, value) in tensors.dropped.items():
                if (found := UPSTREAM.find(key)) is not None:
                    self.scalars[found[0]] = np.full(shape, value, STORED[dtype])

    @property
    def quantization(self) -> Quantization | None:
        return next((tensors.quantization for tensors in self.tensors if tensors.quantization is not None), None)

    def left_out(self, expected: Expected) -> list[str]:
        """The stages of which the source has nothing: its naming has not got them, or it says so itself."""
        files = files_of(expected)
        said = {stage for tensors in self.tensors for stage in tensors.left_out if FILE_OF[stage] in files}
        return sorted(({p.stage for p in expected} | said) - {p.stage for p in self.holder})

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


def contents(source: Path, t3: str | None = None) -> Contents:
    """What a checkpoint directory holds, or a file alone; of several T3 the one that is named, all where none is.

    Raises `ValueError` where there is no such file or directory, and for a T3 that is not there.
    """
    if not source.is_dir() and not source.is_file():
        raise ValueError(missing(source))
    found = Contents(source.parent, [source]) if source.is_file() else contents_of(source)
    if t3 is not None:
        meant = t3_named(t3, found.t3)
        for file in found.t3:
            if file != meant:
                found.weights.remove(file)
                found.unneeded[file.name] = f"--t3 {t3}"
    return found


def source_of(tensors: Tensors, against: Path, t3: str | None = None) -> Source:
    """The files of a directory that a file was made from, or may have been: those of the stages that it holds.

    Raises `ValueError` where several T3, or several files of the flow, may be meant.
    """
    found = contents(against, t3)
    if against.is_file():
        return Source(found.weights)
    if whole := [file for file in found.weights if file.name == ALL_IN_ONE]:
        return Source(whole)
    flows = [file for file in found.weights if file.name in FLOWS]
    other = [file for file in found.weights if file not in flows and file not in found.t3]
    named = {tensors.file.name, *made_from(tensors)}
    files = []
    for stage in files_of(tensors.parameters):
        there = {"s3gen": flows, "t3_cfg": found.t3}.get(stage) or [file for file in other if file.stem == stage]
        meant = [file for file in there if file.name in named] or there
        if len(meant) > 1:
            raise ValueError(
                f"{against} holds {names_of(meant)}; say with --t3 which {tensors.file.name} was made from"
            )
        files += meant
    return Source(files)
