"""A proof as text and as plain data: the departures, each with the operations of both programs and their source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from parity.match.audit import Audit
from parity.match.audit.rows import SHOWN
from parity.match.departures import Departure
from parity.match.explanation import Explanation
from parity.match.groups import summary
from parity.prove.inputs import Order
from parity.prove.parameters import apart, rows
from parity.prove.proof import Proof

KINDS = {
    "graph": "the graph that MLX runs",
    "standin": "its run in the stand-in for mlx.core",
    "file": "the graph of the file",
    "torch": "its run in PyTorch",
}


def lines(proof: Proof) -> Iterator[str]:
    """The verdict first, then what it rests on, then every departure."""
    verdict = "PROVEN" if proof.proven else "NOT PROVEN"
    if proof.proven and proof.weights.unseen:
        verdict = "WRONG WEIGHTS, of which these inputs show nothing"
    yield f"{verdict}: {proof.candidate} against {proof.reference}, in double, by {KINDS[proof.source]}"
    for shapes in proof.shapes:
        yield "  inputs " + ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    for name, order in proof.layout.items():
        if not _plain(order):
            yield f"  {name}: the port takes its axes in the order {', '.join(map(str, order))}"
    for place, output in enumerate(proof.outputs):
        axes = "" if _plain(output.order) else f", axes in the order {', '.join(map(str, output.order))}"
        sign = "≤" if output.equal else ">"
        text = output.apart or f"largest difference {output.error:.1e} {sign} {output.bound:.1e} of its RMS"
        yield f"  output {place}: {text}{axes}"
    yield from (f"  {text}" for text in proof.swapped)
    for text in proof.independent:
        yield f"  {text}: connect it, or leave it out of the inputs of both"
    yield from weight_lines(proof.weights)
    if proof.found is not None:
        found, missing = len(proof.found.taps), len(proof.found.unmatched_taps)
        yield f"  {found} of {found + missing} module outputs of the reference found in the port by value"
        said = {departure.number: _of_module(departure, proof.views) for departure in proof.found.departures}
        elsewhere = [text for text in proof.views.values() if not any(text in texts for texts in said.values())]
        yield from (f"  {text}" for text in elsewhere)
        groups = proof.found.groups
        if text := summary(groups):
            yield f"  {text}"
        for group in groups:
            departure = proof.found.departures[group.first]
            yield ""
            yield from departure_lines(departure, proof.found.explanations[group.first], said[departure.number])
            if text := str(group):
                yield f"  {text}"
        for text in proof.found.remaining:
            yield f"  with all departures mended still different: {text}"
    for text, count in Counter(proof.unresolved).items():
        several = f" ({count} of them)" if count > 1 else ""
        yield f"  {text}{several}: the exact value is not known, half an ulp is allowed"
    for text in proof.notes:
        yield f"  note: {text}"


def weight_lines(weights: Audit) -> Iterator[str]:
    """What is wrong with the weights, how much of the difference of the outputs that explains, and what is not."""
    sentences = [*weights.departures, *weights.facts]
    for text in sentences[:SHOWN]:
        first, *more = text.split("\n")
        yield f"  weights: {first}"
        yield from (f"  {line}" for line in more)
    if len(sentences) > SHOWN:
        yield f"  weights: and {len(sentences) - SHOWN} more sentences, all in the JSON report"
    if weights.another and not weights.explains:
        yield "  departures are not looked for: give both sides the same weights"


def _of_module(departure: Departure, views: Mapping[str, str]) -> list[str]:
    """What is said of the weights of a departure's module."""
    module = departure.module.partition("#")[0]
    return [text for name, text in views.items() if module and name.startswith(f"{module}.")]


def departure_lines(departure: Departure, explanation: Explanation, first: Sequence[str] = ()) -> Iterator[str]:
    """Both programs' formulas between equal inputs and the differing value, and the lines that they stand in.

    What explains all of it comes `first`, then the arguments in which one operation differs.
    """
    inside = f" in {departure.module}" if departure.module else ""
    yield f"departure {departure.number + 1}{inside}: {departure.kind}, {departure.error:.1e} of its RMS"
    yield from (f"  {text}" for text in (*first, *apart(departure), *rows(explanation)))
    for name, side in (("reference", explanation.reference), ("port", explanation.candidate)):
        yield f"  {name}: {side.formula}"
        for place, line in zip(side.places, side.lines, strict=True):
            yield f"    {place}" + (f": {line}" if line else "")
    if explanation.names:
        yield "  where " + ", ".join(f"{letter} = {name}" for letter, name in explanation.names.items())
    if explanation.relation:
        yield f"  the port's is {explanation.relation}"
    yield from (f"  {text}" for text in explanation.constants)
    if departure.output is not None:
        yield f"  it is output {departure.output} of the port: nothing follows"
    elif departure.healed:
        yield "  proven: with the reference's value in its place, what follows is equal"
    else:
        yield "  what follows is not equal even with the reference's value in its place"


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
            {
                "error": output.error,
                "bound": output.bound,
                "equal": output.equal,
                "order": list(output.order),
                "apart": output.apart,
            }
            for output in proof.outputs
        ],
        "independent": proof.independent,
        "swapped": proof.swapped,
        "views": list(proof.views.values()),
        "weights": proof.weights.as_dict(),
        "matching": None if proof.found is None else proof.found.as_dict(),
        "unresolved": proof.unresolved,
        "notes": proof.notes,
    }


def _plain(order: Order) -> bool:
    return order == tuple(range(len(order)))
