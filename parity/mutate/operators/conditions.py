"""Conditions that are fixed, and loops that are one round shorter."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst
import libcst.matchers as m

from parity.mutate.left_out import raises
from parity.mutate.operators.operator import operator
from parity.mutate.operators.slices import further
from parity.mutate.place import Place, name_of


@operator(
    cst.BaseExpression,
    "condition",
    "A condition always holds, or never.",
    "y = a if last else b",
    "y = a if True else b",
)
def fixed_condition(node: cst.BaseExpression, place: Place) -> Iterator[cst.CSTNode]:
    """A filter is only left out, and `while` only never entered: the other way all is lost, or without end.

    Where the other branch is an error, a condition that holds is no change; nor can a name go without its value.
    """
    if not place.is_condition(node) or m.matches(node, m.Name("True") | m.Name("False")):
        return
    otherwise = place.parent.orelse if isinstance(place.parent, cst.If) else None
    always_holds = isinstance(otherwise, cst.Else) and raises(otherwise.body)
    if not isinstance(place.parent, cst.While) and not always_holds and not m.findall(node, m.NamedExpr()):
        yield cst.Name("True")
    if not isinstance(place.parent, cst.CompIf):
        yield cst.Name("False")


@operator(cst.Call, "loop", "A range begins one later or ends one earlier.", "range(count)", "range(count - 1)")
def shorter(node: cst.Call, place: Place) -> Iterator[cst.CSTNode]:
    """Where the loop's number is not used, both are the same, and one is enough."""
    if name_of(node.func) != "range" or any(arg.star or arg.keyword for arg in node.args):
        return
    values = [arg.value for arg in node.args]
    step = values[2:]
    start, stop = (cst.Integer("0"), values[0]) if len(values) == 1 else values[:2]
    if not step and not isinstance(stop, cst.Integer):
        yield called(node, [*values[:-1], further(stop, -1)])
    loop = place.parent
    if not (isinstance(loop, cst.For | cst.CompFor) and m.matches(loop.target, m.Name("_"))):
        yield called(node, [further(start, 1), stop, *step])


def called(node: cst.Call, values: list[cst.BaseExpression]) -> cst.Call:
    """The call with other arguments, all by position."""
    return node.with_changes(args=[cst.Arg(value) for value in values])
