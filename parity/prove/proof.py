"""The proof itself: outputs compared in double, and every place where the port departs from the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations, islice
from typing import Any

import numpy as np

from parity.base.errors import InputError, UsageError
from parity.base.runtime import prepare
from parity.exact.program import NoProgram, Program, evaluate
from parity.match.audit import Audit
from parity.match.constants import resolve
from parity.match.matching import Matching, match
from parity.match.quantities import Quantities
from parity.match.values import Runs
from parity.match.weights import Anchors
from parity.prove import inputs as given
from parity.prove import programs
from parity.prove.calls import Call, Calls, both, standard
from parity.prove.doubles import replayed
from parity.prove.files import misplaced
from parity.prove.inputs import Inputs, Order
from parity.prove.models import title
from parity.prove.outputs import Output, compare, constant, effects, exchanged, undecided
from parity.prove.programs import Port
from parity.prove.results import named_alike
from parity.prove.shapes import parting
from parity.prove.tables import as_meant
from parity.prove.weights import audited, beside_equal_outputs
from parity.prove.weights import exchanged as with_weights

_NEAR = 1e-4
"""An output that is nearer than this has the right layout, whatever its float32 constants do to it."""

_EXCHANGED = 10
"""Pairs of arguments that are exchanged at most, to see whether the port takes them in another order."""


@dataclass
class Proof:
    """What was proven, for which shapes, and what not.

    `source` is how the port's program was had. `swapped` says which outputs or arguments stand in another order,
    `views` what a file holds wrongly, by weight. `weights` accounts for the tensors of both. `found` is the matching of
    the two programs where they differ, and differ in more than their weights: with the port's in the reference.
    """

    reference: str
    candidate: str
    source: str
    shapes: list[dict[str, tuple[int, ...]]]
    layout: dict[str, Order]
    outputs: list[Output]
    independent: list[str]
    weights: Audit
    swapped: list[str] = field(default_factory=list)
    views: dict[str, str] = field(default_factory=dict)
    found: Matching | None = None
    unresolved: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def proven(self) -> bool:
        return not self.independent and all(output.equal for output in self.outputs)


@dataclass
class Reference:
    """The reference's program of one set of inputs, run."""

    program: Program
    inputs: list[np.ndarray]
    quantities: Quantities

    @cached_property
    def outputs(self) -> list[np.ndarray]:
        values = self.quantities.runs.evaluate()
        return [_array(values[key][0]) for key in self.quantities.runs.outputs]


@dataclass
class Attempt:
    """The port's programs in one layout of the inputs, and their outputs compared.

    `held` is the first as it was given, before the reference's tables in double took the place of those named `tables`.
    """

    layout: dict[str, Order]
    sources: programs.Sources
    exact: list[dict[int, np.ndarray]]
    unresolved: list[dict[int, str]]
    made: list[list[np.ndarray]]
    outputs: list[Output]
    held: Program
    tables: list[str]

    @property
    def error(self) -> float:
        return max(output.error for output in self.outputs)


@dataclass
class Evidence:
    """What a proof was made of, for whoever asks more of the same two models."""

    sets: list[Inputs]
    model: Any
    call: Call
    references: list[Reference]
    port: Port
    best: Attempt


def prove(
    reference: Any,
    candidate: Any,
    inputs: given.Given | Sequence[given.Given],
    axes: Sequence[str] = (),
    source: str | None = None,
    call: Calls = None,
) -> Proof:
    """Prove that `candidate` computes what `reference` computes, on these inputs.

    `reference` is a torch module, a function or a factory of one, or `module:name` of these. `candidate` is the same in
    MLX or PyTorch, or a `.mlxfn` file. `inputs` are arrays by the names of the reference's arguments, or a `.npz` file
    of such; several of other lengths prove more. `source` is `graph`, `standin` or `torch`; without one the port's
    graph is tried first. `call` is as in `parity.compare`. Raises `InputError` for what cannot be judged.

    >>> from pathlib import Path
    >>> files = [Path("short.npz"), Path("long.npz")]
    >>> proof = parity.prove_port("torch_model:reference", "mlx_model:candidate", files)
    >>> proof.proven, proof.layout["x"]
    (True, (0, 2, 1))
    """
    sets = given.several(inputs)
    return evidence(reference, candidate, given.read_all(sets), given.labels(sets), axes, source, call)[0]


