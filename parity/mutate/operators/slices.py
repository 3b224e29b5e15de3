"""Bounds of slices, and sides of paddings."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import libcst as cst

from parity.mutate.operators.operator import operator
from parity.mutate.place import Place, differ, enclosed, exchanged, integer, literal


def further(bound: cst.BaseExpression | None, by: int) -> cst.BaseExpression:
    """A bound `by` one further in: from the start (`by` 1) or from the end (`by` -1); none is 0 or the end."""
    if bound is None:
        return literal(by)
    value = integer(bound)
    if value is not None:
        return literal(value - 1 if value < 0 else value + 1)
    operator = cst.Add() if by > 0 else cst.Subtract()
    return cst.BinaryOperation(enclosed(bound), operator, cst.Integer("1"))


def _bounds(node: cst.Slice) -> Iterator[cst.Slice]:
    """What is written is changed: `:` alone stands there for the axes behind it."""
    backwards = node.step is not None and (integer(node.step) or 0) < 0
    if node.lower is not None or (node.step is not None and not backwards):
        yield node.with_changes(lower=further(node.lower, 1))
    if node.upper is not None:
        yield node.with_changes(upper=further(node.upper, -1))
    if node.step is not None:
        yield node.with_changes(step=literal(1) if backwards else further(node.step, 1))


@operator(
    cst.Subscript,
    "slice",
    "A slice begins one later, ends one earlier or has another step; a literal end is one later.",
    "x[start:]",
    "x[start + 1:]",
)
def another_bound(node: cst.Subscript, place: Place) -> Iterator[cst.CSTNode]:
    for at, element in enumerate(node.slice):
        if isinstance(element.slice, cst.Slice):
            for bounds in _bounds(element.slice):
                yield node.with_changes(
                    slice=[*node.slice[:at], element.with_changes(slice=bounds), *node.slice[at + 1 :]]
                )


def in_padding(place: Place) -> bool:
    """Whether a number or a tuple of numbers says how wide a padding is."""
    for generation, above in enumerate(reversed(place.ancestors), start=1):
        if isinstance(above, cst.Arg):
            return Place(place.ancestors[: len(place.ancestors) - generation + 1]).called == "pad"
        if not isinstance(above, cst.Element | cst.Tuple | cst.List):
            return False
    return False


@operator(
    (cst.Tuple, cst.List),
    "pad",
    "The sides of a padding are exchanged, or two neighbouring axes of it.",
    "pad(x, (0, 3))",
    "pad(x, (3, 0))",
)
def another_side(node: cst.Tuple, place: Place) -> Iterator[cst.CSTNode]:
    if in_padding(place):
        yield from exchanged_elements(node, differ)


Pair = Callable[[cst.BaseExpression, cst.BaseExpression], bool]


def exchanged_elements(node: cst.Tuple | cst.List, pair: Pair) -> Iterator[cst.CSTNode]:
    """The tuple or list with two neighbours exchanged, in turn each `pair` that may be; not what is unpacked."""

    def may(one: cst.BaseElement, other: cst.BaseElement) -> bool:
        starred = isinstance(one, cst.StarredElement) or isinstance(other, cst.StarredElement)
        return not starred and pair(one.value, other.value)

    for elements in exchanged(node.elements, "value", may):
        yield node.with_changes(elements=elements)
