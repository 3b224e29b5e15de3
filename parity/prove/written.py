"""The contract of two models that were matched, as text: each line with its evidence, and the sides in Python."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from parity.match.discover import GRAPH, MODULE, NOTHING, WEIGHTS, Found
from parity.prove.discovery import Discovered
from parity.prove.inputs import Order

CONTRACT, SIDES, INPUTS = "contract.toml", "discovered_sides.py", "inputs"
SEGMENT = "model"
CALL = "[call="
BATCH, VARYING, FIXED = "b", "tuvw", "cdefgh"
"""Names of axes: of the batch, of those that differ from input to input, and of the others."""


@dataclass
class Axes:
    """Names for axes, one text for each way in which arrays lie in the two models.

    `lengths` has the length of the inputs' first axis in each set, where they have one in common: the batch.
    """

    lengths: Sequence[int | None]
    layouts: dict[str, str] = field(default_factory=dict)

    def name(self, shapes: Sequence[tuple[int, ...]], order: Order) -> str:
        """The reference's axes of an array whose axes the candidate has in `order`."""
        varying, fixed, names = iter(VARYING), iter(FIXED), list[str]()
        for axis in range(len(shapes[0])):
            sizes = [shape[axis] for shape in shapes]
            if axis == 0 and all(size == length for size, length in zip(sizes, self.lengths, strict=False)):
                names.append(BATCH)
            else:
                names.append(next(fixed if len(set(sizes)) == 1 else varying))
        stem, number = list(names), 1
        while self.layouts.setdefault(" ".join(names), own := " ".join(names[axis] for axis in order)) != own:
            number += 1
            names = [*stem[:-1], f"{stem[-1]}{number}"]
        return " ".join(names)

    def roles(self) -> Iterator[tuple[str, str]]:
        """What the axes are to a diagnosis, by role."""
        names = list(dict.fromkeys(name for axes in self.layouts for name in axes.split()))
        for role, letters in (("batch", BATCH), ("time", VARYING[0]), ("channel", FIXED[0])):
            if found := [name for name in names if name[0] == letters]:
                yield role, " ".join(found)


def output_names(found: Discovered) -> list[str]:
    """What the reference's outputs are called in the contract."""
    taken = {*found.sets[0], *(one.tap for one in found.found)}
    word = next(word for word in ("output", "outputs", "given", "left") if word not in taken)
    return [word] if found.count == 1 else [f"{word}_{place}" for place in range(found.count)]


def contract(found: Discovered) -> str:
    """`contract.toml`."""
    return "\n".join(_contract(found)) + "\n"


def _contract(found: Discovered) -> Iterator[str]:
    module = SIDES.removesuffix(".py")
    axes = _axes(found)
    taps = [*_taps(found, axes)]
    state = [*_state(found, axes)]
    yield f"# {found.reference}, and {found.candidate} as its port, matched by value and written by `parity discover`."
    yield "# It is a contract as any other: correct it, and commit it. Behind each line stands what it rests on."
    yield from (f"# {line}" for line in summary(found))
    yield from ("", f'cases = "{module}:case"', f'checkpoints = "{module}:checkpoint"')
    for side in ("reference", "candidate"):
        framework = "torch" if side == "reference" or found.source == "torch" else "mlx"
        yield from ("", f"[sides.{side}]", f'factory = "{module}:{side}"', f'framework = "{framework}"')
    turned = {text: own for text, own in axes.layouts.items() if text != own}
    if turned:
        yield from ("", "[layouts]  # the reference's axes = the candidate's")
        yield from (f"{_quoted(text)} = {_quoted(own)}" for text, own in turned.items())
    yield from ("", "[axes]  # by where they stand, and whether their lengths differ from input to input")
    yield from (f"{role} = {_quoted(names)}" for role, names in axes.roles())
    yield from ("", "[state]", *state)
    if names := [one for one in found.taps if one.module and one.module != one.tap and CALL not in one.tap]:
        yield from ("", "[names]  # the reference's module = the candidate's")
        yield from (f"{_quoted(one.tap)} = {_quoted(one.module)}" for one in names)
    yield from ("", "[[segment]]", f'name = "{SEGMENT}"')
    if found.unordered:
        yield "unordered = true  # the port runs some of its modules in another order"
    yield from ("taps = [", *taps, "]")
    for why, patterns in not_judged(found).items():
        yield from ("", "[[not_judged]]", f"patterns = {json.dumps(patterns)}", f"why = {_quoted(why)}")
    yield from ("", "[[rule]]", 'pattern = "*"', 'mode = "*"', "ratio64 = 2.0", "ratio32 = 2.0")
    yield 'why = "two right roundings of one value are 1.4 noise floors apart"'
    if found.left:
        yield from ("", "# Modules of the port that are none of the reference's:")
        yield from (f"#   {path}" for path in found.left)