def evidence(
    reference: Any,
    candidate: Any,
    sets: list[Inputs],
    labels: Sequence[str],
    axes: Sequence[str] = (),
    source: str | None = None,
    call: Calls = None,
    draws: Sequence[str] = (),
) -> tuple[Proof, Evidence]:
    """`prove` on sets of inputs as `read_all` gives them, called by their labels, and what the proof was made of."""
    prepare()
    orders = given.declared(axes)
    given.check_declared(orders, sets[0])
    calls = both(call, draws, sets)
    ours = programs.reference(reference, sets, calls[0])
    sets = [{name: inputs[name] for name in ours.names} for inputs in sets]
    references = [
        Reference(program, arrays, Quantities(Runs([program], [arrays])))
        for program, arrays in zip(ours.programs, ours.inputs, strict=True)
    ]
    called = title(reference)
    for label, one in zip(labels, references, strict=True):
        for place, array in enumerate(one.outputs):
            if array.dtype.kind in "fc" and np.isnan(array).any():
                raise InputError(
                    f"{called}: output {place} is NaN for {label}, which equals nothing; give other inputs"
                )
    for label, one, results in zip(labels, references, ours.results, strict=bool(ours.results)):
        if said := replayed(one.outputs, results):
            raise InputError(f"{called}, {label}: {said}")
    port = Port(candidate, replace(calls[1], ahead=ours.ahead, like=ours.given))
    if port.is_file and source is not None:
        raise UsageError(f"--source {source} with {port.title}: a file is read as it is; leave --source out")
    if source not in (None, *programs.ASKED):
        raise UsageError(f"source {source!r}: expected {', '.join(programs.ASKED)}, or None")
    notes = list(ours.notes)
    kind = programs.FILE if port.is_file else source or (programs.TORCH if port.is_torch else programs.GRAPH)
    try:
        proof, best = _judge(port, kind, sets, orders, references, ours.model)
    except NoProgram as error:
        if kind != programs.GRAPH or source is not None:
            raise
        notes.append(f"run in the stand-in for mlx.core, for its graph cannot be had: {error}")
        try:
            proof, best = _judge(port, programs.STANDIN, sets, orders, references, ours.model)
        except NoProgram as again:
            raise NoProgram(f"{again}; its graph cannot be had either: {error}") from again
    if kind != programs.FILE:
        notes += named_alike(ours.given, best.sources.given)
    wanted = [one.outputs for one in references]
    notes += undecided(wanted, proof.outputs, orders)
    if any(one.name for one in references[0].program.constants.values()):
        notes += constant(wanted)
    proof.reference = called
    proof.notes = [*notes, *standard(port.call, sets), *_asked(sets, proof.source), *proof.notes]
    return proof, Evidence(sets, ours.model, ours.call, references, port, best)


def _judge(
    port: Port, kind: str, sets: list[Inputs], orders: Mapping[str, Order], references: list[Reference], model: Any
) -> tuple[Proof, Attempt]:
    with programs.candidate(port, kind) as give:
        try:
            best = _best(give, sets, orders, references, model)
        except NoProgram:
            raise
        except InputError as error:
            if said := _arguments_swapped(give, sets, orders, references, model):
                raise InputError(f"{error}; {'; '.join(said)}") from error
            raise
        unused = [_unused(program, list(sets[0])) for program in (references[0].program, best.sources.programs[0])]
        unread = [name for name in port.call.kinds if all(name in names for names in unused)]
        proof = Proof(
            "",
            port.title,
            kind,
            [{name: array.shape for name, array in inputs.items()} for inputs in sets],
            best.layout,
            best.outputs,
            [
                f"the {side}'s output does not depend on {name}"
                for side, names in zip(("reference", "port"), unused, strict=True)
                for name in names
                if name not in unread
            ],
            audited(model, best.sources.model, (references[0].program, best.held), best.exact[0]),
            unresolved=list(best.unresolved[0].values()),
            notes=[*(f"{name} is drawn, and neither reads it" for name in unread), *_in_half(best), *_in_double(best)],
        )
        if all(output.equal for output in best.outputs):
            given_to = [(reference.program, reference.inputs) for reference in references]
            proof.weights = beside_equal_outputs(proof.weights, given_to, best.made, best.outputs)
        else:
            proof.swapped = exchanged(best.made, [reference.outputs for reference in references], best.outputs)
            proof.swapped += _arguments_swapped(give, sets, orders, references, model)
            _departed(proof, best, references)
            if kind == programs.FILE:
                proof.views = dict(misplaced(references[0].program, best.sources.programs[0]))
    return proof, best


