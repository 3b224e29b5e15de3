"""Checkpoint files from one naming, layout and dtype to another: tensor by tensor, whole or not at all."""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from mlx_impl.convert.encoding import encode, quantized, split, unfold
from mlx_impl.convert.inventory import Expected, files_of, is_multilingual, packed, stored, with_quantization
from mlx_impl.convert.origin import ancestors
from mlx_impl.convert.source import Source, contents, sha256
from mlx_impl.convert.version import VERSION
from mlx_impl.weights.stored.foreign import Quantization
from mlx_impl.weights.stored.layout import PYTORCH
from mlx_impl.weights.stored.layout import convert as to_layout
from mlx_impl.weights.stored.mapping import COMMUNITY, DROP, FOLD, MLX, SUM, UPSTREAM, Parameter, Scheme
from mlx_impl.weights.stored.mapping.rule import LAYER
from mlx_impl.weights.stored.reader import (
    ANCESTORS,
    CHECKSUM_WIDTH,
    CHECKSUMS,
    DROPPED,
    DTYPE,
    LEFT_OUT,
    MAPPING,
    QUANTIZATION,
    SOURCE,
    TARGET,
)
from parity.base.files import replacing, require_new
from spec.config import ENGLISH_T3, MULTILINGUAL_T3
from spec.files.checkpoint import ALL_IN_ONE, VOICES, Contents, names_of
from spec.files.conditionals import load_conditionals, save_conditionals
from spec.files.safetensors_file import DTYPES, WORKERS, Entry, write_file

Progress = Callable[[str, int, int], None]  # the file, how many of its bytes are written, and of how many


@dataclass(frozen=True)
class Request:
    """What a file is to become."""

    target: Scheme = MLX
    dtype: str = "float32"
    quantization: Quantization | None = None
    t3: str | None = None  # which of several, by its file's name


class Conversion:
    """One file to write: its entries, each with how its value is made."""

    def __init__(self, source: Source, request: Request, expected: Expected):
        self.source, self.request = source, request
        self.dtype = DTYPES[request.dtype]
        self.new = request.quantization  # to be made here; a source's own codes are handed on
        if source.quantization is not None and (self.new or request.target not in (MLX, COMMUNITY)):
            raise ValueError("the source is quantised; convert the published checkpoint instead")
        self.quantization = self.new or source.quantization
        # A published file is whole; of the others a stage may be left out, and they say so.
        unnamed = {p.stage for p in expected} - {p.stage for p in expected if request.target.keys(p)}
        absent = source.left_out(expected)
        if request.target is UPSTREAM and absent:
            raise ValueError(f"the source has no {', '.join(absent)}; convert the published checkpoint instead")
        self.left_out = sorted(unnamed.union(absent))
        expected = {parameter: shapes for parameter, shapes in expected.items() if parameter.stage not in self.left_out}
        if strange := [p for p in expected if p.leaf.operation != DROP and not request.target.keys(p)]:
            raise ValueError(
                f"the naming {request.target} has no {strange[0].rule.names[0]} ({len(strange)} such tensors): it has "
                "neither Turbo nor Nano; take --target mlx or upstream"
            )
        own = None if self.new else set().union(*map(packed, source.tensors))
        self.expected = with_quantization(expected, self.quantization, own)
        self.entries: dict[Entry, tuple[Parameter, int]] = {}
        lost = []
        for parameter in self.expected:
            for part, (key, shape, dtype) in enumerate(stored(self.expected, request.target, parameter)):
                if self.base(parameter) not in source:
                    lost.append(key)
                dtype = self.dtype if dtype == "F32" else dtype
                self.entries[Entry(key, dtype, shape)] = (parameter, part)
        if lost:
            raise ValueError(
                f"the source does not hold what fills {', '.join(lost[:5])} ({len(lost)} keys); "
                "convert the published checkpoint instead"
            )
        if self.new and any(parameter.rule.kind == "linear of GPT-2" for parameter in self.expected):
            raise ValueError(
                "nothing to quantise: Turbo's and Nano's linear layers lie otherwise; leave --quantize out"
            )
        if self.new and not any(entry.dtype == "U32" for entry in self.entries):
            raise ValueError("nothing to quantise: only T3's linear layers are, and the source has no T3")

    def base(self, parameter: Parameter) -> Parameter:
        """What a scale or bias is made from where it is made here: the weight."""
        if self.new and parameter.leaf.name in ("scales", "biases"):
            return parameter._replace(leaf=LAYER["linear"][0])
        return parameter

    def dropped(self) -> dict[str, list[Any]]:
        """The scalars that the target does not hold, by upstream's key, so that the way back is exact."""
        found = {}
        for parameter, (_, dtype) in self.expected.items():
            if parameter in self.source and not self.request.target.keys(parameter):
                (key,) = UPSTREAM.keys(parameter)
                shape = self.expected[parameter][0][0]
                if np.prod(shape) == 1:
                    found[key] = [dtype, list(shape), self.source.value(parameter).item()]
        return found

    def array(self, entry: Entry) -> np.ndarray:
        """The value of an entry, as it is stored. Raises `ValueError` for what does not fit the dtype."""
        parameter, part = self.entries[entry]
        base = self.base(parameter)
        array = self.source.part(base, part) if self.as_stored(parameter) else self.source.value(base)
        if self.new and (base is not parameter or entry.dtype == "U32"):
            array = quantized(array, self.new)[parameter.leaf.name]
        elif len(self.request.target.keys(parameter)) == 2 and not self.as_stored(parameter):
            array = {FOLD: unfold, SUM: split}[parameter.leaf.operation](array)[part]
        if entry.dtype in ("U32", "I64"):
            return array
        layout = parameter.leaf.layout
        return encode(entry.key, to_layout(array, layout, PYTORCH, self.request.target.layout), entry.dtype)

    def as_stored(self, parameter: Parameter) -> bool:
        """Whether source and target both have a parameter in two parts: neither is folded nor summed then."""
        return len(self.request.target.keys(parameter)) == 2 and self.source.parts(parameter) == 2

    def write(self, out: Path, progress: Callable[[int, int], None]) -> None:
        """Write the file, the same bytes every time."""
        sums: dict[str, int] = {}
        total, done, lock = sum(entry.size for entry in self.entries), 0, Lock()

        def value(entry: Entry) -> np.ndarray:
            nonlocal done
            array = np.asarray(self.array(entry), order="C")
            with lock:
                sums[entry.key] = zlib.crc32(array.reshape(-1).view(np.uint8))
                done += entry.size
                progress(done, total)
            return array

        blank = "0" * CHECKSUM_WIDTH * len(self.entries)

        def finish(head: bytes) -> bytes:
            digits = "".join(f"{sums[key]:0{CHECKSUM_WIDTH}x}" for key in sorted(sums))
            mark = f'"{CHECKSUMS}":"'
            return head.replace((mark + blank).encode(), (mark + digits).encode(), 1)

        # MLX, which quantises, does not survive the end of a thread that it has computed in.
        workers = 1 if self.new else WORKERS
        write_file(out, self.entries, value, self.metadata() | {CHECKSUMS: blank}, finish, workers)

    def metadata(self) -> dict[str, str]:
        about = {
            "format": "pt" if self.request.target is UPSTREAM else "mlx",
            TARGET: str(self.request.target),
            MAPPING: VERSION,
            DTYPE: self.request.dtype,
            SOURCE: json.dumps({file.name: sha256(file) for file in self.source.files}),
            DROPPED: json.dumps(self.dropped()),
        }
        if known := {each for tensors in self.source.tensors for each in ancestors(tensors)}:
            about[ANCESTORS] = " ".join(sorted(known))
        if self.left_out:
            about[LEFT_OUT] = " ".join(self.left_out)
        if self.quantization is not None:
            about[QUANTIZATION] = json.dumps(self.quantization._asdict())
        return about


