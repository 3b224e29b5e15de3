"""A port of Chatterbox: a table of its stages, and the pairs of each with the reference.

A table, `mlx_audio.toml`, has the packages, the models, and by stage how it is had. `make` is the name of a model, of a
function of the Python file beside it that makes one as the port's own pipeline does, or `module:name` of what the port
has. `call` is another function or a method, where the stage is not the model itself. `source` says where a graph cannot
be had, or where what the port computes as it loads is judged too. A stage that the port does not have says why under
`absent`; one that is judged within others of the table needs no line.

`mlx_audio.departures.toml` has what was found: of each departure the subjects that show it, and the texts of the port's
modules that are corrected.
"""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from parity.base.errors import InputError
from ports.chatterbox import models
from ports.chatterbox.subject import Subject, changed
from ports.corrected import Correction, corrections
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
    """A port and the module beside its table: stages by name, names of models, departures with their subjects."""

    name: str
    module: str
    packages: tuple[str, ...]
    stages: Mapping[str, Stage]
    models: Sequence[str] = ()
    departures: Sequence[tuple[Departure, tuple[str, ...]]] = ()

    @property
    def stem(self) -> str:
        """The name of the table and of the module beside it."""
        return self.module.rpartition(".")[2]

    @classmethod
    def read(cls, table: Path) -> Port:
        """The port of a table, and of the departures beside it."""
        said = tomllib.loads(table.read_text(encoding="utf-8"))
        stages = {name: Stage(**fields) for name, fields in said["stages"].items()}
        departures = []
        for one in tomllib.loads(table.with_suffix(".departures.toml").read_text(encoding="utf-8"))["departures"]:
            subjects = tuple(one.pop("subjects"))
            corrected = tuple(Correction(**text) for text in one.pop("corrections", []))
            read = tuple(one.pop("readings", []))
            departures.append((Departure(**one, corrections=corrected, readings=read), subjects))
        names = said["packages"][0], f"{__package__}.{table.stem}"
        return cls(*names, tuple(said["packages"]), stages, list(said.get("models", [])), departures)

    def pairs(self, subjects: Sequence[Subject]) -> Iterator[Pair]:
        """A pair for each subject, whose departures are those that name it."""
        for subject in subjects:
            stage = self.stage(subject)
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

    def stage(self, subject: Subject) -> Stage:
        """How the port has a subject's stage. Raises `InputError` where the table says nothing of it."""
        if subject.stage in self.stages:
            return self.stages[subject.stage]
        judged = {name for name, stage in self.stages.items() if not stage.absent}
        if not subject.within or not judged.issuperset(subject.within):
            raise InputError(f"{self.stem}.toml has no {subject.stage}; expected how it is had, or why it is absent")
        return Stage(absent=f"it is judged in {', '.join(subject.within)}")

    def sides(self, subject: Subject, folder: Path, mended: Sequence[Correction] = ()) -> Sides:
        """What is compared, all of the port by name: it is imported anew with corrections, and in the stand-in."""
        stage, methods = self.stage(subject), vars(importlib.import_module(self.module))
        make = stage.make if ":" in stage.make else f"{self.module}:{stage.make}"
        if stage.make in self.models:
            make = f"{models.__name__}:{self.stem}.{stage.make}"
        called = f"{self.module}:{stage.call}" if stage.call in methods else stage.call or None
        options = {"call": (subject.call, called), "draws": subject.draws, "source": stage.source}
        return Sides(subject.make, make, list(subject.inputs), options, partial(self._around, subject, mended))

    @contextmanager
    def _around(self, subject: Subject, mended: Sequence[Correction]) -> Iterator[None]:
        with corrections(mended, self.module), changed(subject.weights):
            yield
