"""What a comparison says of a planted fault, and whether it says so at the right operation."""

from __future__ import annotations

import importlib
import linecache
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import parity
from parity.exact.places import CALLS
from tests.exact.pairs.planting import PACKAGE, Planted
from tests.exact.planted.find import lines
from tests.exact.planted.source import planted

_PLACE = re.compile(r"\S+\.py:\d+")

FEW = 3
"""Departures among which a fault has to be named."""


@dataclass(frozen=True)
class Answer:
    """`caught`: the comparison does not pass. `said`: what a reader gets.

    `at`: the departures name the operation. The first `FEW` count that differ, as a reader gets no further, and of each
    the lines of the port that are printed, and those that call them: one has to be the changed line, or that of the
    operation which goes wrong. Where an operation was taken out, the port has no such line. Then the first departure
    counts alone, and has to name the line of the reference that was to be ported, which the fault's `lacks` says.
    Where nothing can be compared, the refusal has to name the line.
    `told`: the sentences hold what the fault's `says` ask for.
    """

    caught: bool
    at: bool
    told: bool
    said: str


@contextmanager
def faulty(pair: str, faults: Sequence[Planted]) -> Iterator[None]:
    """The port of a pair is imported with faults, which its lines show as a user's file would."""
    name = f"{PACKAGE}.{pair}.mlx_side"
    sys.modules.pop(name, None)
    with planted(faults):
        try:
            file = importlib.import_module(name).__file__
            if faults and file:
                source = faults[0].file.read_text()
                for fault in faults:
                    source = source.replace(fault.old, fault.new)
                linecache.cache[file] = len(source), None, source.splitlines(keepends=True), file
            yield
        finally:
            sys.modules.pop(name, None)
            linecache.clearcache()


def compared(pair: str, faults: Sequence[Planted] = (), source: str = "graph") -> tuple[parity.Comparison, str]:
    """The mathematics of a pair with faults in its port, and what is printed of it."""
    torch_side = importlib.import_module(f"{PACKAGE}.{pair}.torch_side")
    with faulty(pair, faults):
        port = f"{PACKAGE}.{pair}.mlx_side:candidate"
        found = parity.compare(torch_side.reference, port, torch_side.inputs(), source=source, exact=True)
        return found, str(found)


def answer(fault: Planted) -> Answer:
    """What a user of the faulty port learns."""
    try:
        found, said = compared(fault.case, [fault], fault.source)
    except parity.InputError as error:
        said = str(error)
        at = any(f"{fault.file}:{line}" in said for line in fault.lines)
        return Answer(True, at, _told(fault, _PLACE.sub("", said)), said)
    matching = found.proof.found
    first = [] if matching is None else [matching.departures[group.first] for group in matching.groups[:FEW]]
    nodes = [node for departure in first for node in (*departure.candidate, *departure.takers)]
    sides = [matching.explanations[one.number] for one in first] if matching else []
    shown = {place for side in sides for place in side.candidate.places}
    calls = CALLS if fault.old.startswith("for ") else 2  # a loop over parts is asked from further away
    at = not set(fault.lines).isdisjoint(lines(nodes, fault.file, calls))
    at = at or any(f"{fault.file}:{line}" in shown for line in fault.lines)
    wrong = [place for row in found.weights.rows if row.unlike for place in row.places]
    at = at or any(f" {fault.file}:{line}: " in place for line in fault.lines for place in wrong)
    if fault.lacks and sides and not at:
        asked = list(lines(first[0].reference, fault.counterpart, 2))
        at = fault.lacking in asked or f"{fault.counterpart}:{fault.lacking}" in sides[0].reference.places
    return Answer(not found.passed, at, _told(fault, said), said)


def _told(fault: Planted, said: str) -> bool:
    """The sentences hold what the fault asks for; the lines of both programs beside them do not count."""
    kept = "\n".join(line for line in said.lower().splitlines() if ".py:" not in line)
    return all(any(part in kept for part in text.split("|")) for text in fault.says)
