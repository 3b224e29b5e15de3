"""A module's source, in which each place that may go one way or another reports which way it went.

| in the source | in its place |
|---|---|
| `if a and b`, `x if a else y`, `while a`, `... for x in xs if a` | each operand's truth: `watch.truth[n][not a]` |
| `maximum(x, 1e-5)`, `minimum`, `clip`, `where`; `max(a, b)` | the call: `watch.limit(n, maximum, x, 1e-5)` |
| `x[:, :n]` | `watch.cut(n, x, (slice(None), slice(n)))` |
| `for x in xs`, also in comprehensions | `watch.loop(n, xs)` |
| `a % b`, `a // b`, `divmod(a, b)` | `watch.divided(n, divmod, a, b)` |
| a function, a `case` | `watch.ran[n]` first in its body |

Only what is inside functions is watched. Left out is what no case should reach: conditions whose body ends in `raise`,
assertions, functions that only raise or are empty, and divisions in constructors or of configured numbers.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from parity.base import exercise as sites
from parity.base import syntax
from parity.base.exercise import Site

WATCH = "_parity_watch"
"""The name of the watch among a module's globals."""

CALLS = {
    "maximum": ("limit", 2, (sites.LOWER,)),
    "minimum": ("limit", 2, (sites.UPPER,)),
    "clip": ("clip", 2, (sites.LOWER, sites.UPPER)),
    "clamp": ("clip", 2, (sites.LOWER, sites.UPPER)),
    "where": ("choice", 3, (sites.CHOICE,)),
}
"""Of a function of arrays: the method that watches it, how many arguments it has at least, and what it is."""

SHOWN = 80  # characters of a site's text
DIVISIONS = {ast.Mod: "mod", ast.FloorDiv: "floordiv"}


def instrumented(source: bytes, file: str) -> tuple[ast.Module, list[Site]]:
    """The tree of a source with its reports, and the sites, whose numbers are their places in the list."""
    tree = syntax.module(source)
    writer = _Writer(file, source)
    writer.visit(tree)
    return tree, writer.sites


