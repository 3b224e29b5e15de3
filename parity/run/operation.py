"""Where in a block a device is off: the first line of the port whose result is beyond its own rounding.

The block gets the reference's inputs, as for its verdict, and runs once on the device, once in double, and several
times with every result rounded to float32 at random. What its lines make is compared as its tap is.

Where nothing is off, nothing is named. At 47 taps of tiny models, in all stages, no block has a line whose result is
beyond `MULTIPLE` of its own floors on MLX's CPU, where the port has paths of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from parity.base.metrics import rms, rmse
from parity.capture.runner import Runner
from parity.contract import Contract, Segment, Tap
from parity.contract.implementation import Case, State
from parity.exact.places import Place
from parity.exact.rounding import RUNS, Rounding
from parity.judge.arithmetic import MULTIPLE
from parity.judge.floor import at_least
from parity.run.own import in_double
from parity.run.steps import Key, Step, Steps, numbers

SHOWN = 3
"""Lines of the device alone that are named, the last ones."""

Graft = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Operation:
    """A line of the port whose result a device has wrong, and by how many of its own floors (NaN: not finite).

    `operations` are those of the framework that give the result in double, by name. `alone` are lines that ran on the
    device alone, since the last result that is right: where a device has a path of its own, the fault is there.
    """

    tap: str
    place: Place
    operations: tuple[str, ...]
    ratio: float
    alone: tuple[Place, ...] = ()

    def __str__(self) -> str:
        off = f"{self.ratio:.3g} times its own floor" if self.ratio == self.ratio else "NaN or infinite"
        asked = f", which is {', '.join(self.operations)}" if self.operations else ""
        said = f"{self.tap}, at {_quoted(self.place)}{asked}: {off}"
        alone = ", ".join(map(_quoted, self.alone))
        return f"{said}; before it the device alone ran {alone}" if alone else said

    def as_dict(self) -> dict[str, Any]:
        return {
            "tap": self.tap,
            **_as_dict(self.place),
            "operations": list(self.operations),
            "ratio": self.ratio,
            "alone": [_as_dict(place) for place in self.alone],
            "sentence": str(self),
        }


def _quoted(place: Place) -> str:
    return f"`{place.text}` ({place})"


def _as_dict(place: Place) -> dict[str, Any]:
    return {"file": place.file, "line": place.line, "function": place.function, "source": place.text}


class Search:
    """Searches one block of a segment. `device` runs the candidate as it is."""

    def __init__(self, contract: Contract, case: Case, checkpoint: Path, segment: Segment, tap: str, device: Runner):
        self.contract, self.case, self.checkpoint, self.device = contract, case, checkpoint, device
        self.segment, self.tap = segment, tap
        names = [tap.name for tap in segment.taps]
        before = names[: names.index(tap)] if tap in names else names  # what is handed on comes behind all taps
        self.before = before[-1] if before else ""

    def run(self, start: State, forced: Graft) -> Operation | None:
        """The first line that is off; None where no line that both runs have is."""
        on_device: dict[Key, tuple[Step, np.ndarray]] = {}

        def keep(step: Step, array: np.ndarray) -> None:
            on_device[step.key] = step, array

        self._traced(self.device, start, forced, keep)
        self.device.side.release()
        exact, own, asked = dict[Key, np.ndarray](), dict[Key, float](), dict[Key, tuple[str, ...]]()
        names: list[str] = []

        def exactly(step: Step, array: np.ndarray) -> None:
            if step.key in on_device and on_device[step.key][1].shape == array.shape:
                exact[step.key], asked[step.key] = array, tuple(dict.fromkeys(names[step.since :]))

        def rounded(step: Step, array: np.ndarray) -> None:
            if step.key in exact and array.shape == exact[step.key].shape:
                own[step.key] = max(own.get(step.key, 0.0), _error(array, exact[step.key]))

        with in_double(self.contract, self.case, self.checkpoint) as (candidate, rounding, around):
            with around(), _naming(self.contract)(names.append):
                self._traced(candidate, start, forced, exactly, lambda: len(names))
            for number in range(RUNS):
                with around(), rounding(Rounding(f"{self.case.name} {self.segment.label} lines", number)):
                    self._traced(candidate, start, forced, rounded)
            candidate.side.release()
        alone: list[Place] = []
        for key, (step, array) in on_device.items():
            if key not in own or not np.any(exact[key]):  # of a remainder, zero in double, rounding is all there is
                alone.append(step.place)
                continue
            floor, error = at_least(own[key], rms(exact[key])), _error(array, exact[key])
            if not error <= MULTIPLE * floor:
                lines = {(place.file, place.line): place for place in alone}
                return Operation(self.tap, step.place, asked[key], error / floor, tuple(lines.values())[-SHOWN:])
            alone.clear()
        return None

    def _traced(
        self,
        runner: Runner,
        start: State,
        forced: Graft,
        see: Callable[[Step, np.ndarray], None],
        mark: Callable[[], int] = lambda: 0,
    ) -> None:
        """Run the segment, and see the lines between the tap and the one before it."""

        def seen(step: Step, value: Any) -> None:
            try:
                array = numbers(runner.adapter.to_numpy(value))
            except (ValueError, RuntimeError):  # within a function that is being compiled nothing has a value
                return
            if array is not None:
                see(step, array)

        def reached(tap: Tap) -> None:
            steps.on = tap.name == self.before

        runner.root(self.segment)  # its weights are loaded before anything is traced
        with Steps(runner.adapter.is_array, seen, mark) as steps:
            steps.on = not self.before
            runner.run(self.segment, start, lambda tap, array: None, forced=forced, reached=reached)


def _error(ours: np.ndarray, theirs: np.ndarray) -> float:
    """RMSE where both are finite; NaN where one alone is."""
    finite = np.isfinite(ours)
    if not np.array_equal(finite, np.isfinite(theirs)):
        return float("nan")
    return rmse(ours[finite], theirs[finite]) if finite.any() else 0.0


def _naming(contract: Contract) -> Callable[[Callable[[str], None]], AbstractContextManager[None]]:
    """What names the operations of the candidate's framework as they run in double."""
    if contract.sides["candidate"]["framework"] == "torch":
        from parity.exact.torch.names import named

        return named
    from parity.exact.standin.names import named as named_mlx

    return named_mlx
