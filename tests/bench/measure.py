"""One work on one device in one dtype: checked, counted, timed in alternation with the reference.

Machines are noisy, so that a round of the reference stands before each round of what is compared with it, and medians
are compared.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from parity.base.metrics import rms, rmse
from spec.config import CHATTERBOX_SIZES
from tests.bench.mlx_side import traced
from tests.bench.sides import BITS, HALF, Call, Side
from tests.bench.torch_side import TorchSide, operations
from tests.bench.works import ROUNDINGS, Place, Task, Work

UNIT = {"float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}  # relative, of one rounding
PRODUCTS, COPY = (512, 2048), 256 * 2**20  # rows of square matrices, bytes
PATIENCE = 1.0  # s that one product may take; above, the smaller one's figure stands
QUICK = 0.1  # s
SECONDS, ROUNDS = 10.0, (3, 30)  # of a pair of sides, about; rounds, at least and at most

# Runs the second call so often, each time after the first, and gives the seconds that each of its runs took.
Loop = Callable[[Call, Call | None, int], Sequence[float]]


class WrongResult(AssertionError):
    """What was to be timed computes something else."""


def plain(call: Call, before: Call | None, rounds: int) -> list[float]:
    """The loop without pytest-benchmark. No garbage is collected in it."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        seconds = []
        for _ in range(rounds):
            if before is not None:
                before()
            start = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - start)
        return seconds
    finally:
        if enabled:
            gc.enable()


