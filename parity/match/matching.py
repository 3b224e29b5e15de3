"""Two programs compared by their values: what is the same quantity, and every place where they depart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity.base.errors import InputError
from parity.exact.program import Program, evaluate
from parity.match.arrangement import BOUND, difference
from parity.match.constants import Unresolved, resolve
from parity.match.departures import Departure, Search
from parity.match.explanation import Explanation, describe, explain
from parity.match.groups import Group, grouped
from parity.match.parts import Pieces
from parity.match.quantities import Quantities
from parity.match.rows import gathered, reordered
from parity.match.taps import REORDERED, ROWS, Pair, counterpart, paired
from parity.match.trials import WORK
from parity.match.values import Pooled, Runs, arranged
from parity.match.walk import Walk
from parity.match.weights import Anchors, telling

LENGTHS = 3
"""Inputs of distinct lengths that a matching rests on, at least."""


@dataclass
class Matching:
    """What `match` found.

    `pairs` has every value of the candidate that is a quantity of the reference, `taps` a pair for each named value of
    the reference. `unmatched_taps` are names without one, `unmatched_operations` the candidate's operations whose
    results are no quantity of the reference: what it computes another way. `remaining` are the outputs that still
    differ when all departures are exchanged in a run of their own, as "output 0 at length 1", and those that the
    candidate does not give. `notes` say where the search was cut short.
    """

    pairs: list[Pair]
    taps: dict[str, Pair]
    departures: list[Departure]
    explanations: list[Explanation]
    unmatched_taps: list[str]
    unmatched_operations: list[str]
    unresolved: list[Unresolved] = field(default_factory=list)
    remaining: list[str] = field(default_factory=list)
    programs: tuple[Program, Program] | None = field(default=None, repr=False)
    notes: list[str] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """No departure: the candidate computes what the reference does."""
        return not self.departures and not self.remaining

    @property
    def proven(self) -> bool:
        """With the reference's pieces in place of all departures, everything behind them is equal."""
        return not self.remaining

    @property
    def groups(self) -> list[Group]:
        """The departures, those that are one thing together."""
        return grouped(self.departures, self.explanations)

    def as_dict(self) -> dict[str, Any]:
        """For JSON. Arrangements are those of the first length."""
        return {
            "equal": self.equal,
            "proven": self.proven,
            "remaining": self.remaining,
            "pairs": len(self.pairs),
            "taps": {
                name: {
                    "reference": pair.reference,
                    "candidate": pair.candidate,
                    "arrangement": str(pair.arrangements[0]) if pair.arrangements else "",
                    "error": pair.error,
                    "how": pair.how,
                    "follows": list(pair.follows),
                }
                for name, pair in self.taps.items()
            },
            "unmatched_taps": self.unmatched_taps,
            "unmatched_operations": self.unmatched_operations,
            "unresolved": [
                {
                    "number": one.number,
                    "name": one.name,
                    "dtype": one.dtype,
                    "shape": list(one.shape),
                    "uses": len(one.uses),
                    "largest": max((use.error for use in one.uses), default=0.0),
                }
                for one in self.unresolved
            ],
            "departures": [
                {
                    "number": departure.number,
                    "kind": departure.kind,
                    "module": departure.module,
                    "error": departure.error if np.isfinite(departure.error) else None,
                    "healed": departure.healed,
                    "reference": vars(explanation.reference),
                    "candidate": vars(explanation.candidate),
                    "names": dict(explanation.names),
                    "relation": departure.relation,
                    "constants": list(explanation.constants),
                    "output": departure.output,
                }
                for departure, explanation in zip(self.departures, self.explanations, strict=True)
            ],
            "groups": [{"departures": [group.first, *group.others], "further": str(group)} for group in self.groups],
        }


def match(
    references: Sequence[Program],
    candidates: Sequence[Program],
    reference_inputs: Sequence[Sequence[np.ndarray]],
    candidate_inputs: Sequence[Sequence[np.ndarray]],
    least: int = LENGTHS,
) -> Matching:
    """Match a candidate with a reference, each given as the same program at several lengths.

    Raises `InputError` for fewer than `least` lengths, or programs that take other numbers of inputs at other lengths.
    """
    if not len(references) == len(candidates) >= least:
        raise InputError(f"got {len(references)} and {len(candidates)} programs, expected {least} lengths or more each")
    reference, candidate = Runs(references, reference_inputs), Runs(candidates, candidate_inputs)
    quantities = Quantities(reference)
    values = candidate.static()
    anchors = Anchors(reference, candidate, quantities.values, values)
    constants = resolve(reference, candidate, anchors)
    if constants.exact:
        values = candidate.static(constants.exact)
    walk = Walk(quantities, candidate, anchors, values, constants.unresolved)
    search = Search(walk)
    equal = _equal(quantities, candidate, constants.exact)
    walk.pass_through(_left_as_it_is if equal else search.mend)
    search.mend_modules()
    for position in range(len(candidate.outputs) if not equal else 0):
        search.mend_output(position)
    result = _result(walk, search, constants.unresolved)
    if search.trials.spent:
        result.notes.append(
            f"the search ended after {WORK:,} operations run in trials: some departures may be stretches"
        )
    if not equal:
        result.remaining = [*_replayed(walk, search.departures, constants.exact), *_not_given(walk)]
    return result


