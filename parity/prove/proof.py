"""The proof itself: outputs compared in double, and every place where the port departs from the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path

import numpy as np

from parity.errors import InputError
from parity.exact.constants import half_ulp
from parity.exact.program import NoProgram, Program, evaluate
from parity.match.arrangement import BOUND, difference, root_mean_square
from parity.match.constants import Resolved, resolve
from parity.match.matching import Matching, match
from parity.match.quantities import Quantities
from parity.match.values import Runs
from parity.match.weights import Anchors
from parity.prove import inputs as given
from parity.prove import programs
from parity.prove.inputs import OUTPUT, Inputs, Order
from parity.runtime import prepare

DRAWS = 4
"""Times that unresolved constants are moved by half an ulp up or down, for their effect on the outputs."""

_NEAR = 1e-4
"""An output that is nearer than this has the right layout, whatever its float32 constants do to it."""


@dataclass(frozen=True)
class Output:
    """One output over all sets of inputs: largest error and its bound, in RMS of the reference's, and axes."""

    error: float
    bound: float
    order: Order

    @property
    def equal(self) -> bool:
        return self.error <= self.bound


@dataclass
class Proof:
    """What was proven, for which shapes, and what not.

    `source` is how the port's program was had. `found` is the matching of the two programs, where they differ.
    """

    reference: str
    candidate: str
    source: str
    shapes: list[dict[str, tuple[int, ...]]]
    layout: dict[str, Order]
    outputs: list[Output]
    independent: list[str]
    found: Matching | None = None
    unresolved: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def proven(self) -> bool:
        return not self.independent and all(output.equal for output in self.outputs)


@dataclass
class _Attempt:
    layout: dict[str, Order]
    sources: programs.Sources
    runs: Runs
    constants: Resolved
    outputs: list[Output]

    @property
    def error(self) -> float:
        return max(output.error for output in self.outputs)


def prove(
    reference: str, candidate: str, paths: Sequence[Path], axes: Sequence[str] = (), source: str | None = None
) -> Proof:
    """Prove that `candidate` computes what `reference` computes, on the inputs of the files.

    `reference` is `module:name` of a torch module, a function or a factory of one. `candidate` is a `.mlxfn` file, or
    `module:name` of the same in MLX. `source` is `graph` or `standin`; without one the graph is tried first.
    Raises `InputError` for what cannot be judged.
    """
    prepare()
    orders, sets = given.declared(axes), given.read_all(paths)
    given.check_declared(orders, sets[0])
    ours = programs.reference(reference, sets)
    quantities = Quantities(Runs(ours.programs, ours.inputs))
    file = candidate.endswith(".mlxfn")
    if file and source is not None:
        raise InputError(f"--source {source} with {candidate}: a file is read as it is; leave --source out")
    notes = list(ours.notes)
    kind = programs.FILE if file else source or programs.GRAPH
    try:
        proof = _judge(candidate, kind, sets, orders, quantities)
    except NoProgram as error:
        if kind != programs.GRAPH or source is not None:
            raise
        notes.append(f"run in the stand-in for mlx.core, for its graph cannot be had: {error}")
        proof = _judge(candidate, programs.STANDIN, sets, orders, quantities)
    proof.reference = reference
    proof.notes = [*notes, *_asked(sets, proof.source), *proof.notes]
    return proof


def _judge(candidate: str, kind: str, sets: list[Inputs], orders: Mapping[str, Order], quantities: Quantities) -> Proof:
    with programs.candidate(candidate, kind) as give:
        best = _best(give, sets, orders, quantities)
        ours = quantities.runs
        names = list(sets[0])
        proof = Proof(
            "",
            candidate,
            kind,
            [{name: array.shape for name, array in inputs.items()} for inputs in sets],
            best.layout,
            best.outputs,
            [
                *(f"the reference's output does not depend on {name}" for name in _unused(ours, names)),
                *(f"the port's output does not depend on {name}" for name in _unused(best.runs, names)),
            ],
            unresolved=[
                f"{constant.name or 'a constant'} of shape {constant.shape}, stored in {constant.dtype}"
                for constant in best.constants.unresolved
            ],
        )
        if not all(output.equal for output in best.outputs):
            proof.found = match(
                ours.programs, best.sources.programs, _arrays(ours), best.sources.inputs, least=len(sets)
            )
            if not proof.found.departures:
                proof.notes.append("no departure was found that explains the difference of the output")
    return proof


def _best(give: programs.Give, sets: list[Inputs], orders: Mapping[str, Order], quantities: Quantities) -> _Attempt:
    """The layout of the inputs in which the outputs are nearest to the reference's."""
    best: _Attempt | None = None
    failures: list[InputError] = []
    for layout in given.layouts(sets[0], orders):
        try:
            sources = give([given.turned(inputs, layout) for inputs in sets])
        except (NoProgram, programs.Refused):
            raise
        except InputError as error:
            failures.append(error)
            continue
        try:
            attempt = _attempt(sources, layout, orders, quantities)
        except InputError as error:
            failures.insert(0, error)  # it runs: what it gives says more than what others cannot take
            continue
        if best is None or attempt.error < best.error:
            best = attempt
        if best.error <= _NEAR:
            break
    if best is None:
        raise failures[0]
    best.outputs = _bounded(best, orders, quantities)
    return best