def relative_error(got: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> float:
    """The largest relative RMSE of the arrays; infinite where one is missing, misshaped, or holds other tokens."""
    if [array.shape for array in got] != [array.shape for array in expected]:
        return float("inf")
    errors = [0.0]
    for ours, theirs in zip(got, expected, strict=True):
        if np.issubdtype(theirs.dtype, np.integer):
            errors.append(0.0 if np.array_equal(ours, theirs) else float("inf"))
        else:
            errors.append(rmse(ours, theirs) / rms(theirs))
    return float("nan") if any(np.isnan(errors)) else max(errors)


@dataclass(frozen=True)
class Row:
    """What one side did: seconds of each round, and of the reference's round before it; counts of one call."""

    work: str
    size: str
    length: str
    device: str
    dtype: str
    side: str
    seconds: Sequence[float]
    reference_seconds: Sequence[float]
    error: float
    bound: float
    operations: int | None = None
    bytes: int | None = None
    memory: int | None = None
    peak_operations: float | None = None
    peak_bytes: float | None = None
    more: Mapping[str, float] = field(default_factory=dict)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def figures(self) -> dict[str, float | str | None]:
        """By name, as they go into a table or a file."""
        ms = 1e3 * self.median
        reference = 1e3 * statistics.median(self.reference_seconds) if self.reference_seconds else None
        flops = None if self.operations is None else self.operations / self.median
        rate = None if self.bytes is None else self.bytes / self.median
        return {
            "work": self.work,
            "size": f"{self.size}, {self.length}",
            "device": self.device,
            "dtype": self.dtype,
            "side": self.side,
            "ms": ms,
            "reference ms": reference,
            "ratio": None if reference is None else ms / reference,
            "GFLOP/s": None if flops is None else flops / 1e9,
            "of product": None if flops is None or not self.peak_operations else flops / self.peak_operations,
            "GB/s": None if rate is None else rate / 1e9,
            "of copy": None if rate is None or not self.peak_bytes else rate / self.peak_bytes,
            "peak MB": None if self.memory is None else self.memory / 1e6,
            "error": self.error,
            "bound": self.bound,
            "more": ", ".join(f"{name} {value:.3g}" for name, value in self.more.items()),
        }


class Bench:
    """Sides and their models of one size. Those of a stage are let go of when a work needs others."""

    def __init__(self, size: str, checkpoint: Path):
        self.size, self.checkpoint, self.config = size, checkpoint, CHATTERBOX_SIZES[size]
        self.models: dict[tuple[str, str, str, str], Any] = {}
        self.peaks: dict[tuple[str, str, str], tuple[float, float]] = {}

    def keep(self, stages: Sequence[str], dtype: str) -> None:
        """Let go of what a work on these stages in this dtype does not read."""
        kept = {key: model for key, model in self.models.items() if key[3] in stages and key[2] in (dtype, "float32")}
        self.models = kept if stages else {}
        gc.collect()

    def place(self, work: Work, length: int, side: Side, dtype: str) -> Place:
        stored = side.stored(dtype)
        models = {}
        for stage in work.stages:
            key = (side.package, side.kind, stored, stage)
            if key not in self.models:
                self.models[key] = side.load(stage, self.checkpoint, self.config, stored)
            models[stage] = self.models[key]
        return Place(side, models, self.config, self.checkpoint, self.size, length, dtype)

    def peak(self, sides: Sequence[Side], dtype: str) -> tuple[float, float]:
        """Operations and bytes a second that a device reached, in the better of the frameworks."""
        found = []
        for side in sides:
            key = (side.package, side.kind, dtype)
            if key not in self.peaks:
                self.peaks[key] = product_rate(side, dtype), copy_rate(side)
            found.append(self.peaks[key])
        return max(flops for flops, _ in found), max(rate for _, rate in found)


def product_rate(side: Side, dtype: str) -> float:
    """Operations a second of a matrix product."""
    small, large = PRODUCTS
    rate = 2 * small**3 / best(side, side.product(small, dtype))
    if 2 * large**3 / rate > PATIENCE:
        return rate
    return max(rate, 2 * large**3 / best(side, side.product(large, dtype)))


def copy_rate(side: Side) -> float:
    """Bytes a second of a copy: read and written."""
    return 2 * COPY / best(side, side.copy(COPY))


def best(side: Side, call: Call, rounds: int = 5) -> float:
    """Seconds of the fastest of some rounds, after one that is not timed."""
    side.run(call)
    return min(plain(lambda: side.run(call), None, rounds))


class Comparison:
    """One work of one length on one device in one dtype: the reference and what is compared with it."""

    def __init__(self, bench: Bench, work: Work, length: int, device: str, dtype: str):
        self.bench, self.work, self.length, self.device, self.dtype = bench, work, length, device, dtype
        if dtype not in work.dtypes:
            raise ValueError(f"{work.name} in {dtype}: expected one of {', '.join(work.dtypes)}")
        bench.keep(work.stages, dtype)
        half = dtype in HALF
        self.bound = (ROUNDINGS if half else work.roundings) * UNIT.get(dtype, UNIT["float32"])
        self.reference = TorchSide(device, dtype=dtype if half else "float32")

    @cached_property
    def expected(self) -> list[np.ndarray]:
        """What the reference computes in float32 on the CPU, whatever the device."""
        return self.computed(self.dtype)

    @cached_property
    def unrounded(self) -> list[np.ndarray]:
        """As `expected`, with the weights as they are, of which the reference's are otherwise rounded to `BITS`."""
        return self.computed("float32")

    def computed(self, dtype: str) -> list[np.ndarray]:
        side = TorchSide("cpu")
        task = self.work.build(self.bench.place(self.work, self.length, side, dtype))
        return task.result(side.run(task.call))

    @cached_property
    def operations(self) -> int | None:
        if self.work.process:
            return None
        side = TorchSide("cpu")
        return operations(side, self.work.build(self.bench.place(self.work, self.length, side, self.dtype)).call)

    @cached_property
    def timed_reference(self) -> Call:
        """The reference on the device, warm."""
        task, _, _, _ = self.checked(self.reference)
        return lambda: self.reference.run(task.call)

    def checked(self, side: Side) -> tuple[Task, Any, float, float]:
        """A side's task, what it returned, its relative error, and the seconds of this first run.

        Raises `WrongResult` above the bound: that is not worth timing.
        """
        task = self.work.build(self.bench.place(self.work, self.length, side, self.dtype))
        start = time.perf_counter()
        value = side.run(task.call)
        first = time.perf_counter() - start
        error = relative_error(task.result(value), self.expected)
        if not error <= self.bound:
            raise WrongResult(
                f"{self.work.name}, {self.length} {self.work.unit}, {side.name} in {self.dtype} on {self.device}: "
                f"relative RMSE {error:.2e} against the reference in float32, expected at most {self.bound:.1e}"
            )
        return task, value, error, first

    def row(self, side: Side, loop: Loop = plain, seconds: float = SECONDS, trace: Path | None = None) -> Row:
        """Check, count and time a side; unless it is the reference itself, in alternation with that.

        `trace` names a .gputrace to write of one call more.
        """
        task, value, error, once = self.checked(side)
        alone = side.name == self.reference.name
        before = None if alone else self.timed_reference
        call = side.prepared(task.call)
        if call is not task.call:
            value = side.run(call)
            error = relative_error(task.result(value), self.expected)
            if not error <= self.bound:
                raise WrongResult(f"{self.work.name}, {side.name}: relative RMSE {error:.2e}, at most {self.bound:.1e}")
        if call is not task.call or once < seconds / ROUNDS[0]:  # else there is time for no more than the fewest
            once = sum(plain(each, None, 1)[0] for each in (before, lambda: side.run(call)) if each)
        rounds = int(min(max(seconds / once, ROUNDS[0]), ROUNDS[1]))
        earlier: list[float] = []
        rows = list(loop(lambda: side.run(call), self.turn(side, call, earlier, once < QUICK), rounds))
        if trace is not None:
            with traced(trace):
                side.run(call)
        counted = {} if self.work.process else self.counted(side, task, value)
        more = {}
        if task.audio:
            median = statistics.median(rows)
            more = {"real-time factor": median / task.audio(value), "s to the first audio": median}
        if self.dtype in BITS:
            more["error of rounding"] = relative_error(task.result(value), self.unrounded)
        where = (self.work.name, self.bench.size, f"{self.length} {self.work.unit}", self.device, self.dtype)
        return Row(*where, side.name, rows, earlier, error, self.bound, more=more, **counted)

    def turn(self, side: Side, call: Call, earlier: list[float], quick: bool) -> Call:
        """What stands before each round: one of the reference, whose seconds go to `earlier`.

        A quick call is run once untimed before it is timed, on both sides: it finds the caches as it left them, as when
        it is run in a row.
        """
        others = [] if side.name == self.reference.name else [self.timed_reference]

        def before() -> None:
            for reference in others:
                if quick:
                    reference()
                earlier.extend(plain(reference, None, 1))
            if quick:
                side.run(call)

        return before

    def counted(self, side: Side, task: Task, value: Any) -> dict[str, Any]:
        """Operations as of the reference; bytes of weights, inputs and outputs, the fewest that can be moved; peaks."""
        moved = None
        if task.modules:
            out = sum(array.nbytes for array in task.result(value))
            moved = task.passes * (side.weight_bytes(task.modules) + sum(given.nbytes for given in task.given) + out)
        flops, rate = self.bench.peak([self.reference, side], self.dtype if self.dtype in UNIT else "float32")
        memory = side.memory(task.call)
        counts = {"operations": self.operations, "bytes": moved, "memory": memory}
        return counts | {"peak_operations": flops, "peak_bytes": rate}
