"""Two models that nobody prepared, matched module by module: what a contract for them is written from."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from parity.base.errors import InputError
from parity.base.runtime import prepare
from parity.exact.program import NoProgram
from parity.match.discover import GRAPH, MODULE, NOTHING, WEIGHTS, Finder, Found, Output
from parity.match.matching import Matching, match
from parity.prove import device, programs
from parity.prove import inputs as given
from parity.prove.calls import Call
from parity.prove.inputs import Given, Inputs, Order, turned
from parity.prove.models import is_factory, is_module, kept, named, title
from parity.prove.programs import Port, Sources


@dataclass
class Discovered:
    """Every module of the reference, and how it was found in the candidate; `left` are modules of the candidate alone.

    `layout` is the order of axes in which the candidate takes each input; one that it does not take is not in it.
    `sets` are the inputs, in the reference's layout, and `names` what each is called.
    """

    reference: str
    candidate: str
    source: str
    sets: list[Inputs]
    names: list[str]
    layout: dict[str, Order]
    found: list[Found]
    left: list[str]
    outputs: list[Output]
    count: int
    matching: Matching
    unordered: bool
    factories: tuple[bool, bool]
    keywords: bool
    shapes: list[list[tuple[int, ...]]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def of(self, *kinds: str) -> list[Found]:
        """The modules that were found in one of these ways."""
        return [one for one in self.found if one.how in kinds]

    @property
    def taps(self) -> list[Found]:
        """What the contract declares: all but what the port computes without a module of its own."""
        return self.of(MODULE, WEIGHTS, NOTHING)

    @property
    def lacking(self) -> dict[int, str]:
        """Of each departure that is a part which the candidate does not have, by its number, the part's module."""
        lacking = {one.tap.partition("[call=")[0] for one in self.of(NOTHING, WEIGHTS)}
        parts: dict[int, str] = {}
        for departure in self.matching.departures:
            for path in (node.module.partition("#")[0] for node in departure.reference):
                names = path.split(".")
                above = (".".join(names[: place + 1]) for place in range(len(names)))
                if (part := next((one for one in above if one in lacking), None)) is not None:
                    parts.setdefault(departure.number, part)
        return parts

    @property
    def behind(self) -> dict[str, str]:
        """Taps that are equal only where the reference's value of a part that the candidate lacks is put in place."""
        parts = self.lacking
        return {one.tap: parts[number] for one in self.of(MODULE) for number in one.follows if number in parts}

    @property
    def share(self) -> float:
        """The part of the reference's modules that were found by value, as a module or in the graph."""
        return len(self.of(MODULE, GRAPH)) / len(self.found) if self.found else 0.0

    @classmethod
    def of_models(
        cls,
        reference: Any,
        candidate: Any,
        inputs: Given | Sequence[Given],
        source: str | None = None,
    ) -> Self:
        """See `parity.discover`."""
        prepare()
        files = given.several(inputs)
        sets, notes = device.single(given.read_all(files))
        if nested := [name for name in sets[0] if "/" in name]:
            raise InputError(f"the inputs hold {nested[0]}: a contract has arrays alone; make each an argument")
        port = Port(candidate)
        _importable(reference, port)
        with kept(reference, candidate):
            ours = programs.reference(reference, sets, Call())
            sets = [{name: inputs[name] for name in ours.names} for inputs in sets]
            if not is_module(ours.model):
                raise InputError(f"{title(reference)} is a function: taps are what modules give; name a module")
            best, kind = _matched(port, source, sets, ours, notes)
            theirs, matching, over = best.theirs, best.matching, best.over
            notes.extend(matching.notes)
            finder = Finder(
                matching,
                (ours.programs[:over], theirs.programs[:over]),
                (ours.inputs[:over], theirs.inputs[:over]),
                {path for path, _ in ours.model.named_modules() if path},
            )
            found, outputs = finder.find(), finder.outputs()
        made = cls(
            title(reference),
            port.title,
            kind,
            sets,
            _named(files),
            best.layout,
            found,
            finder.left(found),
            outputs,
            len(ours.programs[0].outputs),
            matching,
            finder.unordered,
            (is_factory(named(reference)), is_factory(named(candidate))),
            isinstance(Call().arguments(ours.model, sets[0], title(reference)), dict),
            notes=[*ours.notes, *notes],
        )
        made.shapes = [[program.shapes[number] for number in program.outputs] for program in ours.programs[: len(sets)]]
        return made


