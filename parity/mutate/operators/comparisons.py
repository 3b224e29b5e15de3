"""Comparisons: one off at the boundary, and the opposite."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from parity.mutate.operators.operator import operator
from parity.mutate.place import Place

BOUNDARY: dict[type[cst.BaseCompOp], type[cst.BaseCompOp]] = {
    cst.LessThan: cst.LessThanEqual,
    cst.LessThanEqual: cst.LessThan,
    cst.GreaterThan: cst.GreaterThanEqual,
    cst.GreaterThanEqual: cst.GreaterThan,
}

OPPOSITE: dict[type[cst.BaseCompOp], type[cst.BaseCompOp]] = {
    cst.LessThan: cst.GreaterThanEqual,
    cst.LessThanEqual: cst.GreaterThan,
    cst.GreaterThan: cst.LessThanEqual,
    cst.GreaterThanEqual: cst.LessThan,
    cst.Equal: cst.NotEqual,
    cst.NotEqual: cst.Equal,
    cst.In: cst.NotIn,
    cst.NotIn: cst.In,
    cst.Is: cst.IsNot,
    cst.IsNot: cst.Is,
}


def replaced(
    node: cst.Comparison, others: dict[type[cst.BaseCompOp], type[cst.BaseCompOp]]
) -> Iterator[tuple[cst.ComparisonTarget, cst.Comparison]]:
    """Each part `< b` of a comparison, and the comparison with another operator there."""
    for at, target in enumerate(node.comparisons):
        if other := others.get(type(target.operator)):
            part = target.with_changes(operator=other())
            yield target, node.with_changes(comparisons=[*node.comparisons[:at], part, *node.comparisons[at + 1 :]])


@operator(cst.Comparison, "comparison", "The boundary is on the other side.", "a < b", "a <= b")
def boundary(node: cst.Comparison, place: Place) -> Iterator[cst.CSTNode]:
    """Not against a literal with a fraction: a computed number is hardly ever exactly that."""
    for target, other in replaced(node, BOUNDARY):
        if not isinstance(target.comparator, cst.Float):
            yield other


@operator(cst.Comparison, "comparison", "A comparison is its opposite.", "found = a == b", "found = a != b")
def opposite(node: cst.Comparison, place: Place) -> Iterator[cst.CSTNode]:
    """Not of a whole condition, which is fixed instead: what is noticed of both fixed ones is noticed here."""
    if not place.is_condition(node):
        yield from (other for _, other in replaced(node, OPPOSITE))
