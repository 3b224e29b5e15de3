"""Where two programs part whose outputs have other shapes: nothing can be put in place of what has another size."""

from __future__ import annotations

from math import prod

from parity.match.quantities import Quantities
from parity.match.values import Pooled, Runs, Step
from parity.match.weights import Anchors
from parity.prove.parameters import differing


def parting(ours: Quantities, theirs: Runs, anchors: Anchors) -> str:
    """A sentence about the first operation with one weight whose results have other sizes; empty for none.

    A program may run steps apart, or several projections together: sizes of which one divides the other say nothing.
    """
    values = theirs.evaluate()
    takers: dict[int, list[Step]] = {}
    for step in theirs.steps:
        for key in step.inputs:
            if len(same := anchors.same.get(key, [])) == 1:
                takers.setdefault(same[0], []).append(step)
    for step in ours.runs.steps:
        wanted = _shape(ours.values[step.outputs[0]])
        for weight in step.inputs:
            there = takers.get(weight, [])
            if there and all(_unlike(wanted, _shape(values[one.outputs[0]])) for one in there):
                return _said(step, wanted, there[0], _shape(values[there[0].outputs[0]]))
    return ""


def _said(step: Step, wanted: tuple[int, ...], other: Step, made: tuple[int, ...]) -> str:
    name = step.node.module or step.node.operation
    why = f": {text}" if (text := differing(step.node, other.node)) else ""
    return f"{name} gives shape {wanted}, the port shape {made} at {other.node.place or 'an unknown place'}{why}"


def _shape(pooled: Pooled) -> tuple[int, ...]:
    return () if pooled[0] is None else pooled[0].shape


def _unlike(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    few, many = sorted(prod(shape) for shape in (one, other))
    return bool(few and many % few)
