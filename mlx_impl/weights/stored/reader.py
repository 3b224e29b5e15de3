"""A checkpoint file, published or converted, as the parameters that it holds: by name, checked, read one by one."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mlx_impl.weights.stored import fold
from mlx_impl.weights.stored.layout import PYTORCH, convert
from mlx_impl.weights.stored.mapping import FOLD, SCHEMES, SUM, UPSTREAM, Parameter, Scheme
from mlx_impl.weights.stored.number import decode
from spec.files.checkpoint import missing
from spec.files.safetensors_file import DTYPES, STORED, Entry, FormatError, Header, Problem, read_bytes, read_header

# What a converted file says of itself in the header.
TARGET, MAPPING, DTYPE, SOURCE = "target", "mapping", "dtype", "source"
QUANTIZATION, DROPPED, CHECKSUMS = "quantization", "dropped", "crc32"
ANCESTORS = "ancestors"  # hashes of the files that a source says it was made from, and so on
LEFT_OUT = "left_out"  # stages of a published file that the source had not: the community keeps the tokenizer apart
CHECKSUM_WIDTH = 8  # hexadecimal digits


class Quantization(NamedTuple):
    """Of T3's linear layers, as `mlx.nn.quantize` does it."""

    bits: int
    group_size: int = 64


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
        self.unknown: list[str] = []
        for key, entry in self.header.entries.items():
            found = self.scheme.find(key)
            if found is None:
                self.unknown.append(key)
            else:
                self.parameters.setdefault(found[0], Found({})).parts[found[1]] = entry

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

    @property
    def made_from(self) -> dict[str, str]:
        """The files that a converted file was made from, and their hashes."""
        return json.loads(self.header.metadata.get(SOURCE, "{}"))

    @property
    def ancestors(self) -> list[str]:
        """The hashes of all files that a converted file comes from, directly or by others."""
        return [*self.made_from.values(), *self.header.metadata.get(ANCESTORS, "").split()]

    def missing_checksums(self) -> str:
        """What is wrong if a converted file's checksums are those of other keys, or ""."""
        if not self.converted or self.checksums:
            return ""
        return f"its checksums are not of these {len(self.header.entries)} keys: it was changed after it was written"

    def raw(self, entry: Entry, checked: bool = True) -> np.ndarray:
        """A tensor as it is stored. Raises `ValueError` where its checksum is another, unless that is unchecked."""
        with self.file.open("rb") as handle:
            content = read_bytes(handle, entry)
        if checked and self.checksums and zlib.crc32(content) != self.checksums[entry.key]:
            raise ValueError(f"{self.file}: {entry.key} is not as it was written (checksum); fetch or make it again")
        return np.frombuffer(content, STORED[entry.dtype]).reshape(entry.shape)

    def part(self, entry: Entry) -> np.ndarray:
        """A tensor in float32 or integers. Raises `ValueError` for NaN and infinity."""
        array = decode(self.raw(entry), entry.dtype)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{self.file}: {entry.key} holds NaN or infinite weights; fetch or make the file again")
        return array

    def value(self, parameter: Parameter, layout: str = PYTORCH, dtype: type[np.floating] = np.float32) -> np.ndarray:
        """A parameter whose parts are all there, in a layout; of two parts, folded or summed and rounded to `dtype`."""
        parts = [self.part(entry) for _, entry in sorted(self.parameters[parameter].parts.items())]
        have = self.scheme.layout
        if len(parts) == 2:
            name = short_name(self.parameters[parameter].whole.key)
            try:
                parts = [{FOLD: fold.fold, SUM: fold.add}[parameter.leaf.operation](name, *parts, dtype)]
            except ValueError as error:
                raise ValueError(f"{self.file}: {error}") from error
        return convert(parts[0], parameter.leaf.layout if not self.packed(parameter) else {}, have, layout)

    def packed_parameters(self) -> set[Parameter]:
        """The weights that are stored quantised: other converters quantise some of the layers, and do not say which."""
        return {parameter for parameter in self.parameters if self.packed(parameter)}

    def packed(self, parameter: Parameter) -> bool:
        """Whether a parameter is stored quantised: its codes lie as they are."""
        return self.quantization is not None and self.parameters[parameter].whole.dtype == "U32"


class Unreadable(ValueError):
    """A file that is not a whole one, with what is wrong."""

    def __init__(self, message: str, problems: tuple[Problem, ...]):
        super().__init__(message)
        self.problems = problems


def short_name(key: str) -> str:
    """The layer of a weight norm's key, without its file's prefix."""
    return key.partition(".parametrizations")[0].removeprefix("mel2wav.")


def scheme_of(keys: list[str]) -> Scheme:
    """The naming that knows most of the keys, upstream's where none knows more."""
    if all(UPSTREAM.find(key) is not None for key in keys):  # no other can know more
        return UPSTREAM
    counts = {scheme: sum(scheme.find(key) is not None for key in keys) for scheme in SCHEMES.values()}
    return max(counts, key=lambda scheme: (counts[scheme], scheme is UPSTREAM))


def usual_quantization(header: Header) -> Quantization | None:
    """How a file that does not say it is quantised, in MLX's usual groups; None where it has no packed weight."""
    for key, entry in header.entries.items():
        scales = header.entries.get(key.removesuffix("weight") + "scales")
        if entry.dtype == "U32" and scales is not None and len(entry.shape) == len(scales.shape) == 2:
            inputs = scales.shape[1] * Quantization(0).group_size
            return Quantization(32 * entry.shape[1] // inputs) if inputs else None
    return None


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
