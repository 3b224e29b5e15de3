"""No test looks at a clock: how long something takes is the machine's affair, and belongs to the benchmarks."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CLOCKS = {
    "monotonic",
    "monotonic_ns",
    "perf_counter",
    "perf_counter_ns",
    "process_time",
    "process_time_ns",
    "thread_time",
}
MODULES = {"time": {"time", "time_ns", *CLOCKS}, "timeit": {"timeit", "repeat", "default_timer", "Timer"}}


def clocks(source: str) -> list[int]:
    """The lines of a source that read a clock, and those that let hypothesis do it."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(value=ast.Name(id=module), attr=name) if name in MODULES.get(module, ()):
                lines.append(node.lineno)
            case ast.ImportFrom(module=str(module), names=names) if {each.name for each in names} & MODULES.get(
                module, set()
            ):
                lines.append(node.lineno)
            case ast.keyword(arg="deadline", value=value) if not (
                isinstance(value, ast.Constant) and value.value is None
            ):
                lines.append(value.lineno)
    return sorted(lines)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("began = time.perf_counter()\nassert time.time() - began < 0.1\n", [1, 2]),
        ("from time import process_time\n", [1]),
        ("fastest = min(timeit.repeat(ask))\n", [1]),
        ("@settings(deadline=200)\ndef test(): ...\n", [1]),
        ("@settings(deadline=None)\ndef test(): time.sleep(1)\n", []),
        ("monkeypatch.setattr(speak.time, 'perf_counter', lambda: next(ticks))\n", []),
    ],
)
def test_a_clock_is_found(source, found):
    assert clocks(source) == found


def test_no_test_looks_at_a_clock():
    files = [file for file in ROOT.glob("tests/**/*.py") if "bench" not in file.relative_to(ROOT).parts]
    assert len(files) > 100
    found = {str(file.relative_to(ROOT)): clocks(file.read_text(encoding="utf-8")) for file in files}
    assert not {file: lines for file, lines in found.items() if lines}