def conversions(source: Path, found: Contents, out: Path, request: Request) -> Iterator[tuple[Path, Conversion]]:
    """What is to be written where: a file for a file; for a directory its files, or one for `mlx-community`."""
    if source.is_file() or request.target is COMMUNITY:
        if len(found.t3) > 1:
            raise ValueError(f"{source} holds {names_of(found.t3)}, and {request.target} has one T3; choose with --t3")
        whole = Source(found.weights)
        yield (out if source.is_file() else out / ALL_IN_ONE), Conversion(whole, request, whole.expected)
        return
    for file in found.weights:
        whole = Source([file])
        for published in files_of(whole.expected):
            part = {p: shape for p, shape in whole.expected.items() if files_of([p]) == [published]}
            name = file.name if file.name != ALL_IN_ONE else f"{published}.safetensors"
            if name == ENGLISH_T3 and is_multilingual(part):
                name = MULTILINGUAL_T3
            wanted = request if published == "t3_cfg" else Request(request.target, request.dtype)
            yield out / name, Conversion(whole, wanted, part)


def convert(
    source: Path,
    out: Path,
    request: Request,
    progress: Progress = lambda *_: None,
    say: Callable[[str], object] = lambda _: None,
) -> list[Path]:
    """Convert a checkpoint file or directory; what was written. Nothing that exists is replaced, and all is or nothing.

    `say` is told what the result lacks, and which files of the directory are not needed. Raises `ValueError` for a
    source with anything wrong in it, before anything is written.
    """
    if request.quantization is not None and request.target not in (MLX, COMMUNITY):
        raise ValueError(f"--quantize with --target {request.target}: only mlx and mlx-community have packed weights")
    found = contents(source, request.t3)
    if source.is_dir():
        found.check()
    jobs = list(conversions(source, found, out, request))
    if request.quantization is not None and not any(job.quantization for _, job in jobs):
        raise ValueError("nothing to quantise: only T3's linear layers are, and the source has no T3")
    voices = {out / voice_name(file, request): load_conditionals(file) for file in found.companions if is_voice(file)}
    others = {out / file.name: file for file in found.companions if not is_voice(file)}
    written = [*(file for file, _ in jobs), *others, *voices]
    require_new(written)
    for file, job in jobs:
        if job.left_out:
            heard = ", and `speak` takes no recording as its voice" if "tokenizer" in job.left_out else ""
            lacks = f"{request.target} or the source has not got it{heard}"
            say(f"{file.name} is without {', '.join(job.left_out)}: {lacks}")
    for name, reason in found.unneeded.items():
        say(f"not needed: {name}" + (f" ({reason})" if reason else ""))
    with ExitStack() as whole:  # all files, or none
        for file, job in jobs:
            job.write(whole.enter_context(replacing(file)), partial(progress, file.name))
        for file, companion in others.items():
            shutil.copyfile(companion, whole.enter_context(replacing(file)))
        for file, voice in voices.items():
            save_conditionals(whole.enter_context(replacing(file)), voice, file.suffix)
    return written
    return written


def is_voice(file: Path) -> bool:
    return file.name in VOICES


def voice_name(file: Path, request: Request) -> str:
    """What a voice's file is called: upstream reads the one name, MLX ports the other, this side both."""
    return {UPSTREAM: VOICES[0], COMMUNITY: VOICES[1]}.get(request.target, file.name)
