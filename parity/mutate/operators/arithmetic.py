"""Operators of arithmetic and of logic."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from parity.mutate.operators.operator import operator
from parity.mutate.place import Place, enclosed, is_text

EXCHANGED: dict[type[cst.BaseBinaryOp], type[cst.BaseBinaryOp]] = {
    cst.Add: cst.Subtract,
    cst.Subtract: cst.Add,
    cst.Divide: cst.Multiply,
    cst.Modulo: cst.FloorDivide,
    cst.BitAnd: cst.BitOr,
    cst.BitOr: cst.BitAnd,
    cst.LeftShift: cst.RightShift,
    cst.RightShift: cst.LeftShift,
}
"""Operators of the same rank, so that the operands stay what they are."""

COLLECTIONS = (cst.BaseList, cst.Tuple, cst.BaseDict, cst.BaseSet)


def joins(node: cst.BinaryOperation) -> bool:
    """Whether texts or collections are put together: another operator is an error at once."""
    return any(is_text(side) or isinstance(side, COLLECTIONS) for side in (node.left, node.right))


@operator(
    cst.BinaryOperation,
    "operator",
    "+ and -, & and |, << and >> are exchanged; / becomes *, % becomes //.",
    "a / b",
    "a * b",
)
def another_operator(node: cst.BinaryOperation, place: Place) -> Iterator[cst.CSTNode]:
    other = EXCHANGED.get(type(node.operator))
    if other and not joins(node):
        yield node.with_changes(operator=other())


@operator(cst.BinaryOperation, "operator", "A factor is left out.", "x * mask", "x")
def no_factor(node: cst.BinaryOperation, place: Place) -> Iterator[cst.CSTNode]:
    """The second, unless the first is a literal. Divided instead, a length would be no integer: an error at once."""
    if isinstance(node.operator, cst.Multiply) and not joins(node):
        yield enclosed(node.right if isinstance(node.left, cst.BaseNumber) else node.left)


@operator(cst.BinaryOperation, "operator", "A power becomes a product.", "x**2", "(x * 2)")
def product(node: cst.BinaryOperation, place: Place) -> Iterator[cst.CSTNode]:
    if isinstance(node.operator, cst.Power):
        yield enclosed(node.with_changes(operator=cst.Multiply()))


@operator(cst.BinaryOperation, "operator", "A division is rounded up, not down.", "length // hop", "-(-length // hop)")
def rounded_up(node: cst.BinaryOperation, place: Place) -> Iterator[cst.CSTNode]:
    """Not in a constructor: the sizes of a model are made to be divided."""
    if isinstance(node.operator, cst.FloorDivide) and place.functions[-1:] != ["__init__"]:
        negative = cst.UnaryOperation(cst.Minus(), enclosed(node.left))
        yield enclosed(cst.UnaryOperation(cst.Minus(), enclosed(node.with_changes(left=negative, lpar=[], rpar=[]))))


@operator(cst.BinaryOperation, "exchange", "The factors of a matrix product are exchanged.", "x @ y", "y @ x")
def other_way_round(node: cst.BinaryOperation, place: Place) -> Iterator[cst.CSTNode]:
    if isinstance(node.operator, cst.MatrixMultiply):
        yield node.with_changes(left=enclosed(node.right), right=enclosed(node.left))


@operator(cst.BooleanOperation, "operator", "`and` and `or` are exchanged.", "a and b", "a or b")
def another_connective(node: cst.BooleanOperation, place: Place) -> Iterator[cst.CSTNode]:
    yield enclosed(node.with_changes(operator=cst.Or() if isinstance(node.operator, cst.And) else cst.And()))


@operator(cst.UnaryOperation, "operator", "A sign or a negation is left out.", "-x", "x")
def no_sign(node: cst.UnaryOperation, place: Place) -> Iterator[cst.CSTNode]:
    """Not of a whole condition, which is fixed instead, nor of a literal: an axis, an index or a length left over."""
    if isinstance(node.expression, cst.Integer) or place.is_condition(node):
        return
    yield enclosed(node.expression)