def confirm(
    matching: Matching,
    references: Sequence[Program],
    candidates: Sequence[Program],
    reference_inputs: Sequence[Sequence[np.ndarray]],
    candidate_inputs: Sequence[Sequence[np.ndarray]],
    bound: float = BOUND,
) -> list[Pair]:
    """The pairs that are not equal on other inputs, of the same programs at other lengths: false matches.

    A pair that follows from a departure is equal in a mended run alone, and is left out. Modules that are found as rows
    or in another order come too where both programs run the same operations again, as many experts for example.
    """
    assert matching.programs is not None
    ours, theirs = (
        _others(first, programs, inputs)
        for first, programs, inputs in zip(
            matching.programs, (references, candidates), (reference_inputs, candidate_inputs), strict=True
        )
    )
    again = all(
        _operations(program) == _operations(first)
        for first, programs in zip(matching.programs, (references, candidates), strict=True)
        for program in programs
    )
    otherwise = [pair for pair in matching.taps.values() if again and pair.how in (ROWS, REORDERED)]
    wrong = []
    for pair in (*matching.pairs, *otherwise):
        one, held = (
            ours.get(pair.reference),
            {key: theirs[key] for key in pair.held or [pair.candidate] if key in theirs},
        )
        if pair.follows or one is None or not held:
            continue
        if pair.how == ROWS:
            equal = bool(gathered(one, [list(held.items())], bound))
        elif pair.how == REORDERED:
            equal = reordered(one, list(held.items()), bound) is not None
        else:
            found = arranged(held[pair.candidate], one, bound)
            equal = found is not None and (not pair.arrangements or found[0][0].order == pair.arrangements[0].order)
        if not equal:
            wrong.append(pair)
    return wrong


def _operations(program: Program) -> list[tuple[str, str]]:
    return [(node.operation, node.module) for node in program.nodes]


def _others(first: Program, programs: Sequence[Program], inputs: Sequence[Sequence[np.ndarray]]) -> dict[int, Pooled]:
    """Values of programs at other lengths, by the numbers that they have in the first program."""
    runs = Runs([first, *programs], [[np.zeros(0)] * len(first.inputs), *inputs])
    values = [evaluate(program, given) for program, given in zip(programs, inputs, strict=True)]
    made: dict[int, Pooled] = {}
    for numbers in runs.numbers.values():
        if numbers[0] is not None and all(number is not None for number in numbers):
            made[numbers[0]] = tuple(
                run[number] for run, number in zip(values, numbers[1:], strict=True) if number is not None
            )
    return made


def _result(walk: Walk, search: Search, unresolved: list[Unresolved]) -> Matching:
    quantities, candidate = walk.reference, walk.candidate
    partner: dict[int, int] = {}
    pairs = []
    for key in sorted(walk.status):
        status = walk.status[key]
        if status.quantity is None or key not in candidate.dynamic:
            continue
        partner.setdefault(status.quantity, key)
        pairs.append(paired(walk, status.quantity, key))
    taps, unmatched = {}, []
    pieces: Pieces | None = None
    for name, key in quantities.runs.taps.items():
        quantity = quantities.of.get(key)
        if quantity is not None and quantity in partner:
            taps[name] = paired(walk, quantity, partner[quantity])
            continue
        pieces = pieces or Pieces({k: v for k, v in walk.values.items() if telling(v)})
        pair = counterpart(walk, pieces, partner, name)
        if pair is not None:
            taps[name] = pair
        else:
            unmatched.append(name)
    other = [
        str(candidate.steps[candidate.makers[key]].node)
        for key in sorted(walk.status)
        if key in candidate.makers and key in candidate.dynamic and not walk.status[key].settled
    ]
    for departure in search.departures:
        departure.output = _output(walk, departure)
        ours = quantities.runs.numbers.get(departure.quantity, [None])
        departure.numbers = ours[0], candidate.numbers[departure.key][0]
    explanations = [explain(walk, departure) for departure in search.departures]
    programs = walk.reference.runs.programs[0], candidate.programs[0]
    return Matching(pairs, taps, search.departures, explanations, unmatched, other, unresolved, [], programs)


