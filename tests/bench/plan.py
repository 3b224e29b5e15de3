"""What a run measures: every work in every length, device, dtype and side that can be had on this machine."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity.base import runtime

BLAS = runtime.prepare()

import mlx.core as mx  # noqa: E402 - the process must be prepared first
import torch  # noqa: E402

from parity.capture import mlx as mlx_adapter  # noqa: E402
from parity.capture import torch as torch_adapter  # noqa: E402
from spec.synthetic.cache import cached  # noqa: E402
from tests.bench.measure import Bench, Comparison  # noqa: E402
from tests.bench.mlx_side import MLXSide  # noqa: E402
from tests.bench.sides import DEVICES, Side  # noqa: E402
from tests.bench.torch_side import TorchSide  # noqa: E402
from tests.bench.works import FLOATS, T3, WORKS, Work  # noqa: E402

CAPTURE = "MTL_CAPTURE_ENABLED"
SIDES = ("reference", "compile", "mlx")


@dataclass(frozen=True)
class Point:
    """One work of one length on one device in one dtype by one side, of `SIDES`."""

    work: Work
    length: int
    device: str
    dtype: str
    kind: str

    def __str__(self) -> str:
        name = re.sub(r"[^\w.]+", "-", self.work.name)
        return f"{name}-{self.length}-{self.device}-{self.dtype}-{self.kind}"

    def side(self) -> Side:
        if self.kind == "mlx":
            return MLXSide(self.device)
        return TorchSide(self.device, self.kind == "compile", self.dtype)

    def left_out(self, compiles: bool) -> str:
        """Why this is not measured here; empty if it is."""
        if reason := unavailable(self.device):
            return f"{self.device}: {reason}"
        if self.kind == "compile" and not compiles:
            return "torch.compile: takes minutes, ask for it with --compile"
        return ""


class Comparisons:
    """The comparison that a point belongs to; the last one is kept, for the next side of it."""

    def __init__(self, bench: Bench):
        self.bench = bench
        self.key: tuple[Any, ...] = ()

    def __call__(self, point: Point) -> Comparison:
        key = (point.work.name, point.length, point.device, point.dtype)
        if key != self.key:
            self.last = Comparison(self.bench, point.work, point.length, point.device, point.dtype)
            self.key = key
        return self.last


def add_options(add: Callable[..., Any]) -> None:
    """The options of both ways to run: of argparse, or of pytest."""
    add("--device", action="append", choices=DEVICES, help="measure on these alone; each that is there if left out")
    add("--dtype", action="append", choices=T3, help="measure in these alone")
    add("--compile", action="store_true", help="measure torch.compile too, where it works: needs a C++ compiler")
    add("--gputrace", type=Path, metavar="DIR", help=f"on Metal: write a .gputrace of one call each; {CAPTURE}=1")


def points(size: str, devices: Sequence[str], dtypes: Sequence[str]) -> list[Point]:
    """All there are, those of one model after each other. 4 or 8 bits are the port's alone; torch.compile: float32."""
    return [
        Point(work, length, device, dtype, kind)
        for device in DEVICES
        if device in devices
        for work in WORKS.values()
        for dtype in work.dtypes
        if dtype in dtypes
        for length in work.lengths_on(device, size)
        for kind in SIDES
        if kind == "mlx" or (dtype in FLOATS and kind == "reference") or (dtype == "float32" and work.compiles)
    ]


def plan(options: argparse.Namespace, size: str) -> tuple[list[Point], list[str]]:
    """The points to measure, and why others are left out. Raises `ValueError` for a trace that cannot be made."""
    if options.gputrace is not None:
        check_trace(options.gputrace)
    chosen, reasons = [], []
    for point in points(size, options.device or DEVICES, options.dtype or T3):
        reason = point.left_out(options.compile)
        (reasons if reason else chosen).append(reason or point)
    return chosen, list(dict.fromkeys(reasons))


def check_trace(folder: Path) -> None:
    """Raises `ValueError` where Metal cannot write a trace to a folder."""
    if not mx.metal.is_available():
        raise ValueError("--gputrace: Metal is not available here; run it on a Mac with Apple silicon")
    if os.environ.get(CAPTURE) != "1":
        raise ValueError(f"--gputrace: Metal captures nothing unless {CAPTURE}=1 is set before the process starts")
    folder.mkdir(parents=True, exist_ok=True)


def unavailable(device: str) -> str:
    """Why nothing can be timed on a device of `DEVICES` here; empty if it can. Both frameworks must have it."""
    if device == "cpu":
        return ""
    ours, theirs = (mx.metal, torch.backends.mps) if device == "metal" else (mx.cuda, torch.cuda)
    lacking = [name for name, module in (("MLX", ours), ("PyTorch", theirs)) if not module.is_available()]
    return f"{' and '.join(lacking)} cannot use it here" if lacking else ""


def bench_of(size: str, checkpoint: Path | None) -> Bench:
    return Bench(size, checkpoint or cached(size, ("s3gen", "ve", "t3_cfg")))


def environment(bench: Bench) -> dict[str, str]:
    """What was measured with, and what the devices reached."""
    facts = torch_adapter.environment() | mlx_adapter.environment()
    facts["torch device"] = torch.cuda.get_device_name() if torch.cuda.is_available() else facts["torch device"]
    for (package, device, dtype), (flops, rate) in bench.peaks.items():
        facts[f"{package}, {device}, {dtype}"] = f"product {flops / 1e9:.1f} GFLOP/s, copy {rate / 1e9:.1f} GB/s"
    return facts