def _departed(proof: Proof, best: Attempt, references: list[Reference]) -> None:
    """Look for what the weights do not explain: the reference is given the port's before, where these are others."""
    before = [reference.program for reference in references]
    changed = before
    for crossing in [True, False] if any(row.crossing for row in proof.weights.rows) else [False]:
        changed = with_weights(before, proof.weights, crossing)
        if changed == before:
            continue
        runs = [evaluate(one, reference.inputs, keep=False) for one, reference in zip(changed, references, strict=True)]
        wanted = [[values[number] for number in one.outputs] for one, values in zip(changed, runs, strict=True)]
        if all(output.equal for output in compare(best.made, wanted, {})):
            proof.weights = replace(proof.weights, explains=True, exchanged=crossing)
            break
    if not proof.weights.explains and not proof.weights.another:
        proof.found = matched(best, references, proof.notes, changed)


def matched(
    best: Attempt, references: list[Reference], notes: list[str], changed: Sequence[Program] | None = None
) -> Matching:
    """The departures, over all sets of inputs, or over the first where the operations differ from length to length.

    They differ where the programs' lengths cannot be laid on each other, and where most of what the first has is lost:
    a loop takes more steps at some lengths, and the last of those are found at no other. `changed` are the reference's
    programs with other weights, where these are not its own.
    """
    ours = changed or [reference.program for reference in references], [reference.inputs for reference in references]
    theirs = best.sources.programs, best.sources.inputs
    found: Matching | None
    try:
        found = match(ours[0], theirs[0], ours[1], theirs[1], least=len(references))
    except InputError:
        if len(references) == 1:
            raise
        found = None
    loops = any(len({len(program.nodes) for program in programs}) > 1 for programs in (ours[0], theirs[0]))
    if (
        found is None
        or (loops and found.departures)
        or (len(references) > 1 and len(found.unmatched_taps) > len(found.taps))
    ):
        first = match(ours[0][:1], theirs[0][:1], ours[1][:1], theirs[1][:1], least=1)
        if found is None or len(first.taps) > len(found.taps) or 0 < _widest(first) < _widest(found):
            found = first
            notes.append("the operations differ from length to length: departures are those of the first inputs")
    notes.extend(found.notes)
    if not found.equal and not found.departures:
        notes.append("no departure was found that explains the difference of the output")
    return found


def _widest(found: Matching) -> int:
    """Operations of both sides in the largest departure."""
    return max((len(one.reference) + len(one.candidate) for one in found.departures), default=0)


def _best(
    give: programs.Give,
    sets: list[Inputs],
    orders: Mapping[str, Order],
    references: list[Reference],
    model: Any,
) -> Attempt:
    """The layout of the inputs in which the outputs are nearest to the reference's."""
    best: Attempt | None = None
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
            attempt = _attempt(sources, layout, orders, references, model)
        except InputError as error:
            failures.insert(0, error)  # it runs: what it gives says more than what others cannot take
            continue
        if best is None or attempt.error < best.error:
            best = attempt
        if best.error <= _NEAR:
            break
    if best is None:
        raise failures[0]
    if any(best.unresolved) and not all(output.equal for output in best.outputs):
        best.outputs = _allowed(best, references)
    return best


def _arguments_swapped(
    give: programs.Give, sets: list[Inputs], orders: Mapping[str, Order], references: list[Reference], model: Any
) -> list[str]:
    """A sentence for the first two arguments with which exchanged the port gives the reference's outputs.

    The first inputs alone rule most of them out.
    """
    names = list(sets[0])
    for one, other in islice(combinations(names, 2), _EXCHANGED):
        exchange = {one: other, other: one}
        ordered = [{exchange.get(name, name): inputs[exchange.get(name, name)] for name in names} for inputs in sets]
        try:
            if all(
                output.equal
                for count in sorted({1, len(sets)})
                for output in _best(give, ordered[:count], orders, references[:count], model).outputs
            ):
                return [f"with {one} and {other} exchanged the port gives the reference's outputs: they are swapped"]
        except InputError:
            continue
    return []