def summary(found: Discovered) -> list[str]:
    """How many modules were found in which way, and over what."""
    counts = {
        "are modules of the port": len(found.of(MODULE)),
        "are values of its graph that no module gives": len(found.of(GRAPH)),
        "are found by their weights alone": len(found.of(WEIGHTS)),
        "have no counterpart": len(found.of(NOTHING)),
    }
    said = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    counted = ", counted at each call," if any(CALL in one.tap for one in found.found) else ""
    lines = [f"Of {len(found.found)} modules of the reference{counted} {said}."]
    if departures := len(found.matching.departures) - len(found.lacking):
        places = f"{departures} place{'s' * (departures > 1)}"
        lines.append(f"The port departs from the reference at {places}: `parity verify` and `parity compare` say how.")
    if len(found.sets) == 1:
        lines.append("It rests on one set of inputs: a second --inputs of other lengths says more, and what time is.")
    return lines + [f"Note: {note}" for note in found.notes]


def not_judged(found: Discovered) -> dict[str, list[str]]:
    """The taps that are not judged, as patterns, by the reason."""
    reasons: dict[str, list[str]] = {}
    lacking = [one.tap for one in found.of(NOTHING)]
    if lacking:
        reasons["no counterpart in the port"] = patterns(lacking, [one.tap for one in found.taps])
    for one in found.of(WEIGHTS):
        reasons.setdefault("found by its weights alone, its value is another", []).append(one.tap)
    for tap, part in found.behind.items():
        reasons.setdefault(f"behind {part}, which the port does not have", []).append(tap)
    given = {one.place: one for one in found.outputs}
    ends = {departure.output for departure in found.matching.departures if departure.number in found.lacking}
    for place, name in enumerate(output_names(found)):
        if place not in given:
            reasons.setdefault("the port does not give it", []).extend((name, f"handed-on.{name}*"))
        elif place in ends or set(found.lacking).intersection(given[place].follows):
            reasons.setdefault("behind a part that the port does not have", []).extend((name, f"handed-on.{name}*"))
    return reasons


def patterns(taps: Sequence[str], every: Sequence[str]) -> list[str]:
    """The taps, those below one module as `module.*` where all of them are meant."""
    chosen: list[str] = []
    for tap in taps:
        parts = tap.split(".")
        above = (".".join(parts[:count]) for count in range(1, len(parts)))
        whole = next((path for path in above if _all_below(path, taps, every)), None)
        chosen += [tap] if whole is None else [f"{whole}.*"]
    return list(dict.fromkeys(chosen))


def _all_below(path: str, taps: Sequence[str], every: Sequence[str]) -> bool:
    below = [tap for tap in every if tap.startswith(f"{path}.")]
    return set(below) <= set(taps)


def _axes(found: Discovered) -> Axes:
    firsts = [{array.shape[:1] for array in inputs.values()} for inputs in found.sets]
    return Axes([next(iter(first))[0] if len(first) == 1 and first != {()} else None for first in firsts])


