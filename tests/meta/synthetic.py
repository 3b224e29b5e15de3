"""Golden folders of any size that no model has made: a contract of one segment, and an array for each tap."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from parity import contract as contracts
from parity.capture.golden import Golden, writing
from parity.contract import Contract

CONTRACT = """
cases = "nobody:load"
checkpoints = "nobody:checkpoint"
state = { x = "b c t" }

[sides.reference]
factory = "nobody:reference"
framework = "torch"

[sides.candidate]
factory = "nobody:candidate"
framework = "mlx"

[layouts]
"b c t" = "b t c"
"b c t f" = "b f t c"

[[segment]]
name = "all"
taps = TAPS

[[rule]]
pattern = "*"
mode = "*"
ratio64 = 2.0
ratio32 = 2.0
why = "the default"
"""


def contract(folder: Path, taps: dict[str, str]) -> Contract:
    """A contract of these taps, by their axes."""
    text = CONTRACT.replace("TAPS", str([[name, axes] for name, axes in taps.items()]))
    (folder / "contract.toml").write_text(text)
    return contracts.load(folder / "contract.toml")


def golden(
    folder: Path, taps: dict[str, str], array: Callable[[str], np.ndarray], floor: float
) -> tuple[Contract, Golden]:
    """A golden folder with these arrays, each made when it is stored, and one floor for all."""
    folder.mkdir(parents=True, exist_ok=True)
    about: dict[str, Any] = {"case": "none", "dims": {}, "segments": [], "environment": {}}
    with writing(folder / "golden", about) as stored:
        for name, axes in taps.items():
            floors = {"": floor}
            stored.add(name, array(name), axes=axes, floors=floors, local=floors, margins=[])
    return contract(folder, taps), Golden(folder / "golden")
