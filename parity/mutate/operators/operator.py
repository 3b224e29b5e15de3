"""What an operator is: a kind of node, what stands in its place, and a word, a sentence and an example that say so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import libcst as cst

from parity.mutate.place import Place

Change = Callable[[Any, Place], Iterator[cst.CSTNode]]


@dataclass(frozen=True)
class Operator:
    """One row of the documented table. `change` gives each node that may stand where the node of a `kind` stands."""

    kinds: tuple[type[cst.CSTNode], ...]
    word: str
    says: str
    before: str
    after: str
    change: Change


OPERATORS: list[Operator] = []
"""All operators, in the order in which their files are read."""


def operator(
    kinds: type[cst.CSTNode] | tuple[type[cst.CSTNode], ...], word: str, says: str, before: str, after: str
) -> Callable[[Change], Change]:
    """Enter a function into the table."""

    def entered(change: Change) -> Change:
        several = kinds if isinstance(kinds, tuple) else (kinds,)
        OPERATORS.append(Operator(several, word, says, before, after, change))
        return change

    return entered