def _importable(reference: Any, port: Port) -> None:
    """Raises `InputError` for what a contract cannot name, or what has no modules."""
    if port.is_file:
        raise InputError(f"{port.title}: a graph has no modules to capture; compare the outputs with `parity compare`")
    if not is_module(port.model):
        raise InputError(f"{port.title} is a function: taps are what modules give; name a module, or what makes one")
    try:
        Port(reference).importable  # noqa: B018 - it raises
        port.importable  # noqa: B018 - it raises
    except NoProgram as error:
        raise InputError(f"a contract names its two models: {error}") from None


def _named(files: Sequence[Any]) -> list[str]:
    """What each set of inputs is called as a case: its file, where it has one of its own."""
    stems = [one.stem if isinstance(one, Path) else "inputs" for one in files]
    return [stem if stems.count(stem) == 1 else f"{stem}-{number}" for number, stem in enumerate(stems, 1)]


@dataclass
class _Best:
    """The port's programs in one layout of its inputs, matched `over` so many sets."""

    theirs: Sources
    layout: dict[str, Order]
    matching: Matching
    over: int

    @property
    def score(self) -> int:
        return len(self.matching.taps) - len(self.matching.departures)


def _matched(port: Port, source: str | None, sets: list[Inputs], ours: Sources, notes: list[str]) -> tuple[_Best, str]:
    kind = source or (programs.TORCH if port.is_torch else programs.GRAPH)
    try:
        return _best(port, kind, sets, ours), kind
    except InputError as error:
        if kind != programs.GRAPH or source is not None:
            raise
        notes.append(f"run in the stand-in for mlx.core, for its graph cannot be had: {error}")
        try:
            return _best(port, programs.STANDIN, sets, ours), programs.STANDIN
        except InputError as again:
            raise (again if isinstance(error, NoProgram) else error) from again


def _best(port: Port, kind: str, sets: list[Inputs], ours: Sources) -> _Best:
    """In the layout of the inputs in which most of the reference is found."""
    best: _Best | None = None
    failures: list[InputError] = []
    names = _taken(port.model, list(sets[0]))
    taken = [{name: inputs[name] for name in names} for inputs in sets]
    with programs.candidate(port, kind) as give:
        for layout in given.layouts(taken[0], {}):
            try:
                sources = give([turned(inputs, layout) for inputs in taken])
                one = _Best(sources, layout, *_match(ours, sources))
            except (NoProgram, programs.Refused):
                raise
            except InputError as error:
                failures.append(error)
                continue
            best = one if best is None or one.score > best.score else best
            if one.matching.equal:
                break
    if best is None:
        raise failures[0]
    return best


def _match(ours: Sources, theirs: Sources) -> tuple[Matching, int]:
    """Over all sets of inputs, or over the first where the operations differ from length to length."""
    over = len(ours.programs)
    try:
        return match(ours.programs, theirs.programs, ours.inputs, theirs.inputs, least=1), over
    except InputError:
        if over == 1:
            raise
        return match(ours.programs[:1], theirs.programs[:1], ours.inputs[:1], theirs.inputs[:1], least=1), 1


def _taken(model: Any, names: list[str]) -> list[str]:
    """The inputs that a port of a part takes: those of the names that it asks for, else the first."""
    try:
        taken = inspect.signature(model.forward if hasattr(model, "forward") else model).parameters.values()
    except (TypeError, ValueError):
        return names
    if any(one.kind is one.VAR_POSITIONAL for one in taken) or len(taken) >= len(names):
        return names
    asked = [one.name for one in taken if one.kind is not one.VAR_KEYWORD]
    return asked if set(asked) <= set(names) else names[: len(asked)]
