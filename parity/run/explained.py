"""Why a segment is wrong in double: both sides' programs of it, recorded and matched by value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import numpy as np

from parity.capture.runner import Runner
from parity.contract import Segment
from parity.contract.implementation import State
from parity.exact.program import Program
from parity.exact.standin.made import made_at
from parity.match.matching import Matching, match


def explained(
    segment: Segment,
    start: State,
    reference: Runner,
    candidate: Runner,
    widened: Callable[[], AbstractContextManager[Any]],
) -> Matching:
    """Match the two programs of a segment from the reference's state. What the sides observe is what is compared.

    Of a candidate that stops it is what it observed until then.
    """
    from parity.exact.torch import record as record_torch

    ours = _recorded(record_torch, segment, start, reference)
    if candidate.adapter.__name__.endswith("torch"):
        with widened():
            theirs = _recorded(record_torch, segment, start, candidate)
    else:
        from parity.exact.standin.record import record as record_mlx

        theirs = _recorded(record_mlx, segment, start, candidate)
    first, second = _same_outputs(ours[0], theirs[0])
    return match([first], [second], [ours[1]], [theirs[1]], least=1)


def texts(found: Matching, segment: Segment, candidate: Runner) -> list[str]:
    """Each group of departures in words: both formulas with their lines, and where what departs was called and made."""
    modules = dict(candidate.root(segment).named_modules())
    said = []
    for group in found.groups:
        explanation = found.explanations[group.first]
        places = [str(place) for name in explanation.modules for place in made_at(modules.get(name))]
        made = f"made at {', '.join(dict.fromkeys(places))}" if places else ""
        said.append("; ".join(filter(None, (explanation.whole, made, str(group)))))
    return said


def _same_outputs(ours: Program, theirs: Program) -> tuple[Program, Program]:
    """Both with the outputs that both compute: an observed table is none."""
    made, also_made = ours.makers(), theirs.makers()
    pairs = [
        (one, other)
        for one, other in zip(ours.outputs, theirs.outputs, strict=False)
        if one in made and other in also_made
    ]
    return (
        replace(ours, outputs=tuple(one for one, _ in pairs)),
        replace(theirs, outputs=tuple(other for _, other in pairs)),
    )


def _recorded(
    record: Callable[..., Program], segment: Segment, start: State, runner: Runner
) -> tuple[Program, Sequence[np.ndarray]]:
    root = runner.root(segment)  # its weights are read before anything is recorded
    state, observed = runner.to_own(start), list[Any]()

    def observe(name: str, value: Any) -> Any:
        observed.append(value)
        return value

    def run() -> list[Any]:
        observed.clear()
        try:
            runner.side.run(segment.name, segment.index, dict(state), observe)
        except Exception as error:
            if not observed or isinstance(error, MemoryError | OSError) or runner.name == "reference":
                raise
        return observed

    record(run, [])  # what a side keeps from then on is a constant of both
    program = record(run, [], root=root)
    return with_inputs(program, [array for array in state.values() if array.size > 1])


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
