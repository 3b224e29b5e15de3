"""A checkpoint file, published or converted, as the parameters that it holds: by name, checked, read one by one."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlx_impl.weights.stored import fold
from mlx_impl.weights.stored.foreign import Quantization, scheme_of, usual_quantization
from mlx_impl.weights.stored.layout import PYTORCH, convert
from mlx_impl.weights.stored.mapping import FOLD, SCHEMES, SUM, Parameter, Scheme
from mlx_impl.weights.stored.number import decode
from spec.files.checkpoint import missing
from spec.files.safetensors_file import DTYPES, STORED, Entry, FormatError, Header, Problem, read_bytes, read_header

# What a converted file says of itself in the header.
TARGET, MAPPING, DTYPE, SOURCE = "target", "mapping", "dtype", "source"
QUANTIZATION, DROPPED, CHECKSUMS = "quantization", "dropped", "crc32"
ANCESTORS = "ancestors"  # hashes of the files that a source says it was made from, and so on
LEFT_OUT = "left_out"  # stages of a published file that the source had not: the community keeps the tokenizer apart
CHECKSUM_WIDTH = 8  # hexadecimal digits


@dataclass
class Found:
    """A parameter of a file: the entries of its parts, by part."""

    parts: dict[int, Entry]

    @property
    def whole(self) -> Entry:
        """The part that has the parameter's shape: of g and v, v."""
        return self.parts[max(self.parts)]


class Tensors:
    """The tensors of one file by parameter. Nothing is read before it is asked for.

    Raises `ValueError` for a file that is missing or no whole safetensors file, and for metadata that make no sense.
    """

    def __init__(self, file: Path):
        self.file = file
        if not file.is_file():
            raise ValueError(missing(file))
        try:
            self.header: Header = read_header(file)
            self.scheme, self.dtype, self.quantization, self.checksums, self.dropped = described(self.header)
        except FormatError as error:
            message = f"{file}: not a whole safetensors file ({error}); fetch or make it again"
            raise Unreadable(message, error.problems) from error
        self.parameters: dict[Parameter, Found] = {}
        for key, entry in self.header.entries.items():
            found = self.scheme.find(key)
            if found is not None:
                self.parameters.setdefault(found[0], Found({})).parts[found[1]] = entry

    def unknown(self) -> list[str]:
        """The keys that the file's naming has not got."""
        return [key for key in self.header.entries if self.scheme.find(key) is None]

    def incomplete(self) -> Iterator[tuple[Parameter, list[str], list[str]]]:
        """Each parameter of which a part is missing, with the keys there and those missing."""
        for parameter, found in self.parameters.items():
            keys = self.scheme.keys(parameter)
            if len(found.parts) < len(keys):
                there = [entry.key for entry in found.parts.values()]
                yield parameter, there, [key for key in keys if key not in there]

    @property
    def converted(self) -> bool:
        """Whether the file says that it was converted, and how."""
        return MAPPING in self.header.metadata

    @property
    def left_out(self) -> list[str]:
        """The stages that a converted file says it does not hold."""
        return self.header.metadata.get(LEFT_OUT, "").split()

    def missing_checksums(self) -> str:
        """What is wrong if a converted file's checksums are those of other keys, or ""."""
        if not self.converted or self.checksums:
            return ""
        return f"its checksums are not of these {len(self.header.entries)} keys: it was changed after it was written"

    def raw(self, entry: Entry) -> np.ndarray:
        """A tensor as it is stored, whatever its checksum is."""
        with self.file.open("rb") as handle:
            return np.frombuffer(read_bytes(handle, entry), STORED[entry.dtype]).reshape(entry.shape)

    def part(self, entry: Entry) -> np.ndarray:
        """A tensor in float32 or integers. Raises `ValueError` for another checksum, for NaN and for infinity."""
        stored = self.raw(entry)
        if self.checksums and zlib.crc32(stored) != self.checksums[entry.key]:
            raise ValueError(f"{self.file}: {entry.key} is not as it was written (checksum); fetch or make it again")
        array = decode(stored, entry.dtype)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{self.file}: {entry.key} holds NaN or infinite weights; fetch or make the file again")
        return array

    def value(self, parameter: Parameter, layout: str = PYTORCH, dtype: type[np.floating] = np.float32) -> np.ndarray:
        """A parameter whose parts are all there, in a layout; of two parts, folded or summed and rounded to `dtype`."""
        parts = [self.part(entry) for _, entry in sorted(self.parameters[parameter].parts.items())]
        if len(parts) == 2:
            join = {FOLD: fold.fold, SUM: fold.add}[parameter.leaf.operation]
            try:
                parts = [join(*parts, dtype)]
            except ValueError as error:
                raise ValueError(f"{self.file}: {self.parameters[parameter].whole.key}: {error}") from error
        return convert(parts[0], parameter.leaf.layout, self.scheme.layout, layout)

    def packed(self, parameter: Parameter) -> bool:
        """Whether a parameter is stored quantised: its codes lie as they are."""
        return self.quantization is not None and self.parameters[parameter].whole.dtype == "U32"


class Unreadable(ValueError):
    """A file that is not a whole one, with what is wrong."""

    def __init__(self, message: str, problems: tuple[Problem, ...]):
        super().__init__(message)
        self.problems = problems


def described(header: Header) -> tuple[Scheme, str, Quantization | None, dict[str, int], dict[str, list]]:
    """What a header's metadata say: naming, dtype, quantisation, checksums, dropped scalars. Raises `FormatError`."""
    metadata = header.metadata
    keys = sorted(header.entries)
    if MAPPING not in metadata:
        return scheme_of(keys), header.usual_dtype, usual_quantization(header), {}, {}
    try:
        scheme, dtype = SCHEMES[metadata[TARGET]], DTYPES[metadata[DTYPE]]
        quantization = Quantization(**json.loads(metadata[QUANTIZATION])) if QUANTIZATION in metadata else None
        dropped = json.loads(metadata[DROPPED])
        sums = metadata[CHECKSUMS]
        numbers = [int(sums[at : at + CHECKSUM_WIDTH], 16) for at in range(0, len(sums), CHECKSUM_WIDTH)]
        if not isinstance(dropped, dict):
            raise ValueError("dropped tensors are no table")
    except (KeyError, ValueError, TypeError) as error:
        text = f"the metadata of a converted file make no sense: {error!r}"
        raise FormatError(Problem("metadata", "", text)) from error
    # Where keys came or went the sums belong to none; `missing_checksums` says so.
    checksums = dict(zip(keys, numbers, strict=True)) if len(numbers) == len(keys) else {}
    return scheme, dtype, quantization, checksums, dropped
