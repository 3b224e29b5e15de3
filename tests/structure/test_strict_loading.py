"""Loading is strict everywhere: no key that is missing or unknown is ever tolerated."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("parity", "spec", "reference", "mlx_impl", "fixtures", "ports", "tests")
LOADERS = {"load_weights", "load_state_dict"}


def lenient_loads(source: str) -> list[int]:
    """Lines that load weights without saying `strict=True`, in so many letters."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LOADERS:
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            strict = given.get("strict")
            if not (isinstance(strict, ast.Constant) and strict.value is True):
                lines.append(node.lineno)
    return lines


def test_every_load_is_strict():
    files = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")]
    assert {str(file): found for file in files if (found := lenient_loads(file.read_text()))} == {}
    assert sum(any(f".{name}(" in file.read_text() for name in LOADERS) for file in files) >= 2


@pytest.mark.parametrize("arguments", ["x", "x, strict=False", "x, False", "x, strict=maybe", "x, **options"])
def test_a_lenient_load_is_seen(arguments):
    assert lenient_loads(f"model.load_weights({arguments})") == [1]
    assert lenient_loads(f"model.load_state_dict({arguments}, strict=True)" if arguments == "x" else "") == []
