"""Axes: by keyword, by position, as an index of a shape, and as the place of an index among others."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import libcst as cst

from parity.mutate.operators.operator import operator
from parity.mutate.place import Place, code, integer, literal, name_of

KEYWORDS = {"axis", "axes", "dim", "dims", "axis1", "axis2", "dim0", "dim1", "source", "destination"}

POSITIONAL = {
    **dict.fromkeys(("swapaxes", "moveaxis", "expand_dims", "unsqueeze", "squeeze", "flatten"), 0),
    **dict.fromkeys(("sum", "mean", "max", "min", "argmax", "argmin", "prod", "var", "std", "all", "any"), 0),
    **dict.fromkeys(("cumsum", "cumprod", "softmax", "argsort", "sort", "size"), 0),
}
"""Functions and methods whose positional integers are axes, from which argument on."""


def is_axis(node: cst.CSTNode, place: Place) -> bool:
    """Whether an integer, or the number of a negative one, says which axis."""
    signed = isinstance(place.parent, cst.UnaryOperation)
    argument = place.up(2 if signed else 1)
    if isinstance(argument, cst.Arg):
        if argument.keyword:
            return argument.keyword.value in KEYWORDS
        return place.called in POSITIONAL
    subscript = place.up(4 if signed else 3)
    return isinstance(argument, cst.Index) and isinstance(subscript, cst.Subscript) and is_shape(subscript)


def is_shape(node: cst.Subscript) -> bool:
    """`x.shape[1]`."""
    return name_of(node.value) == "shape"


@operator(
    (cst.Integer, cst.UnaryOperation),
    "axis",
    "An axis is the one before it; the first, the next.",
    "x.shape[1]",
    "x.shape[0]",
)
def another_axis(node: cst.BaseExpression, place: Place) -> Iterator[cst.CSTNode]:
    axis = integer(node)
    if axis is None or isinstance(place.parent, cst.UnaryOperation):
        return
    inner = node.expression if isinstance(node, cst.UnaryOperation) else node
    within = Place([*place.ancestors, node]) if inner is not node else place
    if is_axis(inner, within):
        yield literal(axis - 1 if axis else 1)


@operator(cst.Subscript, "axis", "Two neighbouring indices are exchanged.", "x[:, None]", "x[None, :]")
def another_index(node: cst.Subscript, place: Place) -> Iterator[cst.CSTNode]:
    for at, (one, other) in enumerate(pairwise(node.slice)):
        texts = code(one.slice), code(other.slice)
        if texts[0] != texts[1] and not any(text.startswith(("'", '"')) for text in texts):
            pair = [one.with_changes(slice=other.slice), other.with_changes(slice=one.slice)]
            yield node.with_changes(slice=[*node.slice[:at], *pair, *node.slice[at + 2 :]])


@operator(cst.Attribute, "axis", "A transposition is left out.", "x @ weight.T", "x @ weight")
def no_transpose(node: cst.Attribute, place: Place) -> Iterator[cst.CSTNode]:
    if node.attr.value in ("T", "mT"):
        yield node.value