def _attempt(
    sources: programs.Sources,
    layout: dict[str, Order],
    orders: Mapping[str, Order],
    references: list[Reference],
    model: Any,
) -> Attempt:
    held, (_, tables) = sources.programs[0], as_meant(sources.programs[0], references[0].program, model)
    if tables:
        meant = [as_meant(program, references[0].program, model)[0] for program in sources.programs]
        sources = replace(sources, programs=meant)
    made, all_exact, all_unresolved = [], [], []
    for reference, program, inputs in zip(references, sources.programs, sources.inputs, strict=True):
        ours, theirs = reference.quantities, Runs([program], [inputs])
        constants = resolve(ours.runs, theirs, Anchors(ours.runs, theirs, ours.values, theirs.static()))
        exact = {}
        for key, pooled in constants.exact.items():
            exact[_number(theirs, key)] = _array(pooled[0])
        values = evaluate(program, inputs, exact, keep=False)
        made.append([values[number] for number in program.outputs])
        all_exact.append(exact)
        all_unresolved.append(
            {
                _number(theirs, one.key): f"{one.name or 'a constant'} of shape {one.shape}, stored in {one.dtype}"
                for one in constants.unresolved
            }
        )
    try:
        outputs = compare(made, [reference.outputs for reference in references], orders)
    except InputError as error:
        ours, theirs = references[0].quantities, Runs(sources.programs[:1], sources.inputs[:1])
        anchors = Anchors(ours.runs, theirs, ours.values, theirs.static())
        raise InputError(f"{error}; {where}" if (where := parting(ours, theirs, anchors)) else str(error)) from error
    return Attempt(layout, sources, all_exact, all_unresolved, made, outputs, held, tables)


def _allowed(best: Attempt, references: list[Reference]) -> list[Output]:
    """The outputs with bounds that allow for constants whose exact value is not known."""
    rows = [
        effects(program, inputs, exact, list(unresolved), reference.outputs)
        for reference, program, inputs, exact, unresolved in zip(
            references, best.sources.programs, best.sources.inputs, best.exact, best.unresolved, strict=True
        )
    ]
    return [
        replace(output, bound=output.bound + max(column))
        for output, column in zip(best.outputs, zip(*rows, strict=True), strict=True)
    ]


def _number(runs: Runs, key: int) -> int:
    number = runs.numbers[key][0]
    assert number is not None
    return number


def _array(value: np.ndarray | None) -> np.ndarray:
    assert value is not None
    return value


def _unused(program: Program, names: Sequence[str]) -> list[str]:
    """The inputs that no output is made of."""
    needed = set(program.outputs)
    for node in reversed(program.nodes):
        if needed.intersection(node.outputs):
            needed.update(node.inputs)
    return [name for name, number in zip(names, program.inputs, strict=True) if number not in needed]


def _in_half(best: Attempt) -> list[str]:
    """Of each constant in half precision for which the reference's value was taken: what is proven holds for that."""
    constants = best.sources.programs[0].constants
    kept = [constants[number] for number in best.exact[0] if constants[number].rounded in ("float16", "bfloat16")]
    return [
        f"the port holds {one.name or 'a constant'} {one.array.shape} in {one.rounded}: what is proven holds for the "
        "reference's values, of which the port has roundings"
        for one in kept
    ]


def _in_double(best: Attempt) -> list[str]:
    """Of each table for which the reference's in double was taken: what is proven holds for that."""
    return [
        f"the port holds the reference's own {name} in single precision, bit for bit: what is proven holds for both in "
        "double"
        for name in best.tables
    ]


def _asked(sets: Sequence[Inputs], kind: str) -> list[str]:
    """What the proof rests on, and what would make it stronger."""
    said = given.equally_long(sets)
    if len({tuple(array.shape for array in inputs.values()) for inputs in sets}) == 1:
        what = "a file exported for it and --inputs" if kind == programs.FILE else "a second --inputs"
        said.append(f"proven for one set of shapes: another length is proven by {what} of other lengths")
    return said