class _Writer(ast.NodeTransformer):
    def __init__(self, file: str, source: bytes):
        self.file, self.lines = file, source.splitlines(keepends=True)
        self.sites: list[Site] = []
        self.scope: list[str] = []  # classes and functions around
        self.inside = 0  # functions around
        self.names: Counter[str] = Counter()

    def _site(self, node: Any, kind: str, text: str, ways: Sequence[str] = ()) -> Any:
        text = text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
        function = ".".join(self.scope)
        wanted = tuple(ways) or sites.WANTED[kind]
        self.sites.append(Site(self.file, node.lineno, node.col_offset, function, kind, text, wanted))
        return _at(node, ast.Constant(len(self.sites) - 1))

    def _text(self, node: Any) -> str:
        """What a node is in the source, on one line."""
        first, last = node.lineno - 1, node.end_lineno - 1
        if first == last:
            found = self.lines[first][node.col_offset : node.end_col_offset]
        else:
            between = self.lines[first + 1 : last]
            found = b"".join([self.lines[first][node.col_offset :], *between, self.lines[last][: node.end_col_offset]])
        return " ".join(found.decode("utf-8", "replace").split())

    def _report(self, method: str, *args: ast.expr, at: Any, keywords: Sequence[ast.keyword] = ()) -> Any:
        return _at(at, ast.Call(_watch(method, at), list(args), list(keywords)))

    def _ran(self, number: ast.expr, at: Any) -> Any:
        return _at(at, ast.Expr(_entry(_watch("ran", at), number, at)))

    # Functions.

    def _within(self, name: str, body: Callable[[], Any]) -> None:
        """Visit the parts of a class or function that are inside of it."""
        full = ".".join([*self.scope, name])
        self.names[full] += 1
        self.scope.append(name if self.names[full] == 1 else f"{name}#{self.names[full]}")
        body()
        self.scope.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        before, self.inside = self.inside, 0
        self._within(node.name, lambda: self.generic_visit(node))
        self.inside = before
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        def body() -> None:
            self.inside += 1
            shown = node.name in ("__repr__", "__str__") or _empty(node.body)
            number = None if shown else self._site(node, sites.FUNCTION, f"{'.'.join(self.scope)}()")
            node.body = _visited(self, node.body)
            if number is not None:
                place = int(ast.get_docstring(node, clean=False) is not None)
                node.body.insert(place, self._ran(number, node))
            self.inside -= 1

        self._within(node.name, body)
        return node

    visit_AsyncFunctionDef = visit_FunctionDef  # type: ignore[assignment]

    def visit_Lambda(self, node: ast.Lambda) -> Any:
        def body() -> None:
            self.inside += 1
            number = self._site(node, sites.FUNCTION, self._text(node))
            ran = _entry(_watch("ran", node.body), number, node.body)  # None
            node.body = _at(node.body, ast.BoolOp(ast.Or(), [ran, self.visit(node.body)]))
            self.inside -= 1

        self._within("<lambda>", body)
        return node

    # Conditions.

    def _test(self, node: ast.expr) -> Any:
        """A condition whose operands report; only its truth is asked for."""
        if isinstance(node, ast.BoolOp):
            node.values = [self._test(value) for value in node.values]
            return node
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            node.operand = self._test(node.operand)
            return node
        if isinstance(node, ast.Constant) or not self.inside:
            return self.visit(node)
        number = self._site(node, sites.CONDITION, self._text(node))
        otherwise = _at(node, ast.UnaryOp(ast.Not(), self.visit(node)))
        return _entry(_entry(_watch("truth", node), number, node), otherwise, node)

    def visit_If(self, node: ast.If) -> Any:
        guard = _raises(node.body) or _raises(node.orelse)
        node.test = self.visit(node.test) if guard else self._test(node.test)
        node.body, node.orelse = _visited(self, node.body), _visited(self, node.orelse)
        return node

    def visit_While(self, node: ast.While) -> Any:
        node.test = self._test(node.test)
        node.body, node.orelse = _visited(self, node.body), _visited(self, node.orelse)
        return node

    def visit_IfExp(self, node: ast.IfExp) -> Any:
        node.test = self._test(node.test)
        node.body, node.orelse = self.visit(node.body), self.visit(node.orelse)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> Any:
        node.iter = self._loop(node)
        node.ifs = [self._test(test) for test in node.ifs]
        return node

    def visit_match_case(self, node: ast.match_case) -> Any:
        watched = self.inside and not _raises(node.body)
        number = self._site(node.pattern, sites.MATCH, f"case {self._text(node.pattern)}") if watched else None
        if node.guard is not None:
            node.guard = self._test(node.guard)
        node.body = _visited(self, node.body)
        if number is not None:
            node.body.insert(0, self._ran(number, node.body[0]))
        return node

    def visit_Assert(self, node: ast.Assert) -> Any:
        return node

    def visit_Raise(self, node: ast.Raise) -> Any:
        return node

    # Lengths.

    def visit_For(self, node: ast.For) -> Any:
        node.iter = self._loop(node)
        node.body, node.orelse = _visited(self, node.body), _visited(self, node.orelse)
        return node

    def _loop(self, node: ast.For | ast.comprehension) -> Any:
        over = node.iter
        if not self.inside or isinstance(over, ast.Tuple | ast.List):
            return self.visit(over)
        number = self._site(node.target, sites.LOOP, f"for {self._text(node.target)} in {self._text(over)}")
        return self._report("loop", number, self.visit(over), at=over)

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        several = isinstance(node.slice, ast.Tuple)
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        bounded = [isinstance(part, ast.Slice) and bool(part.lower or part.upper) for part in parts]
        if not (self.inside and isinstance(node.ctx, ast.Load) and any(bounded)):
            return self.generic_visit(node)
        text = self._text(node)
        numbers = [
            self._site(part, sites.SLICE, f"{text} in axis {axis}" if sum(bounded) > 1 else text)
            if watched
            else _at(part, ast.Constant(None))
            for axis, (part, watched) in enumerate(zip(parts, bounded, strict=True))
        ]
        made: list[ast.expr] = [self._part(part) for part in parts]
        index = _at(node, ast.Tuple(made, ast.Load())) if several else made[0]
        return self._report("cut", _at(node, ast.Tuple(numbers, ast.Load())), self.visit(node.value), index, at=node)

    def _part(self, part: ast.expr) -> Any:
        if not isinstance(part, ast.Slice):
            return self.visit(part)
        bounds = (part.lower, part.upper, part.step)
        made = [_at(part, ast.Constant(None)) if bound is None else self.visit(bound) for bound in bounds]
        return self._report("slice", *made, at=part)

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        operation = DIVISIONS.get(type(node.op))  # its function in `operator`
        if operation is None or not self._of_lengths(node.left):
            return self.generic_visit(node)
        number = self._site(node, sites.DIVISION, self._text(node))
        function = _watch(operation, node)
        return self._report("divided", number, function, self.visit(node.left), self.visit(node.right), at=node)

    def _of_lengths(self, dividend: ast.expr) -> bool:
        """It may be a length of what is computed: no text, no number of a configuration, not in a constructor."""
        if not self.inside or "__init__" in self.scope or isinstance(dividend, ast.Constant | ast.JoinedStr):
            return False
        while isinstance(dividend, ast.UnaryOp):
            dividend = dividend.operand
        if isinstance(dividend, ast.Attribute):
            return dividend.attr in ("size", "ndim", "nbytes")
        return True

    # Limits.

    def visit_Call(self, node: ast.Call) -> Any:
        own = isinstance(node.func, ast.Name)
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        starred = any(isinstance(argument, ast.Starred) for argument in node.args)
        given = len(node.args) + len(node.keywords)
        numbers: list[ast.expr] = []
        method, least, kinds = CALLS.get(name, ("", 0, ()))
        if not self.inside or starred:
            pass
        elif own and name in ("max", "min") and len(node.args) > 1:
            method, text = "extreme", self._text(node)
            numbers = [self._site(node, sites.EXTREME, text, [self._text(argument) for argument in node.args])]
        elif own and name == "divmod" and self._of_lengths(node.args[0]):
            method, numbers = "divided", [self._site(node, sites.DIVISION, self._text(node))]
        elif kinds and given >= least:
            text = self._text(node)
            numbers = [self._site(node, kind, text) for kind in kinds]
        self.generic_visit(node)
        if not numbers:
            return node
        return self._report(method, *numbers, node.func, *node.args, at=node, keywords=node.keywords)


def _at(place: Any, node: Any) -> Any:
    """A new node at the place of another."""
    node.lineno, node.col_offset = place.lineno, place.col_offset
    node.end_lineno, node.end_col_offset = place.end_lineno, place.end_col_offset
    return node


def _watch(method: str, place: Any) -> ast.expr:
    watch: ast.expr = _at(place, ast.Attribute(_at(place, ast.Name(WATCH, ast.Load())), method, ast.Load()))
    return watch


def _entry(table: ast.expr, key: ast.expr, place: Any) -> ast.expr:
    entry: ast.expr = _at(place, ast.Subscript(table, key, ast.Load()))
    return entry


def _visited(writer: _Writer, body: list[ast.stmt]) -> list[ast.stmt]:
    return [writer.visit(statement) for statement in body]


def _raises(body: list[ast.stmt]) -> bool:
    """A check: what no case should reach."""
    return bool(body) and isinstance(body[-1], ast.Raise)


def _empty(body: list[ast.stmt]) -> bool:
    """There is nothing in it but a docstring, `...`, `pass` or an exception that is raised."""
    return all(
        isinstance(statement, ast.Pass | ast.Raise)
        or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        for statement in body
    )
