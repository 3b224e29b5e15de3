"""A proof as text and as plain data: the departures, each with the operations of both programs and their source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from parity.exact.program import Node
from parity.match.departures import Departure
from parity.prove.inputs import Order
from parity.prove.proof import Proof

SHOWN = 12
"""Operations of one line of source that are shown."""

KINDS = {
    "graph": "the graph that MLX runs",
    "standin": "its run in the stand-in for mlx.core",
    "file": "the graph of the file",
}


def lines(proof: Proof) -> Iterator[str]:
    """The verdict first, then what it rests on, then every departure."""
    verdict = "PROVEN" if proof.proven else "NOT PROVEN"
    yield f"{verdict}: {proof.candidate} against {proof.reference}, in double, by {KINDS[proof.source]}"
    for shapes in proof.shapes:
        yield "  inputs " + ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    for name, order in proof.layout.items():
        if not _plain(order):
            yield f"  {name}: the port takes its axes in the order {', '.join(map(str, order))}"
    for place, output in enumerate(proof.outputs):
        axes = "" if _plain(output.order) else f", axes in the order {', '.join(map(str, output.order))}"
        sign = "≤" if output.equal else ">"
        yield f"  output {place}: largest difference {output.error:.1e} {sign} {output.bound:.1e} of its RMS{axes}"
    for text in proof.independent:
        yield f"  {text}: connect it, or leave it out of the inputs of both"
    if proof.taps:
        yield f"  {proof.found} of {proof.taps} module outputs of the reference found in the port by value"
    for departure in proof.departures:
        yield ""
        yield from departure_lines(departure)
    for text in proof.unresolved:
        yield f"  {text}: its exact value is not known, the bound allows half an ulp"
    for text in proof.notes:
        yield f"  note: {text}"


def departure_lines(departure: Departure) -> Iterator[str]:
    """Both programs' operations between equal inputs and the differing value."""
    inside = f" in {departure.module}" if departure.module else ""
    yield f"departure {departure.number + 1}{inside}: {departure.kind}, {departure.error:.1e} of its RMS"
    yield from _side("reference", departure.reference)
    yield from _side("port", departure.candidate)
    if departure.takers:
        yield from _side("port takes it in", departure.takers)
    if departure.healed:
        yield "  proven: with the reference's value in its place, what follows is equal"
    else:
        yield "  what follows is not equal even with the reference's value in its place"


def _side(name: str, nodes: Sequence[Node]) -> Iterator[str]:
    """The operations in running order, those of one line of source together."""
    yield f"  {name}:" + ("" if nodes else " nothing")
    for place, group in groupby(nodes, lambda node: node.place):
        said = [str(node) for node in group]
        more = f" and {len(said) - SHOWN} more" if len(said) > SHOWN else ""
        yield "    " + ", ".join(said[:SHOWN]) + more
        if place is not None:
            yield f"      {place}" + (f": {place.text}" if place.text else "")


def as_dict(proof: Proof) -> dict[str, Any]:
    """The proof as JSON holds it."""
    return {
        "schema": 4,
        "proven": proof.proven,
        "reference": proof.reference,
        "candidate": proof.candidate,
        "source": proof.source,
        "shapes": [{name: list(shape) for name, shape in shapes.items()} for shapes in proof.shapes],
        "layout": {name: list(order) for name, order in proof.layout.items()},
        "outputs": [
            {"error": output.error, "bound": output.bound, "equal": output.equal, "order": list(output.order)}
            for output in proof.outputs
        ],
        "independent": proof.independent,
        "modules": {"found": proof.found, "of": proof.taps},
        "departures": [_departure(departure) for departure in proof.departures],
        "unresolved": proof.unresolved,
        "notes": proof.notes,
    }


def _departure(departure: Departure) -> dict[str, Any]:
    return {
        "kind": departure.kind,
        "module": departure.module,
        "error": departure.error,
        "proven": departure.healed,
        "reference": [_node(node) for node in departure.reference],
        "candidate": [_node(node) for node in departure.candidate],
        "takers": [_node(node) for node in departure.takers],
    }


def _node(node: Node) -> dict[str, Any]:
    place = node.place
    return {
        "operation": str(node),
        "file": None if place is None else place.file,
        "line": None if place is None else place.line,
        "text": None if place is None else place.text,
    }


def _plain(order: Order) -> bool:
    return order == tuple(range(len(order)))
