"""The source of a module -> its mutants: the same file with one place changed, by each operator that applies there.

The file is parsed once. A mutant's text is made of three pieces, before, at and after the place.
"""

from __future__ import annotations

import ast
import hashlib
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

import libcst as cst
import libcst.matchers as m
from libcst.metadata import ByteSpanPositionProvider, CodeSpan, MetadataWrapper

from parity.mutate.left_out import checks_of, is_left_out, stays
from parity.mutate.operators import OPERATORS, Operator
from parity.mutate.place import Place, code


@dataclass(frozen=True)
class Mutant:
    """A module with one place changed.

    `line`, from 1, and `column`, from 0, are where the changed expression or statement begins in the original, and
    `last_line` where it ends. `function` is the dotted name of the enclosing classes and functions, nothing for the
    module itself. `operator` is a word of the table of operators. `before` and `after` are the texts of the place on
    one line. `source` is the whole file. `id` stays the same while other places of the file change.
    """

    id: str
    line: int
    column: int
    last_line: int
    function: str
    operator: str
    before: str
    after: str
    source: str = field(repr=False)


def mutants(source: str, module: str = "", choices: frozenset[str] = frozenset()) -> list[Mutant]:
    """All mutants of a module's source, by line and column; `module` is its dotted name, a part of every `id`.

    What chooses between two ways to the same, by calls of `choices` alone, stays. Each mutant can be compiled, and no
    two are the same program, nor one the original's.
    """
    wrapper = MetadataWrapper(cst.parse_module(source), unsafe_skip_copy=True)
    walk = _Walk(wrapper.module, wrapper.resolve(ByteSpanPositionProvider), choices)
    wrapper.module.visit(walk)
    text = source.encode()
    found: list[Mutant] = []
    programs = {source}
    seen: Counter[tuple[str, ...]] = Counter()
    for start, end, function, word, before, after, replacement in sorted(walk.changes, key=lambda change: change[:2]):
        changed = (text[:start] + replacement.encode() + text[end:]).decode()
        if changed in programs or not compiles(changed):
            continue
        programs.add(changed)
        line = text.count(b"\n", 0, start) + 1
        column = start - (text.rfind(b"\n", 0, start) + 1)
        last = line + text.count(b"\n", start, end)
        key = (module, function, word, before, after)
        name = hashlib.sha256("\0".join((*key, str(seen[key]))).encode()).hexdigest()[:12]
        seen[key] += 1
        found.append(Mutant(name, line, column, last, function, word, before, after, changed))
    return found


def compiles(source: str) -> bool:
    """Whether a source is a program; what Python warns of in it, such as `1 is 2`, is no error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(source, "<mutant>", "exec", dont_inherit=True)
        except SyntaxError:
            return False
    return True


class _Walk(cst.CSTVisitor):
    """Collects the changes: where they begin and end, in bytes, and what they are."""

    def __init__(self, module: cst.Module, spans: Mapping[cst.CSTNode, CodeSpan], choices: frozenset[str]):
        super().__init__()
        self.spans, self.choices = spans, choices
        self.changes: list[tuple[int, int, str, str, str, str, str]] = []
        self.ancestors: list[cst.CSTNode] = []
        self.place = Place(self.ancestors, frozenset(imported(module)))
        self.checks = checks_of(module)

    def on_visit(self, node: cst.CSTNode) -> bool:
        if is_left_out(node, self.place, self.checks, self.choices):
            self.ancestors.append(node)
            return False
        made = set()
        for operator in () if stays(node, self.choices) else _applying(type(node)):
            for other in operator.change(node, self.place):
                program = tree(other)
                if program != tree(node) and program not in made:
                    made.add(program)
                    self.add(operator, node, other)
        self.ancestors.append(node)
        return True

    def on_leave(self, node: cst.CSTNode) -> None:
        self.ancestors.pop()

    def add(self, operator: Operator, node: cst.CSTNode, other: cst.CSTNode) -> None:
        span = self.spans[node]
        function, after = ".".join(self.place.functions), code(other)
        if isinstance(node, cst.BaseExpression) and isinstance(other, cst.BaseExpression) and node.lpar:
            other = other.with_changes(lpar=[], rpar=[])  # the place is between the parentheses that are there
        replacement = cst.Module([]).code_for_node(other)
        self.changes.append(
            (span.start, span.start + span.length, function, operator.word, code(node), after, replacement)
        )


@cache
def _applying(kind: type[cst.CSTNode]) -> list[Operator]:
    return [operator for operator in OPERATORS if issubclass(kind, operator.kinds)]


def tree(node: cst.CSTNode) -> str:
    """What Python makes of an expression or a simple statement, whatever its blanks and parentheses."""
    return ast.dump(ast.parse("(" + code(node) + ")" if isinstance(node, cst.BaseExpression) else code(node)))


def imported(module: cst.Module) -> Iterator[str]:
    """The names under which a file knows what it imports."""
    for alias in m.findall(module, m.ImportAlias()):
        if isinstance(alias, cst.ImportAlias):
            name = alias.asname.name if alias.asname else alias.name
            yield cst.Module([]).code_for_node(name).split(".")[0]
