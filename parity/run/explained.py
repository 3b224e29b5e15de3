"""Why a segment is wrong in double: both sides' programs of it, recorded and matched by value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from parity.capture.results import first
from parity.capture.runner import Runner
from parity.contract import Segment
from parity.contract.implementation import State
from parity.exact.program import Program
from parity.match.matching import Matching, match


def explained(
    segment: Segment,
    start: State,
    reference: Runner,
    candidate: Runner,
    widened: Callable[[], AbstractContextManager[Any]],
) -> Matching:
    """Match the two programs of a segment from the reference's state. What the sides observe is what is compared.

    Where that shows no departure, and of a candidate that stops, it is also what the modules of the taps returned.
    """
    ours, theirs = _both(segment, start, reference, candidate, widened)
    if theirs.stopped is None and (found := _matched(ours, theirs)).groups:
        return found
    paths = tuple(dict.fromkeys(tap.path.partition("[call=")[0] for tap in segment.taps))
    return _matched(*_both(segment, start, reference, candidate, widened, paths))


def _matched(ours: _Recorded, theirs: _Recorded) -> Matching:
    first, second = _same_outputs(ours, theirs)
    return match([first], [second], [ours.inputs], [theirs.inputs], least=1)


@dataclass
class _Recorded:
    """A side's program of a segment: what it gives by name, its inputs, and why the side stopped, if it did."""

    program: Program
    names: list[str]
    inputs: Sequence[np.ndarray]
    stopped: Exception | None


def _both(
    segment: Segment,
    start: State,
    reference: Runner,
    candidate: Runner,
    widened: Callable[[], AbstractContextManager[Any]],
    paths: Sequence[str] = (),
) -> tuple[_Recorded, _Recorded]:
    from parity.exact.torch import record as record_torch

    ours = _recorded(record_torch, segment, start, reference, paths)
    if ours.stopped is not None:
        raise ours.stopped
    if candidate.adapter.__name__.endswith("torch"):
        with widened():
            return ours, _recorded(record_torch, segment, start, candidate, paths)
    from parity.exact.standin.record import record as record_mlx

    return ours, _recorded(record_mlx, segment, start, candidate, paths)


def texts(found: Matching, segment: Segment, candidate: Runner) -> list[str]:
    """Each group of departures in words: both formulas with their lines, and where what departs was called and made."""
    from parity.exact.standin.made import made_at

    modules = dict(candidate.root(segment).named_modules())
    said = []
    for group in found.groups:
        explanation = found.explanations[group.first]
        places = [str(place) for name in explanation.modules for place in made_at(modules.get(name))]
        made = f"made at {', '.join(dict.fromkeys(places))}" if places else ""
        said.append("; ".join(filter(None, (explanation.whole, made, str(group)))))
    return said


def _same_outputs(ours: _Recorded, theirs: _Recorded) -> tuple[Program, Program]:
    """Both with the outputs that both compute: an observed table is none."""
    made, also_made = ours.program.makers(), theirs.program.makers()
    there = dict(zip(theirs.names, theirs.program.outputs, strict=True))
    pairs = [
        (one, there[name])
        for name, one in zip(ours.names, ours.program.outputs, strict=True)
        if one in made and there.get(name) in also_made
    ]
    return (
        replace(ours.program, outputs=tuple(one for one, _ in pairs)),
        replace(theirs.program, outputs=tuple(other for _, other in pairs)),
    )


def _recorded(
    record: Callable[..., Program], segment: Segment, start: State, runner: Runner, paths: Sequence[str]
) -> _Recorded:
    """What a side runs and observes, and what its modules at some `paths` return, as a program."""
    root = runner.root(segment)  # its weights are read before anything is recorded
    state, observed, stopped = runner.to_own(start), dict[str, Any](), list[Exception]()
    own = {runner.names.get(path, path): path for path in paths}

    def observe(name: str, value: Any) -> Any:
        array = first(value, runner.adapter.is_array)
        if array is not None:
            observed[f"{name} {sum(known.rpartition(' ')[0] == name for known in observed)}"] = array
        return value

    def run() -> list[Any]:
        observed.clear()
        stopped.clear()
        returned = runner.adapter.instrument(
            root, own, lambda path, value: observe(own[path], value), lambda path, arguments: None
        )
        try:
            with returned if paths else nullcontext():
                runner.side.run(segment.name, segment.index, dict(state), observe)
        except (MemoryError, OSError):
            raise
        except Exception as error:
            stopped.append(error)
        return list(observed.values())

    record(run, [])  # what a side keeps from then on is a constant of both
    program = record(run, [], root=root)
    program, inputs = with_inputs(program, [array for array in state.values() if array.size > 1])
    return _Recorded(program, list(observed), inputs, next(iter(stopped), None))


def with_inputs(program: Program, arrays: Iterable[np.ndarray]) -> tuple[Program, list[np.ndarray]]:
    """The program with those constants as inputs that hold one of the arrays, and these inputs.

    A side is given its state as NumPy arrays: to a recorder, they are constants of the program.
    """
    given: dict[int, np.ndarray] = {}
    for array in arrays:
        for number, constant in program.constants.items():
            if not constant.name and number not in given and _same(constant.array, array):
                given[number] = constant.array
    constants = {number: constant for number, constant in program.constants.items() if number not in given}
    return replace(program, inputs=(*program.inputs, *given), constants=constants), list(given.values())


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and np.array_equal(one, np.asarray(other, dtype=one.dtype))
