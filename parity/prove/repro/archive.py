"""The zip: both scripts are run before it is written, and it is refused if they do not show the difference."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from parity.base.errors import InputError
from parity.base.files import replacing, require_new, writing
from parity.match.matching import Matching
from parity.prove.repro.piece import Piece, piece
from parity.prove.repro.scripts import CANDIDATE, REFERENCE, scripts

README = "README.txt"
EXACT = 1e-9
"""Largest difference, in RMS, of what the reference's script gives from what the reference gave, both in double."""
CLEAR = 4.0
"""So many times the port's rounding must its difference from the reference be, for a script in float32 to show it."""
SECONDS = 300


def write(
    path: Path,
    found: Matching,
    number: int,
    inputs: tuple[list[np.ndarray], list[np.ndarray]],
    exact: dict[int, np.ndarray],
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write a departure as a zip, and give what its scripts printed. Raises `InputError` where that cannot be done."""
    if not overwrite:
        require_new([path])
    one = piece(found, number, inputs, exact)
    ours, theirs = scripts(one)
    texts = {REFERENCE: ours.text, CANDIDATE: theirs.text}
    with TemporaryDirectory() as folder:
        for name, array in ours.files.items():
            np.save(Path(folder) / name, array)
        for name, text in texts.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
        with ThreadPoolExecutor() as both:
            printed = dict(zip(texts, both.map(lambda name: _run(Path(folder) / name), texts), strict=True))
        errors = _errors(one, printed)
        (Path(folder) / README).write_text(readme(one, printed), encoding="utf-8")
        with replacing(path) as partial, writing(path), zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as target:
            for name in sorted(os.listdir(folder)):
                target.write(Path(folder) / name, name)
    return {
        "out": str(path),
        "departure": number + 1,
        "files": sorted([*ours.files, *texts, README]),
        "printed": {name: text.splitlines() for name, text in printed.items()},
        **errors,
    }


def _run(script: Path) -> str:
    """What a script prints, run as a user would."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", script.name],
        cwd=script.parent,
        env=os.environ | {"MLX_ENABLE_TF32": "0"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2]
        raise InputError(f"{script.name} of the departure does not run ({last}); nothing is written")
    return done.stdout


def _errors(one: Piece, printed: dict[str, str]) -> dict[str, float]:
    """The figures that were printed. Raises `InputError` where they do not show a difference."""
    (ours,), (own, theirs) = (
        [float(line.rpartition(": ")[2]) for line in printed[name].splitlines()] for name in (REFERENCE, CANDIDATE)
    )
    title = f"departure {one.departure.number + 1}"
    if not ours <= EXACT:
        raise InputError(
            f"{REFERENCE} of {title} gives another value than the reference did ({ours:.1e} of its RMS); nothing is "
            "written"
        )
    if not theirs > CLEAR * max(own, ours):
        raise InputError(
            f"{CANDIDATE} of {title} is {theirs:.1e} of the RMS from the reference's value and {own:.1e} from the "
            "port's own in double: the difference does not show in single precision; nothing is written"
        )
    return {"reference": ours, "port": own, "difference": theirs}


def readme(one: Piece, printed: dict[str, str]) -> str:
    """What is in the zip, and what its scripts print."""
    reference, candidate = one.explanation.reference, one.explanation.candidate
    where = ", ".join(f"{letter} = {name}" for letter, name in one.explanation.names.items())
    module = f" in {one.departure.module}" if one.departure.module else ""
    lines = [
        f"A port departs from its PyTorch reference{module}, between inputs that are equal.",
        "",
        f"reference: {reference.formula}",
        *(f"  {place}: {line}" for place, line in zip(reference.places, reference.lines, strict=True)),
        f"port:      {candidate.formula}",
        *(f"  {place}: {line}" for place, line in zip(candidate.places, candidate.lines, strict=True)),
        *([f"where {where}"] if where else []),
        "",
        "Run both scripts in this folder. Each needs NumPy and its framework, and nothing else:",
        "",
        f"  python {REFERENCE}",
        *(f"    {line}" for line in printed[REFERENCE].splitlines()),
        f"  python {CANDIDATE}",
        *(f"    {line}" for line in printed[CANDIDATE].splitlines()),
        "",
        "expected.npy is the reference's value in double, port.npy the port's from the same inputs in double.",
        "input_*.npy are what the operations take, weight_*.npy the parameters of the piece, all in double.",
    ]
    return "\n".join(lines) + "\n"