def _taps(found: Discovered, axes: Axes) -> Iterator[str]:
    for one in found.found:
        if one.how == GRAPH:
            yield f"    # {one.tap}: {one.evidence}"
            continue
        order = one.order or tuple(range(len(one.shapes[0])))
        said = f"{one.module}: {one.evidence}" if one.module not in ("", one.tap.partition(CALL)[0]) else one.evidence
        yield f"    [{_quoted(one.tap)}, {_quoted(axes.name(one.shapes, order))}],  # {said}"
    given = {one.place: one.order for one in found.outputs}
    for place, name in enumerate(output_names(found)):
        shapes = [shapes[place] for shapes in found.shapes]
        order = given.get(place) or tuple(range(len(shapes[0])))
        yield f"    [{_quoted(name)}, {_quoted(axes.name(shapes, order))}],  # {_output(found, place)}"


def _output(found: Discovered, place: int) -> str:
    what = f"output {place}" if found.count > 1 else "the output"
    number = next((number for number, one in enumerate(found.outputs) if one.place == place), None)
    return f"{what}; the port does not give it" if number is None else f"{what}; the port's output {number}"


def _state(found: Discovered, axes: Axes) -> Iterator[str]:
    for name, array in found.sets[0].items():
        order = found.layout.get(name, tuple(range(array.ndim)))
        text = axes.name([inputs[name].shape for inputs in found.sets], order)
        taken = "" if name in found.layout else ", which the port does not take"
        yield f"{_quoted(name)} = {_quoted(text)}  # an input{taken}"
    given = {one.place: one.order for one in found.outputs}
    for place, name in enumerate(output_names(found)):
        shapes = [shapes[place] for shapes in found.shapes]
        text = axes.name(shapes, given.get(place) or tuple(range(len(shapes[0]))))
        yield f"{_quoted(name)} = {_quoted(text)}  # {_output(found, place)}"


def sides(found: Discovered) -> str:
    """`discovered_sides.py`."""
    names = output_names(found)
    theirs = ["" if one.place is None else names[one.place] for one in found.outputs]
    imports, (reference, candidate) = [], ("the_reference", "the_port")
    for dotted, alias in ((found.reference, reference), (found.candidate, candidate)):
        module, _, name = dotted.partition(":")
        imports.append(f"from {module} import {name.partition('.')[0]} as {alias}")
    reference, candidate = (
        ".".join([alias, *dotted.partition(":")[2].split(".")[1:]])
        for dotted, alias in ((found.reference, reference), (found.candidate, candidate))
    )
    port, kinds = "TorchSide(PORT, dtype, {inputs}, {outputs}, keywords=False)", "TorchModel, TorchSide"
    models = [f"REFERENCE = TorchModel({reference})"]
    if found.source != "torch":
        made = f"{candidate}()" if found.factories[1] else candidate
        port, kinds = f"MlxSide({made}, {{inputs}}, {{outputs}})", f"MlxSide, {kinds}"
    else:
        models.append(f"PORT = TorchModel({candidate}, ahead=True)")
    port = port.format(inputs=json.dumps(list(found.layout)), outputs=json.dumps(theirs))
    keywords = "" if found.keywords else ", keywords=False"
    lines, joined = "\n".join(sorted(imports)), "\n".join(models)
    return f'''"""The two sides of the contract beside this file, and its cases. Written by `parity discover`."""

from pathlib import Path

import numpy as np

{lines}
from parity.contract.implementation import Case
from parity.run.sides import {kinds}

INPUTS = Path(__file__).parent / "inputs"
CASES = {json.dumps(found.names)}
{joined}


def case(name):
    """The inputs of the file of that name, in the reference's layout."""
    return Case(name, {{}}, dict(np.load(INPUTS / f"{{name}}.npz")))


def checkpoint(case):
    """The models load their own weights: what a run depends on besides are its inputs."""
    return INPUTS


def reference(checkpoint, options, dtype):
    return TorchSide(REFERENCE, dtype, {json.dumps(list(found.sets[0]))}, {json.dumps(names)}{keywords})


def candidate(checkpoint, options, dtype):
    return {port}
'''


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def evidence(one: Found) -> str:
    """A module and what is known of it, in one line."""
    return f"{one.tap}: {one.evidence}"
