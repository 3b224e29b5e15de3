"""Statements: assignments that add, several values at once, and calls for their effect alone."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst
import libcst.matchers as m

from parity.mutate.operators.arithmetic import COLLECTIONS
from parity.mutate.operators.operator import operator
from parity.mutate.operators.slices import exchanged_elements
from parity.mutate.place import Place, alike, is_text

EXCHANGED: dict[type[cst.BaseAugOp], type[cst.BaseAugOp]] = {
    cst.AddAssign: cst.SubtractAssign,
    cst.SubtractAssign: cst.AddAssign,
    cst.MultiplyAssign: cst.DivideAssign,
    cst.DivideAssign: cst.MultiplyAssign,
}


@operator(cst.AugAssign, "assignment", "What is added to a value replaces it.", "x += y", "x = y")
def plain_assignment(node: cst.AugAssign, place: Place) -> Iterator[cst.CSTNode]:
    yield cst.Assign([cst.AssignTarget(node.target)], node.value)


@operator(cst.AugAssign, "assignment", "+= and -=, *= and /= are exchanged.", "x += y", "x -= y")
def another_assignment(node: cst.AugAssign, place: Place) -> Iterator[cst.CSTNode]:
    other = EXCHANGED.get(type(node.operator))
    if other and not isinstance(node.value, COLLECTIONS) and not is_text(node.value):
        yield node.with_changes(operator=other(), semicolon=cst.MaybeSentinel.DEFAULT)


@operator(
    cst.Tuple, "return", "Two neighbouring results are exchanged.", "def f(): return a, b", "def f(): return b, a"
)
def another_result(node: cst.Tuple, place: Place) -> Iterator[cst.CSTNode]:
    if isinstance(place.parent, cst.Return):
        yield from exchanged_elements(node, alike)


@operator(cst.Tuple, "exchange", "Two neighbouring names are given each other's value.", "q, k = f(x)", "k, q = f(x)")
def another_target(node: cst.Tuple, place: Place) -> Iterator[cst.CSTNode]:
    holder = place.parent
    if not isinstance(holder, cst.AssignTarget | cst.For | cst.CompFor) or holder.target is not node:
        return
    labels = m.Assign(value=m.Tuple(elements=[m.AtLeastN(m.Element(m.SimpleString()), n=1)]))
    if not m.matches(place.up(2) or holder, labels):  # of labels each is as good as another
        yield from exchanged_elements(node, alike)


@operator(cst.Expr, "call", "A call for its effect is left out.", "cache.append(x)", "pass")
def no_statement(node: cst.Expr, place: Place) -> Iterator[cst.CSTNode]:
    """Not the constructor of the parent class, without which nothing works."""
    if isinstance(node.value, cst.Call) and not m.matches(
        node.value, m.Call(func=m.Attribute(value=m.Call(func=m.Name("super"))))
    ):
        yield cst.Pass()
