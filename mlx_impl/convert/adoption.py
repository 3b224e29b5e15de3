"""What `parity adopt` asks of a checkpoint's files: the audits, the conversion, and which files hold the model."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from mlx_impl.convert.audit import Progress, audit
from mlx_impl.convert.conversion import Request, convert
from mlx_impl.convert.source import contents
from mlx_impl.weights.stored.reader import Tensors, Unreadable
from spec.keys import Key
from spec.synthetic import values

CONVERTED = "converted"  # the option of `mlx_impl.pipeline:Pipeline`, and the folder that it names
SYNTHETIC, PUBLISHED = "synthetic", "published"
TELLING = 64  # values of a tensor from which on two are not equal by chance
DRAWN = 4  # tensors of a file
Say = Callable[[str], None]


def about(folder: Path) -> tuple[list[str], str]:
    """The names of the files that hold the model, tokenizers and voices among them; the kind of the weights."""
    found = contents(folder)
    files = [*found.weights, *found.companions]
    kind = SYNTHETIC if any(map(is_synthetic, found.weights)) else PUBLISHED
    return [file.name for file in files], kind


def is_synthetic(file: Path) -> bool:
    """Whether a file has a tensor that `spec.synthetic` makes: the smallest few that tell are drawn anew.

    A file that cannot be read has none; the audit says what is wrong with it.
    """
    try:
        tensors = Tensors(file)
    except Unreadable:
        return False
    telling = [one for one in tensors.header.entries.values() if one.dtype == "F32" and math.prod(one.shape) >= TELLING]
    drawn = []
    for entry in sorted(telling, key=lambda one: math.prod(one.shape)):
        with suppress(ValueError):  # a buffer, or another naming's key
            drawn.append((entry, values(Key(entry.key, entry.shape))))
        if len(drawn) == DRAWN:
            break
    return any(np.ptp(made) and np.array_equal(made, tensors.raw(entry)) for entry, made in drawn)


def audit_published(folder: Path, say: Say) -> dict[str, Any]:
    """Everything that is wrong with the files as published."""
    return audit(folder, progress=tenths(say)).as_dict()


def convert_published(folder: Path, out: Path, say: Say) -> dict[str, Any]:
    """Fill `out` with links to the published files, and the folder `converted` with the MLX side's own."""
    for name in about(folder)[0]:
        (out / name).symlink_to((folder / name).resolve())
    convert(folder, out / CONVERTED, Request(), tenths(say), say)
    return {CONVERTED: CONVERTED}


def audit_converted(folder: Path, out: Path, say: Say) -> dict[str, Any]:
    """Everything that is wrong with the MLX side's files, each tensor compared with what it was made from."""
    return audit(out / CONVERTED, folder, tenths(say)).as_dict()


def tenths(say: Say) -> Progress:
    """Says of each task how far it is, at each tenth."""
    last: dict[str, int] = {}

    def progress(what: str, done: int, total: int) -> None:
        tenth = 10 * done // total if total else 10
        if last.get(what) != tenth:
            last[what] = tenth
            say(f"{what}: {10 * tenth} %")

    return progress
