"""What is never changed, and why: a change there is none of what the program computes."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst
import libcst.matchers as m

from parity.mutate.place import Place, name_of

KEYWORDS = {
    "strict": "a check of lengths or names, which right arguments pass either way",
    "stream": "where and when something is computed, not what",
}

CALLS = {
    "print": "a message",
    "warn": "a message",
    "debug": "a message",
    "info": "a message",
    "isinstance": "a type: a value of another type would be an error later",
    "TypeVar": "a type",
    "cast": "a type",
    "eval": "when something is computed, not what",
    "async_eval": "when something is computed, not what",
    "synchronize": "when something is computed, not what",
    "clear_cache": "memory, not values",
    "collect": "memory, not values",
}

MEMORY = {
    "contiguous": "how an array lies in memory, not its values",
    "ascontiguousarray": "how an array lies in memory, not its values",
}

CHECKS = ("check", "require", "validate", "ensure", "assert")
"""How the name of a function begins that is called for its errors alone."""

NODES: dict[type[cst.CSTNode], str] = {
    cst.Annotation: "a type",
    cst.Import: "names: an error when the file is imported",
    cst.ImportFrom: "names: an error when the file is imported",
    cst.Decorator: "another function altogether",
    cst.Raise: "the path to an error: the reference has no value to compare with",
    cst.Assert: "a check, which right values pass",
    cst.FormattedString: "a name or a message",
    cst.ConcatenatedString: "a name or a message",
    cst.Del: "memory, not values",
    cst.Global: "names",
    cst.Nonlocal: "names",
}

TEXT = {"__repr__": "text for people", "__str__": "text for people"}

_TYPES = {"dict", "list", "tuple", "set", "frozenset", "type"}
_MODULE_CHECKS = m.Name("TYPE_CHECKING") | m.Comparison(left=m.Name("__name__"))
_DOCSTRING = m.SimpleStatementLine(body=[m.Expr(m.SimpleString() | m.ConcatenatedString())])


def is_left_out(node: cst.CSTNode, place: Place, checks: frozenset[str], choices: frozenset[str] = frozenset()) -> bool:
    """Whether nothing is changed in a node and below it.

    `checks` are the functions that only errors depend on, `choices` those that choose between two ways to the same.
    """
    if isinstance(node, tuple(NODES)) or m.matches(node, _DOCSTRING):
        return True
    if isinstance(node, cst.FunctionDef) and (node.name.value in TEXT or node.name.value in checks):
        return True
    if isinstance(node, cst.Arg) and node.keyword and node.keyword.value in KEYWORDS:
        return True
    if isinstance(node, cst.Expr):
        return isinstance(node.value, cst.Call) and is_left_out(node.value, Place([*place.ancestors, node]), checks)
    if isinstance(node, cst.Call) and name_of(node.func).lstrip("_").startswith(CHECKS):
        return isinstance(place.parent, cst.Expr)
    if isinstance(node, cst.Call) and name_of(node.func) in CALLS:
        return bool(node.args) or name_of(node.func) != "eval"  # without arguments it is a mode, and changes values
    if isinstance(node, cst.If) and m.matches(node.test, _MODULE_CHECKS):
        return True
    if place.ancestors and place.is_condition(node) and is_choice(node, choices):
        return True
    return is_type(node) or is_alias(node, place) or leads_to_error(node, place)


def is_choice(node: cst.CSTNode, choices: frozenset[str]) -> bool:
    """Whether a condition asks nothing but functions of these: `on_gpu() and not few(x)`."""
    if isinstance(node, cst.BooleanOperation):
        return is_choice(node.left, choices) and is_choice(node.right, choices)
    if isinstance(node, cst.UnaryOperation):
        return is_choice(node.expression, choices)
    return isinstance(node, cst.Call) and name_of(node.func) in choices


def stays(node: cst.CSTNode, choices: frozenset[str]) -> bool:
    """Whether a call is left as it is, though not what it is given: of such a function, or of one of `MEMORY`."""
    return isinstance(node, cst.Call) and name_of(node.func) in choices | MEMORY.keys()


def is_type(node: cst.CSTNode) -> bool:
    """`dict[str, int]`, `Callable[..., int]`: a type, not a value."""
    if not isinstance(node, cst.Subscript) or not isinstance(node.value, cst.Name | cst.Attribute):
        return False
    name = name_of(node.value)
    return name in _TYPES or (name[:1].isupper() and not name.isupper())


def is_alias(node: cst.CSTNode, place: Place) -> bool:
    """`__all__`, and at the top of a file a name for a type: `Number = int | float`."""
    if not isinstance(node, cst.Assign) or not isinstance(place.up(2), cst.Module):
        return False
    name = name_of(node.targets[0].target)
    union = m.BinaryOperation(operator=m.BitOr(), left=m.Name() | m.Attribute(), right=m.Name() | m.Attribute())
    return name == "__all__" or (name[:1].isupper() and not name.isupper() and m.matches(node.value, union))


def leads_to_error(node: cst.CSTNode, place: Place) -> bool:
    """A branch that ends with `raise`, and the condition that leads there.

    A condition that is fixed or off by one would show with wrong arguments alone, of which the reference makes nothing.
    """
    parent = place.ancestors[-1] if place.ancestors else None
    if isinstance(parent, cst.If | cst.Else | cst.ExceptHandler | cst.MatchCase) and parent.body is node:
        return raises(node)
    return isinstance(parent, cst.If) and parent.test is node and raises(parent.body)


def raises(block: cst.CSTNode | None) -> bool:
    """Whether a block ends with `raise`."""
    line = block.body[-1] if isinstance(block, cst.IndentedBlock) and block.body else block
    return isinstance(line, cst.SimpleStatementLine | cst.SimpleStatementSuite) and isinstance(line.body[-1], cst.Raise)


def checks_of(module: cst.Module) -> frozenset[str]:
    """The private functions of a file that nothing but the way to an error calls: they make messages and find misfits.

    A function that only such functions call is one, too.
    """
    private = {
        node.name.value
        for node in m.findall(module, m.FunctionDef())
        if isinstance(node, cst.FunctionDef) and node.name.value.startswith("_")
    }
    found: frozenset[str] = frozenset()
    while True:
        used = _Uses(found)
        module.visit(used)
        more = frozenset(name for name in private if name not in used.names and not name.startswith("__"))
        if more == found:
            return found
        found = more


class _Uses(cst.CSTVisitor):
    """All names that are used outside what is left out."""

    def __init__(self, checks: frozenset[str]):
        super().__init__()
        self.names: set[str] = set()
        self.checks = checks
        self.ancestors: list[cst.CSTNode] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        inside = not is_left_out(node, Place(self.ancestors), self.checks)
        parent = self.ancestors[-1] if self.ancestors else None
        if inside and isinstance(node, cst.Name) and not (isinstance(parent, cst.FunctionDef) and parent.name is node):
            self.names.add(node.value)
        self.ancestors.append(node)
        return inside

    def on_leave(self, node: cst.CSTNode) -> None:
        self.ancestors.pop()


def reasons() -> Iterator[tuple[str, str]]:
    """What is left out and why, for the documentation."""
    for kind, why in NODES.items():
        yield kind.__name__, why
    yield from (KEYWORDS | CALLS | MEMORY | TEXT).items()
