"""Python source to its syntax tree, in one thread at a time.

Until 3.11.8 and 3.12.2 CPython counts the depth of all threads' trees together, and raises SystemError where two
threads make theirs at once (python/cpython#106905).
"""

from __future__ import annotations

import ast
from threading import Lock

_ONE = Lock()


def module(source: str | bytes) -> ast.Module:
    """The tree of a file's source. Raises `SyntaxError`."""
    with _ONE:
        return ast.parse(source)


def expression(source: str) -> ast.expr:
    """The tree of one expression. Raises `SyntaxError`."""
    with _ONE:
        return ast.parse(source, mode="eval").body