def _attempt(
    sources: programs.Sources, layout: dict[str, Order], orders: Mapping[str, Order], quantities: Quantities
) -> _Attempt:
    runs = Runs(sources.programs, sources.inputs)
    anchors = Anchors(quantities.runs, runs, quantities.values, runs.static())
    constants = resolve(quantities.runs, runs, anchors)
    values = runs.evaluate(constants.exact)
    made = [[values[key][length] for key in runs.outputs] for length in runs.lengths]
    return _Attempt(layout, sources, runs, constants, compare(made, expected(quantities), orders))


def expected(quantities: Quantities) -> list[list[np.ndarray]]:
    """The reference's outputs of every set of inputs."""
    runs = quantities.runs
    values = runs.evaluate()
    return [[_array(values[key][length]) for key in runs.outputs] for length in runs.lengths]


def compare(
    made: Sequence[Sequence[np.ndarray | None]], wanted: Sequence[Sequence[np.ndarray]], orders: Mapping[str, Order]
) -> list[Output]:
    """Each output against the reference's, in one order of axes for all sets. Raises `InputError` for other counts."""
    if len(made[0]) != len(wanted[0]) or not wanted[0]:
        raise InputError(
            f"the reference gives {len(wanted[0])} arrays, the port {len(made[0])}: return the same ones from both"
        )
    outputs = []
    for place in range(len(wanted[0])):
        pairs = [(_array(ours[place]), theirs[place]) for ours, theirs in zip(made, wanted, strict=True)]
        name = OUTPUT if place == 0 and OUTPUT in orders else f"{OUTPUT} {place}"
        ranks = range(pairs[0][1].ndim)
        tried = [orders[name]] if name in orders else list(permutations(ranks)) if len(ranks) < 6 else [tuple(ranks)]
        best = min(((_apart(pairs, order), order) for order in tried), key=lambda pair: pair[0])
        if best[0] == np.inf and all(x.shape != y.transpose(o).shape for x, y in pairs for o in tried):
            shapes = f"{pairs[0][0].shape}, expected {pairs[0][1].shape} in some order of axes"
            raise InputError(f"{name} of the port has shape {shapes}")
        outputs.append(Output(best[0], BOUND, best[1]))
    return outputs


def _apart(pairs: Sequence[tuple[np.ndarray, np.ndarray]], order: Order) -> float:
    worst = 0.0
    for ours, theirs in pairs:
        turned = theirs.transpose(order)
        worst = max(worst, difference(ours, turned) if ours.shape == turned.shape else np.inf)
    return worst


def _bounded(best: _Attempt, orders: Mapping[str, Order], quantities: Quantities) -> list[Output]:
    """The outputs with bounds that allow for constants whose exact value is not known.

    Each stands for half an ulp around it. What they do together is measured: all are moved by half an ulp up or down
    at random, and twice the largest change counts.
    """
    if not best.constants.unresolved or all(output.equal for output in best.outputs):
        return best.outputs
    generator = np.random.default_rng(0)
    wanted = expected(quantities)
    effect = [0.0] * len(best.outputs)
    for length, (program, inputs) in enumerate(zip(best.sources.programs, best.sources.inputs, strict=True)):
        exact = _replacements(best, length)
        plain = evaluate(program, inputs, exact, keep=False)
        moving = [best.runs.numbers[best.runs.keys[0][c.number]][length] for c in best.constants.unresolved]
        for _ in range(DRAWS):
            moved = dict(exact)
            for number in moving:
                if number is not None:
                    constant = program.constants[number]
                    up = generator.choice([-1.0, 1.0], constant.array.shape)
                    moved[number] = constant.array + up * half_ulp(constant)
            values = evaluate(program, inputs, moved, keep=False)
            for place, number in enumerate(program.outputs):
                change = float(np.abs(values[number] - plain[number]).max(initial=0.0))
                scale = root_mean_square(wanted[length][place])
                effect[place] = max(effect[place], change / scale if scale else 0.0)
    return [Output(o.error, BOUND + 2 * e, o.order) for o, e in zip(best.outputs, effect, strict=True)]


def _replacements(best: _Attempt, length: int) -> dict[int, np.ndarray]:
    replaced = {}
    for key, pooled in best.constants.exact.items():
        number, array = best.runs.numbers[key][length], pooled[length]
        if number is not None and array is not None:
            replaced[number] = array
    return replaced


def _arrays(runs: Runs) -> list[list[np.ndarray]]:
    return [[_array(runs.given[key][length]) for key in runs.inputs] for length in runs.lengths]


def _array(value: np.ndarray | None) -> np.ndarray:
    assert value is not None
    return value


def _unused(runs: Runs, names: Sequence[str]) -> list[str]:
    """The inputs that no output is made of."""
    program: Program = runs.programs[0]
    needed = set(program.outputs)
    for node in reversed(program.nodes):
        if needed.intersection(node.outputs):
            needed.update(node.inputs)
    return [name for name, number in zip(names, program.inputs, strict=True) if number not in needed]


def _asked(sets: Sequence[Inputs], kind: str) -> list[str]:
    """What the proof rests on, and what would make it stronger."""
    said = given.equally_long(sets)
    if len({tuple(array.shape for array in inputs.values()) for inputs in sets}) == 1:
        what = "a file exported for it and --inputs" if kind == programs.FILE else "a second --inputs"
        said.append(f"proven for one set of shapes: another length is proven by {what} of other lengths")
    return said
