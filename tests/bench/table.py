"""Rows of a run as a table in Markdown, and as the JSON of pytest-benchmark, which `parity report` shows."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.measure import Row

NOTES = (
    "ms are medians; each round of a side follows one of the reference, whose median is beside it. GFLOP/s are of the "
    "reference's products and convolutions, GB/s of weights, inputs and outputs read and written once: a lower bound. "
    "Fractions are of a matrix product and a copy, measured in the same run in the better framework; on a CPU a "
    "product in half precision may be slower than in float32, and a fraction of it above 1. Peak memory is above what "
    "was held before. The reference is timed in the same dtype, in float32 beside 4 and 8 bits. The error is relative, "
    "RMSE, against the reference in float32 on the CPU."
)


def cell(value: float | str | None) -> str:
    """A figure with three digits; a dash where there is none."""
    if value is None or value == "":
        return "–"
    if isinstance(value, str):
        return value
    if value == 0 or 1e-2 <= abs(value) < 1e5:
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:.1e}"


def stored(file: Path) -> list[dict[str, Any]]:
    """The figures of the rows in a file of `--json` or of pytest's `--benchmark-json`."""
    return [entry["extra_info"] for entry in json.loads(file.read_text(encoding="utf-8"))["benchmarks"]]


def markdown(figures: Sequence[Mapping[str, Any]]) -> str:
    """The table of `Row.figures`, its columns as wide as they must be."""
    names = list(figures[0]) if figures else []
    lines = [names, *([cell(figure[name]) for name in names] for figure in figures)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(names))]
    texts = [" | ".join(entry.ljust(width) for entry, width in zip(line, widths, strict=True)) for line in lines]
    texts.insert(1, " | ".join("-" * width for width in widths))
    return "\n".join(f"| {text} |" for text in texts)


def name_of(row: Row) -> str:
    return f"{row.work}, {row.length}, {row.device}, {row.dtype}, {row.side}"


def as_json(rows: Sequence[Row], environment: Mapping[str, Any]) -> dict[str, Any]:
    """A file like pytest-benchmark's."""
    return {"machine_info": dict(environment), "benchmarks": [entry(row) for row in rows]}


def entry(row: Row) -> dict[str, Any]:
    seconds = row.seconds
    stats = {"mean": statistics.fmean(seconds), "median": row.median, "min": min(seconds), "max": max(seconds)}
    stats |= {"stddev": statistics.stdev(seconds) if len(seconds) > 1 else 0.0, "rounds": len(seconds)}
    return {"name": name_of(row), "stats": stats, "extra_info": row.figures()}
