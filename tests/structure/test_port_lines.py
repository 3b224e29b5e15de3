"""How many lines it takes to judge a port in all of its stages: docstrings, comments and blank lines do not count."""

from __future__ import annotations

import ast
from io import StringIO
from pathlib import Path
from tokenize import COMMENT, DEDENT, ENDMARKER, INDENT, NEWLINE, NL, generate_tokens

import pytest

PORTS = Path(__file__).resolve().parents[2] / "ports/chatterbox"
MOST, PYTHON = 100, 60
LAYOUT = {COMMENT, DEDENT, ENDMARKER, INDENT, NEWLINE, NL}


def code(source: str) -> set[int]:
    """The numbers of the lines of Python that are neither blank nor a comment nor part of a docstring."""
    told: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            told.update(range(node.lineno, node.end_lineno + 1))
    tokens = [token for token in generate_tokens(StringIO(source).readline) if token.type not in LAYOUT]
    return {line for token in tokens for line in range(token.start[0], token.end[0] + 1)} - told


def test_a_port_is_judged_in_all_stages_by_few_lines():
    """What is counted is mlx-audio's; what was found of it, in the other two tables, is apart."""
    python = code((PORTS / "mlx_audio.py").read_text())
    table = [line for line in (PORTS / "mlx_audio.toml").read_text().splitlines() if line and not line.startswith("#")]
    assert len(python) <= PYTHON, f"{len(python)} lines of Python"
    assert len(python) + len(table) <= MOST, f"{len(python)} lines of Python and {len(table)} of the table"


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ('"""What it is."""\n\nimport os  # a reason\n', 1),
        ('def f():\n    """One\n\n    two."""\n    # a reason\n    return """\n# text\n"""\n', 4),
        ('X = 1\n"""Of a variable."""\n', 1),
        ("f(\n    1,\n)\n", 3),
    ],
)
def test_only_code_is_counted(source, count):
    assert len(code(source)) == count
