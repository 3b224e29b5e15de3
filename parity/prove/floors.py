"""The port's own floor at its outputs: its program in double, and again with its results rounded at random."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from parity.exact.rounding import RUNS, Rounding
from parity.exact.rounding.floors import Floors
from parity.exact.rounding.programs import floors
from parity.prove import programs
from parity.prove.models import kept
from parity.prove.programs import Port
from parity.prove.proof import Evidence, Proof

Run = Callable[[], list[np.ndarray]]
Rounded = Callable[[Rounding], AbstractContextManager[None]]


def own_floors(proof: Proof, evidence: Evidence, number: int) -> dict[int, float]:
    """Of each output of one set of inputs, by its place: how far the port's own order of operations scatters."""
    arrays, title = evidence.best.sources.inputs[number], evidence.port.title
    if proof.source in (programs.GRAPH, programs.FILE):
        program = evidence.best.sources.programs[number]
        found = floors(program, arrays, set(program.outputs), {}, case=title)
        return {place: found[output] for place, output in enumerate(program.outputs)}
    double = _in_torch if proof.source == programs.TORCH else _in_standin
    with double(evidence.port, list(evidence.sets[number]), arrays) as (run, rounded):
        measured = Floors(dict(enumerate(run())))
        for draw in range(RUNS):
            with rounded(Rounding(title, draw)):
                measured.add(dict(enumerate(run())))
    return measured.largest()


@contextmanager
def _in_standin(port: Port, names: list[str], arrays: list[np.ndarray]) -> Iterator[tuple[Run, Rounded]]:
    """The port on the stand-in for `mlx.core`, and what rounds its results."""
    from parity.exact.rounding.standin import rounded
    from parity.exact.standin import installed
    from parity.exact.standin.array import array
    from parity.exact.standin.record import arrays_of

    with installed():
        anew = port.anew()
        function = anew.call.of_port(anew.model, names, anew.title)
        yield _each(anew.model, lambda: [made.value for made in arrays_of(function(*map(array, arrays)))]), rounded


@contextmanager
def _in_torch(port: Port, names: list[str], arrays: list[np.ndarray]) -> Iterator[tuple[Run, Rounded]]:
    """The port's twin in double, and what rounds its results."""
    from parity.exact.torch import widened
    from parity.exact.torch.rounding import rounded
    from parity.exact.torch.run import run

    function = port.call.of_port(port.twin, names, port.title)
    with widened():
        yield _each(port.twin, lambda: run(function, [_wide(array) for array in arrays])), rounded


def _each(model: Any, run: Run) -> Run:
    """Runs that leave the model as it was."""

    def once() -> list[np.ndarray]:
        with kept(model):
            return run()

    return once


def _wide(array: np.ndarray) -> Any:
    return array.astype(np.float64) if array.dtype.kind == "f" else array
