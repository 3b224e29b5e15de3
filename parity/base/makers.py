"""Which lines of a function made the values that one of its lines uses, by the names alone."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from functools import lru_cache

from parity.base import syntax

Function = ast.FunctionDef | ast.AsyncFunctionDef
BLOCKS = (ast.stmt, ast.excepthandler, ast.match_case)
"""What of a statement is no part of its head."""


def makers(file: str, line: int) -> list[int]:
    """The lines above a line, in its function, that made what it uses, and what those use; the nearest first.

    Nothing where the file cannot be read, or the line is in no function.
    """
    around = [node for node in _functions("".join(linecache.getlines(file))) if _holds(node, line)]
    if not around:
        return []
    statements = list(_statements(max(around, key=lambda node: node.lineno)))
    wanted = {name for at, _, used in statements if line in at for name in used}
    found: set[range] = set()
    while more := {at for at, made, _ in statements if made & wanted and at.start < line and line not in at} - found:
        found |= more
        wanted |= {name for at, _, used in statements if at in more for name in used}
    return sorted((at.start for at in found), reverse=True)


@lru_cache(maxsize=64)
def _functions(source: str) -> list[Function]:
    try:
        return [node for node in ast.walk(syntax.module(source)) if isinstance(node, Function)]
    except SyntaxError:
        return []


def _holds(node: ast.stmt, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def _statements(function: Function) -> Iterator[tuple[range, set[str], set[str]]]:
    """The lines of each statement of a function, and the names that it makes and uses; of a block, those of its head.

    What a method or an entry is set on counts as made: `x[0] = 1` makes x.
    """
    for node in ast.walk(function):
        if not isinstance(node, ast.stmt) or node is function:
            continue
        body: list[ast.stmt] = getattr(node, "body", [])
        end = body[0].lineno if body else (node.end_lineno or node.lineno) + 1
        heads = [child for child in ast.iter_child_nodes(node) if not isinstance(child, BLOCKS)]
        made, used = set[str](), set[str]()
        for part in (each for head in heads for each in ast.walk(head)):
            if isinstance(part, ast.Name):
                (used if isinstance(part.ctx, ast.Load) else made).add(part.id)
            elif isinstance(part, ast.Subscript | ast.Attribute) and isinstance(part.ctx, ast.Store):
                made |= {each.id for each in ast.walk(part.value) if isinstance(each, ast.Name)}
        yield range(node.lineno, max(end, node.lineno + 1)), made, used
