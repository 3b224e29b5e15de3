"""What the toy's contract names for `parity adopt`: its one file, which both sides read in one form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from parity.base import npy
from parity.base.errors import InputError
from tests.meta.toy import DEPTH, WEIGHTS, WIDTH

Say = Callable[[str], None]
SHAPE = (3 + DEPTH, WIDTH, WIDTH)
COPIES = "copies"


def about(folder: Path) -> tuple[list[str], str]:
    return [WEIGHTS], "published"


def audit(folder: Path, say: Say) -> dict[str, Any]:
    try:
        weights = npy.read(folder / WEIGHTS)
    except InputError as error:
        return result(["not whole"], [str(error)])
    if weights.shape != SHAPE:
        return result(["shape"], [f"has shape {weights.shape}, expected {SHAPE}"])
    return result([], []) if np.isfinite(weights).all() else result(["not finite"], ["holds NaN"])


def convert(folder: Path, out: Path, say: Say) -> dict[str, Any]:
    (out / WEIGHTS).symlink_to((folder / WEIGHTS).resolve())
    (out / COPIES).mkdir()
    npy.write(out / COPIES / WEIGHTS, npy.read(folder / WEIGHTS))
    return {"copies": COPIES}


def check(folder: Path, out: Path, say: Say) -> dict[str, Any]:
    same = np.array_equal(npy.read(folder / WEIGHTS), npy.read(out / COPIES / WEIGHTS))
    return result([], []) if same else result(["other values"], ["is not as published"])


def result(kinds: list[str], texts: list[str]) -> dict[str, Any]:
    problems = [{"kind": kind, "key": WEIGHTS, "text": text} for kind, text in zip(kinds, texts, strict=True)]
    return {"passed": not kinds, "tensors": 1, "counts": dict.fromkeys(kinds, 1), "problems": problems}
