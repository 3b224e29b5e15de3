"""The weights of both sides audited, and the reference with the port's weights: what the weights alone explain."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from parity.exact.program import Program, evaluate, widened
from parity.match.audit import Audit, Row, Tensor, audit, rows
from parity.prove.outputs import Output, compare
from parity.prove.tensors import side

Run = tuple[Program, list[np.ndarray]]
"""A program and what it is run on."""

_ROUNDED = 1e-3
"""Largest distance, in units of the RMS, of all numbers of two tensors that are one table, computed in two ways."""


def audited(reference: Any, candidate: Any, programs: tuple[Program, Program], restored: Collection[int]) -> Audit:
    """The tensors of two models, of which the programs are given, by value; see `side`."""
    return audit(side(reference, programs[0]), side(candidate, programs[1], restored))


def exchanged(programs: Sequence[Program], found: Audit, crossing: bool = False) -> list[Program]:
    """The reference's programs with the port's numbers in place of those that the port does not have.

    As they are where there are none such. `crossing`: also with those tensors exchanged that hold each other's values.
    """
    given = [pair for row in found.rows for pair in (*row.as_reference, *(row.crossing if crossing else ()))]
    if not given:
        return list(programs)
    values = [(tensor, widened(value())) for tensor, value in given]
    made = []
    for program in programs:
        constants = dict(program.constants)
        for tensor, value in values:
            for number in _numbers(program, programs[0], tensor):
                held = constants[number].array
                parts = value.reshape(*held.shape, 2) if held.dtype.kind == "c" else value.reshape(held.shape)
                array = parts[..., 0] + 1j * parts[..., 1] if held.dtype.kind == "c" else parts
                constants[number] = replace(constants[number], array=array)
        made.append(replace(program, constants=constants))
    return made


def beside_equal_outputs(
    found: Audit, references: Sequence[Run], made: Sequence[Sequence[np.ndarray]], outputs: Sequence[Output]
) -> Audit:
    """An audit of two models whose outputs are equal, with what that says of each tensor that has other numbers.

    The reference with the port's tensor gives the port's outputs, where no input shows that it is another one. Where it
    does not, the port's program makes up for the tensor: a norm folded in, channels in another order. What rounding
    moves is neither. `references` are programs with their inputs, `made` the port's outputs and `outputs` their bounds.
    """
    return replace(found, rows=[_beside(row, references, made, outputs) if row.others else row for row in found.rows])


def _beside(
    row: Row, references: Sequence[Run], made: Sequence[Sequence[np.ndarray]], outputs: Sequence[Output]
) -> Row:
    if (not row.as_reference and rows.FUSED in row.how) or (row.apart is not None and row.apart < _ROUNDED):
        return row
    changed = exchanged([program for program, _ in references], Audit([row]))
    runs = [evaluate(one, inputs, keep=False) for one, (_, inputs) in zip(changed, references, strict=True)]
    wanted = [[values[number] for number in one.outputs] for one, values in zip(changed, runs, strict=True)]
    if all(now.error <= output.bound for now, output in zip(compare(made, wanted, {}), outputs, strict=True)):
        said = "no input shows it, for the outputs are equal"
        return replace(row, how=(*row.how, rows.UNSEEN), evidence=f"{row.evidence}; {said}")
    said = "what the port computes makes up for it, for the outputs are equal"
    return replace(row, how=(*row.how, rows.UNDONE), evidence=f"{row.evidence}; {said}", as_reference=())


def _numbers(program: Program, first: Program, tensor: Tensor) -> list[int]:
    """The constants that are the tensor: by its paths, or by its place among those of the first program."""
    if tensor.path:
        return [number for number, constant in program.constants.items() if constant.name in tensor.names]
    if tensor.number is None or len(program.constants) != len(first.constants):
        return []
    return [list(program.constants)[list(first.constants).index(tensor.number)]]
