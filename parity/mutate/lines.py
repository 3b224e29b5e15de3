"""Which lines of a candidate are run, when, and what runs a line of its source.

coverage.py sees the lines, each in the context of what is done. A statement of several lines is run if any of them is.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from parity.base import syntax
from parity.mutate.subject import File

Reached = dict[str, dict[str, list[int]]]
"""By module, the lines that are run at its import (`IMPORT`), and those that are run by a segment or for it (`RUN`)."""
IMPORT, LOAD, RUN = "import", "load", "run"


@contextmanager
def traced(files: list[File]) -> Iterator[tuple[Reached, Callable[[str], object]]]:
    """Inside, lines are noted. Gives what is filled in at the end, and how to say what is done from then on."""
    import coverage

    known = {str(file.path): file.module for file in files}
    tracer = coverage.Coverage(data_file=None, config_file=False, include=list(known), messages=False)
    reached: Reached = {}
    tracer.start()
    tracer.switch_context(IMPORT)
    try:
        yield reached, tracer.switch_context
    finally:
        tracer.stop()
    data = tracer.get_data()
    for path in data.measured_files():
        found: dict[str, list[int]] = {IMPORT: [], RUN: []}
        for line, contexts in data.contexts_by_lineno(path).items():
            for name, own in ((IMPORT, {IMPORT}), (RUN, {LOAD, RUN})):
                if own & set(contexts):
                    found[name].append(line)
        reached[known[path]] = {name: sorted(lines) for name, lines in found.items()}


class Statements:
    """The statements of a source, by line."""

    def __init__(self, source: str):
        self.lines: dict[int, range] = {}
        self._walk(syntax.module(source))

    def of(self, line: int) -> range:
        """The lines of the statement that a line belongs to; of what stands above a body, that alone.

        The defaults of a function's parameters are values in its body: of a function's head, the lines of its body.
        """
        return self.lines.get(line, range(line, line + 1))

    def _walk(self, tree: ast.AST) -> None:
        for node in ast.iter_child_nodes(tree):
            if isinstance(node, ast.stmt | ast.excepthandler | ast.match_case):
                self._note(node)
            self._walk(node)

    def _note(self, node: ast.stmt | ast.excepthandler | ast.match_case) -> None:
        first = _first(node)
        body: list[ast.stmt] = getattr(node, "body", [])
        end = body[-1].end_lineno if isinstance(node, ast.match_case) else node.end_lineno
        own = range(first, (end or first) + 1)
        if body:
            own = range(first, max(_first(body[0]), first + 1))
        told = own
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            told = range(_first(body[0]), (end or first) + 1)
        self.lines |= dict.fromkeys(own, told)


def _first(node: ast.stmt | ast.excepthandler | ast.match_case) -> int:
    """The first line of a statement, its decorators included."""
    if isinstance(node, ast.match_case):
        return node.pattern.lineno
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(each.lineno for each in decorators)])
