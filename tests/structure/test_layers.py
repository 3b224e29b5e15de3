"""The engine's folders are layers: each imports those below it, never one above."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAYERS = (
    "base",
    "contract",
    "capture",
    "exact",
    "match",
    "judge",
    "diagnose",
    "run",
    "prove",
    "mutate",
    "show",
    "cli",
)
MOST_PAIRS = 48


def imported(file: Path) -> Iterator[str]:
    """The modules of the engine that a file imports, at its top or inside a function, by dotted name."""
    for node in ast.walk(ast.parse(file.read_text(), str(file))):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names if name.name.startswith("parity."))
            case ast.ImportFrom(module="parity", names=names):
                yield from (f"parity.{name.name}" for name in names)
            case ast.ImportFrom(module=str(module)) if module.startswith("parity."):
                yield module


def edges(root: Path) -> set[tuple[str, str, str]]:
    """Of every import from one layer into another: the file, its layer, and the other."""
    found = set()
    for file in sorted((root / "parity").rglob("*.py")):
        layer, *below = file.relative_to(root / "parity").parts
        if below:
            others = {module.split(".")[1] for module in imported(file)} - {layer}
            found |= {(file.relative_to(root).as_posix(), layer, other) for other in others}
    return found


def upward(root: Path) -> list[str]:
    """`file: layer` for each import of a layer that is not below the file's own."""
    return [
        f"{file}: {other}"
        for file, layer, other in sorted(edges(root))
        if layer not in LAYERS or other not in LAYERS or LAYERS.index(other) > LAYERS.index(layer)
    ]


def test_imports_run_downwards():
    assert upward(ROOT) == []


def test_every_folder_is_a_layer():
    folders = {path.parent.name for path in (ROOT / "parity").glob("*/__init__.py")}
    assert folders == set(LAYERS)


def test_few_layers_know_each_other():
    assert len({(layer, other) for _, layer, other in edges(ROOT)}) <= MOST_PAIRS


@pytest.mark.parametrize(
    ("file", "source", "wrong"),
    [
        ("parity/base/npy.py", "from parity.show import terminal", ["parity/base/npy.py: show"]),
        ("parity/judge/ties.py", "def late():\n    import parity.run.verify", ["parity/judge/ties.py: run"]),
        ("parity/exact/torch/twins.py", "from parity import cli", ["parity/exact/torch/twins.py: cli"]),
        ("parity/other/a.py", "from parity.base import npy", ["parity/other/a.py: base"]),
        ("parity/run/verify.py", "from parity.judge.verdict import judge\nfrom parity.run import swaps", []),
    ],
)
def test_an_import_that_runs_upwards_is_seen(tmp_path, file, source, wrong):
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(source)
    assert upward(tmp_path) == wrong
