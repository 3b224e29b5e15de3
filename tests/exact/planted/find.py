"""What matching says of faults: the departures, and whether each fault is among them at its own operation."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

from parity.exact.places import CALLS
from parity.exact.program import Node
from parity.match.departures import Departure
from parity.match.matching import Matching, match
from tests.exact import stages
from tests.exact.planted.source import ROOT, Fault, planted

NEAR = 2
"""Lines that the parts of one statement lie apart."""


def matched(faults: Sequence[Fault]) -> Matching:
    """The port with these faults, which are shown by one case, matched with the reference."""
    (case,) = {fault.case for fault in faults}
    ours, given = stages.reference(case)
    theirs, taken = stages.candidate(case, planted(faults), stages.LENGTHS)
    return match(*(both[: stages.LENGTHS] for both in (ours, theirs, given, taken)))


def named(fault: Fault, departures: Sequence[Departure]) -> str:
    """Where the departures name a fault: at its "line" of the port, in the reference's "part" that it is in, or "".

    What is missing in the port has no line there: then the operation of the reference's own class or function counts.
    """
    calls = CALLS if fault.old.startswith("for ") else 2  # a loop over parts is asked from further away
    for departure in departures:
        nodes = (*departure.candidate, *departure.takers)
        if any(abs(line - fault.line) <= NEAR for line in lines(nodes, fault.file, calls)):
            return "line"
    part = counterpart(fault)
    for departure in departures:
        if part is not None and any(part[1] <= line <= part[2] for line in lines(departure.reference, part[0], 2)):
            return "part"
    return ""


def lines(nodes: Sequence[Node], file: Path, calls: int) -> Iterator[int]:
    """Of each operation the innermost lines of a file from which it was asked for: a helper's, and its call."""
    for node in nodes:
        place, found = node.place, 0
        while place is not None and found < calls:
            if Path(place.file) == file:
                found += 1
                yield place.line
            place = place.asked


def counterpart(fault: Fault) -> tuple[Path, int, int] | None:
    """The reference's file, and first and last line of the class or function there that mirrors the faulty one."""
    inside = _holder(fault.file, fault.line)
    file = ROOT / "reference" / fault.file.relative_to(ROOT / "mlx_impl")
    if inside is None or not file.exists():
        return None
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == inside:
            return file, node.lineno, node.end_lineno or node.lineno
    return None


def _holder(file: Path, line: int) -> str | None:
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.lineno <= line <= (node.end_lineno or line):
            return node.name
    return None
