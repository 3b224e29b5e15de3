"""A port of Chatterbox: a table of its stages, and the pairs of each with the reference.

A table, `mlx_audio.toml`, has the packages, and by stage how it is had: `make`, a function of the Python file beside it
that makes the model as the port's own pipeline does, or `module:name` of one of the port's; `call`, another one or a
method, where the stage is not the model itself; `source`, where a graph cannot be had. A stage that the port does not
have says why under `absent`. `mlx_audio.departures.toml` has what was found: of each departure the subjects that show
it and, of the port, the modules and the texts that are corrected.
"""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ports.chatterbox.subject import Subject
from ports.corrected import Correction
from ports.pair import Departure, Pair, Sides


@dataclass(frozen=True)
class Stage:
    """How a port has a stage: `make` its model and `call` it. `absent` says why it cannot be judged."""

    make: str = ""
    call: str = ""
    source: str | None = None
    absent: str = ""


@dataclass(frozen=True)
class Port:
    """A port by the name of its table: packages, stages by name, and departures with the subjects that show each."""

    name: str
    module: str
    packages: tuple[str, ...]
    stages: Mapping[str, Stage]
    departures: Sequence[tuple[Departure, tuple[str, ...]]] = ()

    @classmethod
    def read(cls, table: Path) -> Port:
        """The port of a table, and of the departures beside it."""
        said = tomllib.loads(table.read_text(encoding="utf-8"))
        stages = {name: Stage(**fields) for name, fields in said["stages"].items()}
        departures = []
        for one in tomllib.loads(table.with_suffix(".departures.toml").read_text(encoding="utf-8"))["departures"]:
            subjects = tuple(one.pop("subjects"))
            corrected = tuple(Correction(**text) for text in one.pop("corrections", []))
            departures.append((Departure(**one, corrections=corrected), subjects))
        return cls(said["packages"][0], f"{__package__}.{table.stem}", tuple(said["packages"]), stages, departures)

    def pairs(self, subjects: Sequence[Subject]) -> Iterator[Pair]:
        """A pair for each subject, whose departures are those that name it."""
        for subject in subjects:
            stage = self.stages[subject.stage]
            known = tuple(one for one, shown in self.departures if subject.name in shown)
            mended = [text for one in known for text in one.corrections]
            yield Pair(
                f"{self.name}/{subject.name}",
                self.packages,
                partial(self.sides, subject),
                known,
                partial(self.sides, subject, mended=mended) if mended else None,
                "the corrected lines",
                absent=stage.absent,
                confirmed=False,
            )

    def sides(self, subject: Subject, folder: Path, mended: Sequence[Correction] = ()) -> Sides:
        """What is compared, all of the port by name: it is imported anew with corrections, and in the stand-in."""
        stage, methods = self.stages[subject.stage], vars(importlib.import_module(self.module))
        make = stage.make if ":" in stage.make else f"{self.module}:{stage.make}"
        called = f"{self.module}:{stage.call}" if stage.call in methods else stage.call or None
        options = {"call": (subject.call, called), "draws": subject.draws, "source": stage.source}
        return Sides(subject.make(), make, list(subject.inputs), options, mended, self.module)
