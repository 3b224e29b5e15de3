"""Axes: by keyword, by position, as an index of a shape, and as the place of an index among others."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from parity.mutate.operators.operator import operator
from parity.mutate.place import Place, code, exchanged, integer, literal, name_of

KEYWORDS = {"axis", "axes", "dim", "dims", "axis1", "axis2", "dim0", "dim1", "source", "destination"}

POSITIONAL = {
    *("swapaxes", "moveaxis", "expand_dims", "unsqueeze", "squeeze", "flatten", "cumsum", "cumprod", "softmax", "size"),
    *("sum", "mean", "max", "min", "argmax", "argmin", "prod", "var", "std", "all", "any", "argsort", "sort"),
}
"""Methods and functions of a module whose positional integers are axes. `max(2, n)` is neither."""


def is_axis(node: cst.CSTNode, place: Place) -> bool:
    """Whether an integer, or the number of a negative one, says which axis; one of several, too."""
    above = [parent for parent in place.ancestors if not isinstance(parent, cst.UnaryOperation)]
    if isinstance(above[-1], cst.Element):
        above = above[:-2]
    argument, holder = above[-1], above[-2] if len(above) > 1 else None
    if isinstance(argument, cst.Arg) and argument.keyword:
        return argument.keyword.value in KEYWORDS
    if isinstance(argument, cst.Arg) and isinstance(holder, cst.Call):
        return isinstance(holder.func, cst.Attribute) and name_of(holder.func) in POSITIONAL
    return isinstance(argument, cst.Index) and len(above) > 2 and is_shape(above[-3])


def is_shape(node: cst.CSTNode) -> bool:
    """`x.shape[1]`."""
    return isinstance(node, cst.Subscript) and name_of(node.value) == "shape"


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
    if is_axis(node, place):
        yield literal(axis - 1 if axis else 1)


@operator(cst.Subscript, "axis", "Two neighbouring indices are exchanged.", "x[:, None]", "x[None, :]")
def another_index(node: cst.Subscript, place: Place) -> Iterator[cst.CSTNode]:
    for indices in exchanged(node.slice, "slice", lambda one, other: code(one.slice) != code(other.slice)):
        yield node.with_changes(slice=indices)


@operator(cst.Attribute, "axis", "A transposition is left out.", "x @ weight.T", "x @ weight")
def no_transpose(node: cst.Attribute, place: Place) -> Iterator[cst.CSTNode]:
    if node.attr.value in ("T", "mT"):
        yield node.value
