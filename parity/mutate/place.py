"""Where a node of the syntax tree stands, and the few questions about it that several operators ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import libcst as cst

Node = TypeVar("Node", bound=cst.CSTNode)

_ATOMS = (
    cst.Name,
    cst.Attribute,
    cst.Call,
    cst.Subscript,
    cst.BaseNumber,
    cst.BaseString,
    cst.BaseList,
    cst.BaseDict,
    cst.BaseSet,
)


@dataclass(frozen=True)
class Place:
    """The ancestors of a node, the module first, and the names that the file imports.

    The list of ancestors is the walk's own: a place holds while its node is visited.
    """

    ancestors: Sequence[cst.CSTNode]
    imported: frozenset[str] = frozenset()

    @property
    def parent(self) -> cst.CSTNode:
        return self.ancestors[-1]

    def up(self, generations: int) -> cst.CSTNode | None:
        """The ancestor so many generations above: 1 is the parent. None above the module."""
        return self.ancestors[-generations] if generations <= len(self.ancestors) else None

    def nearest(self, kind: type[Node] | tuple[type[Node], ...]) -> Node | None:
        """The nearest ancestor of a kind."""
        return next((node for node in reversed(self.ancestors) if isinstance(node, kind)), None)

    @property
    def keyword(self) -> str:
        """The keyword whose whole value the node is, or nothing."""
        name = self.parent.keyword if isinstance(self.parent, cst.Arg) else None
        return name.value if name else ""

    @property
    def called(self) -> str:
        """The name of the function whose argument the node is, or nothing. A sign before the node is looked through."""
        above = 2 if isinstance(self.parent, cst.UnaryOperation) else 1
        call = self.up(above + 1)
        return name_of(call.func) if isinstance(self.up(above), cst.Arg) and isinstance(call, cst.Call) else ""

    def is_condition(self, node: cst.CSTNode) -> bool:
        """Whether the node is all that an `if`, `while`, conditional expression or filter asks."""
        return isinstance(self.parent, cst.If | cst.IfExp | cst.While | cst.CompIf) and self.parent.test is node

    @property
    def functions(self) -> list[str]:
        """The names of the enclosing classes and functions, the outermost first."""
        return [node.name.value for node in self.ancestors if isinstance(node, cst.ClassDef | cst.FunctionDef)]


def name_of(function: cst.CSTNode) -> str:
    """The last name of `a.b.c`; nothing for what has no name."""
    if isinstance(function, cst.Attribute):
        return function.attr.value
    return function.value if isinstance(function, cst.Name) else ""


def root_of(function: cst.CSTNode) -> str:
    """The first name of `a.b.c`; nothing where another expression stands there."""
    while isinstance(function, cst.Attribute):
        function = function.value
    return function.value if isinstance(function, cst.Name) else ""


def code(node: cst.CSTNode) -> str:
    """The node's text, every run of blanks and line ends as one blank."""
    return " ".join(cst.Module([]).code_for_node(node).split())


def enclosed(node: cst.BaseExpression) -> cst.BaseExpression:
    """The expression as it can stand anywhere: between parentheses, if it is made of several parts."""
    if isinstance(node, _ATOMS) or node.lpar:
        return node
    return node.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])


def positional(call: cst.Call) -> list[cst.Arg]:
    """The arguments before the first that is named or unpacked."""
    end = next((at for at, arg in enumerate(call.args) if arg.keyword or arg.star), len(call.args))
    return list(call.args[:end])


def exchanged(items: Sequence[Any], what: str, may: Callable[[Any, Any], bool]) -> Iterator[list[Any]]:
    """The items with `what` two neighbours hold exchanged, in turn for all neighbours that may be."""
    for at, (one, other) in enumerate(pairwise(items)):
        if may(one, other):
            turned = [
                one.with_changes(**{what: getattr(other, what)}),
                other.with_changes(**{what: getattr(one, what)}),
            ]
            yield [*items[:at], *turned, *items[at + 2 :]]


def integer(node: cst.CSTNode) -> int | None:
    """The value of a literal integer with or without a sign; None for anything else."""
    if isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Minus):
        value = integer(node.expression)
        return None if value is None else -value
    return node.evaluated_value if isinstance(node, cst.Integer) else None


def literal(value: int) -> cst.BaseExpression:
    """An integer as an expression."""
    number = cst.Integer(str(abs(value)))
    return cst.UnaryOperation(cst.Minus(), number) if value < 0 else number


def differ(one: cst.BaseExpression, other: cst.BaseExpression) -> bool:
    """Whether two expressions are not the same, and neither is a text or a type."""
    texts = code(one), code(other)
    return texts[0] != texts[1] and not any(text.endswith(("dtype", "'", '"')) for text in texts)


def alike(one: cst.BaseExpression, other: cst.BaseExpression) -> bool:
    """Whether two expressions may be taken for each other: they differ, and both are numbers, names, or more."""

    def kind(node: cst.BaseExpression) -> int:
        return integer(node) is not None or 2 * isinstance(node, cst.Name | cst.Attribute | cst.Subscript)

    return differ(one, other) and kind(one) == kind(other)


def is_text(node: cst.CSTNode) -> bool:
    """Whether the node is a literal string: a name, a key or a message, not a number's way."""
    return isinstance(node, cst.BaseString)