def _output(walk: Walk, departure: Departure) -> int | None:
    """The position of the output that an exchanged value is, as it stands or laid out anew, where nothing follows."""
    if departure.healed:
        return None
    for position, key in enumerate(walk.candidate.outputs):
        status = walk.status[key]
        same = status.quantity == departure.quantity and departure.number in status.follows
        if key == departure.key or same:
            return position
    return None


def _equal(quantities: Quantities, candidate: Runs, exact: Mapping[int, Pooled]) -> bool:
    """All outputs of the candidate are the reference's as they are: what is not found before them is a rewrite."""
    wanted = quantities.runs.outputs
    if len(wanted) != len(candidate.outputs):
        return False
    runs = []
    for length, program in enumerate(candidate.programs):
        given = [array for key in candidate.inputs if (array := candidate.given[key][length]) is not None]
        values = evaluate(program, given, _at(candidate, exact, length), keep=False)
        runs.append([values[number] for number in program.outputs])
    pairs = zip(zip(*runs, strict=True), wanted, strict=True)
    return all(arranged(made, quantities.values[key]) is not None for made, key in pairs)


def _at(candidate: Runs, pooled: Mapping[int, Pooled], length: int) -> dict[int, np.ndarray]:
    """Values at one length, by the numbers that they have in its program."""
    numbers = ((candidate.numbers[key][length], arrays[length]) for key, arrays in pooled.items())
    return {number: array for number, array in numbers if number is not None and array is not None}


def _left_as_it_is(place: int, key: int) -> None:
    """Nothing is mended in a candidate whose outputs are equal."""


def _replayed(walk: Walk, departures: Sequence[Departure], exact: dict[int, Pooled]) -> Iterator[str]:
    """Outputs that differ when the candidate runs once more, with the departures exchanged and nothing else.

    What a rounded constant that is not resolved makes is exchanged too.
    """
    candidate, quantities = walk.candidate, walk.reference
    for length, program in enumerate(candidate.programs):
        places = {id(node): place for place, node in enumerate(program.nodes)}
        replace, edges = _at(candidate, exact, length), {}
        for departure in departures:
            value, number = departure.value[length], candidate.numbers[departure.key][length]
            if value is None or number is None:
                continue
            for place, position in departure.edges:
                node = candidate.steps[place].nodes[length]
                if node is not None:
                    edges[places[id(node)], position] = value
            if not departure.edges:
                replace[number] = value
        for use in (use for constant in walk.unresolved.values() for use in constant.uses):
            number, array = candidate.numbers[use.key][length], walk.values[use.key][length]
            if number is not None and array is not None:
                replace[number] = array
        for place, position in walk.edges:
            node, array = candidate.steps[place].nodes[length], walk.edges[place, position][0][length]
            if node is not None and array is not None:
                edges.setdefault((places[id(node)], position), array)
        given = [candidate.given[key][length] for key in candidate.inputs]
        values = evaluate(program, [array for array in given if array is not None], replace, edges, keep=False)
        for position, key in enumerate(candidate.outputs):
            status, number = walk.status[key], candidate.numbers[key][length]
            assert number is not None
            if status.quantity is None:
                equal = status.settled and walk.output_equal(position)
            else:
                truth = quantities.values[status.quantity][length]
                assert truth is not None
                shape = values[number].shape
                turned = status.arrangements[length].apply(truth, shape) if status.arrangements else truth
                equal = turned.shape == shape and difference(values[number], turned) <= BOUND
            if not equal:
                yield f"output {position} at length {length}: {describe_output(walk, position)}"


def _not_given(walk: Walk) -> Iterator[str]:
    """Outputs of the reference that none of the candidate's is, where they are not as many."""
    outputs, candidate = walk.reference.runs.outputs, walk.candidate.outputs
    given = {walk.status[key].quantity for key in candidate}
    for position, key in enumerate(outputs if len(outputs) != len(candidate) else ()):
        if walk.reference.of.get(key, key) not in given:
            value = walk.reference.values[key]
            if not any(arranged(walk.values[one], value) for one in candidate):
                yield f"output {position} of the reference is not given: {describe_output(walk, position)}"


def describe_output(walk: Walk, position: int) -> str:
    """The reference's output at this position, in words."""
    outputs = walk.reference.runs.outputs
    if position >= len(outputs):
        return "the reference has no such output"
    return describe(walk, walk.reference.of.get(outputs[position], outputs[position]))
