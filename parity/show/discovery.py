"""What `parity discover` found: in a terminal, as JSON, and as a folder that `parity verify` takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from parity.base.files import replacing, require_new, write_text, writing
from parity.match.discover import GRAPH, MODULE, NOTHING, WEIGHTS
from parity.prove import written
from parity.prove.discovery import Discovered

SHOWN = 20


class Discovery(Discovered):
    """Two models matched module by module. `save` writes it as a contract, which `parity verify` runs.

    >>> from pathlib import Path
    >>> found = parity.discover("torch_model:reference", "mlx_model:candidate", Path("short.npz"))
    >>> print(next(found.lines()))
    mlx_model:candidate against torch_model:reference: ... of its modules are found by value
    """

    def lines(self) -> Iterator[str]:
        """How many were found in which way, then those that are no module of the port, and what it has besides."""
        yield f"{self.candidate} against {self.reference}: {self.share:.1%} of its modules are found by value"
        yield from written.summary(self)
        for kind in (GRAPH, WEIGHTS, NOTHING):
            found = self.of(kind)
            yield from (f"  {written.evidence(one)}" for one in found[:SHOWN])
            if len(found) > SHOWN:
                yield f"  ... and {len(found) - SHOWN} more of these, all in {written.CONTRACT}"
        for tap, part in self.behind.items():
            yield f"  {tap}: behind {part}, which the port does not have"
        if self.left:
            yield f"  modules of the port that are none of the reference's: {', '.join(self.left)}"

    def command(self, folder: Path) -> str:
        """What verifies the contract in that folder on its first case."""
        return f"parity verify --contract {folder / written.CONTRACT} --case {self.names[0]}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "reference": self.reference,
            "candidate": self.candidate,
            "source": self.source,
            "share": self.share,
            "cases": self.names,
            "layout": {name: list(order) for name, order in self.layout.items()},
            "modules": [
                {
                    "tap": one.tap,
                    "how": one.how,
                    "module": one.module,
                    "order": list(one.order),
                    "error": one.error if one.how == MODULE else None,
                    "evidence": one.evidence,
                    "departures": list(one.follows),
                }
                for one in self.found
            ],
            "not_judged": written.not_judged(self),
            "left": self.left,
            "departures": len(self.matching.departures),
            "notes": self.notes,
        }

    def save(self, folder: Path, overwrite: bool = False) -> None:
        """Write `contract.toml`, `discovered_sides.py` and the inputs of each case into a folder.

        Raises `InputError` where one of them exists, unless asked to `overwrite`; other files stay as they are.
        """
        texts = {written.CONTRACT: written.contract(self), written.SIDES: written.sides(self)}
        cases = [folder / written.INPUTS / f"{name}.npz" for name in self.names]
        files = [*(folder / name for name in texts), *cases]
        if not overwrite:
            require_new(files)
        try:
            for name, text in texts.items():
                write_text(text, folder / name)
            for file, inputs in zip(cases, self.sets, strict=True):
                with replacing(file) as partial, writing(file), partial.open("wb") as stream:
                    np.savez(stream, **inputs)  # type: ignore[arg-type]
        except BaseException:
            if not overwrite:
                _remove(files, folder)
            raise


def _remove(files: list[Path], folder: Path) -> None:
    for file in files:
        file.unlink(missing_ok=True)
    for place in (folder / written.INPUTS, folder):
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()
