"""What a contract says of the candidate's source: which parts are not changed, and of which changes nobody can notice.

Both are found by what is written there, never by the number of a line, and each has a reason.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from parity.base.errors import InputError, UnknownNameError
from parity.base.names import meant
from parity.contract import Contract
from parity.mutate.sites import Mutant
from parity.mutate.subject import File


def choices(contract: Contract) -> frozenset[str]:
    """The functions that `leave_out` names.

    A condition that asks nothing but these chooses between two ways to the same: it stays, and both ways are changed.
    """
    return frozenset(
        name.rpartition(".")[2] for entry in contract.mutate.get("leave_out", {}) for _, name in _parts(entry)
    )


def left_out(contract: Contract, file: File) -> set[int]:
    """The lines of the functions, classes and values of a file that `leave_out` names.

    Raises `InputError` for a name that the file has not.
    """
    named = [part for entry in contract.mutate.get("leave_out", {}) for part in _parts(entry)]
    return {line for shown, name in named if shown == file.shown for line in lines_of(file, name)}


def _parts(entry: str) -> Iterator[tuple[str, str]]:
    """The file and each name in it of `port/layers.py: few WIDE`; nothing of what means whole files."""
    path, _, names = entry.partition(": ")
    for name in names.split():
        yield path, name


def lines_of(file: File, name: str) -> range:
    """The lines of a function, class or value of a module, by its dotted name. Raises `InputError` where none is."""
    body, node = ast.parse(file.source).body, None
    for part in name.split("."):
        known = {each: statement for statement in body for each in _names(statement)}
        if part not in known:
            raise UnknownNameError(f"{file.shown}: nothing is called {name!r}; {meant(part, list(known))}")
        node = known[part]
        body = getattr(node, "body", [])
    assert node is not None
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _names(statement: ast.stmt) -> Iterator[str]:
    """What a statement of a module or class defines."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Assign | ast.AnnAssign):
        for target in statement.targets if isinstance(statement, ast.Assign) else [statement.target]:
            yield from (node.id for node in ast.walk(target) if isinstance(node, ast.Name))


def arguments(contract: Contract, surveyed: Mapping[str, tuple[File, Mutant]]) -> dict[str, str]:
    """Why no case can notice a mutant, by its name: what `equivalent` says of changes from one text to another.

    Raises `InputError` for an entry without its change, of a file that is surveyed: the source is another by now.
    """
    files = {file.shown for file, _ in surveyed.values()}
    found: dict[str, str] = {}
    for shown, before, after, why in contract.mutate.get("equivalent", ()):
        names = [
            name
            for name, (file, mutant) in surveyed.items()
            if (file.shown, mutant.before, mutant.after) == (shown, before, after)
        ]
        if not names and shown in files:
            raise InputError(
                f"{contract.path}: {shown} has no change from {before!r} to {after!r}; take its argument from "
                "`equivalent`, or write the change as it is told now"
            )
        found |= dict.fromkeys(names, why)
    return found
