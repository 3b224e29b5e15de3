"""The weights of both sides audited, and the reference with the port's weights: what the weights alone explain."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from parity.exact.program import Program, widened
from parity.match.audit import Audit, Tensor, audit
from parity.prove.tensors import side


def audited(reference: Any, candidate: Any, programs: tuple[Program, Program], restored: Collection[int]) -> Audit:
    """The tensors of two models, of which the programs are given, by value; see `side`."""
    return audit(side(reference, programs[0]), side(candidate, programs[1], restored))


def exchanged(programs: Sequence[Program], found: Audit) -> list[Program]:
    """The reference's programs with the port's numbers in place of those that the port does not have.

    As they are where there are none such.
    """
    given = [pair for row in found.rows for pair in row.as_reference]
    if not given:
        return list(programs)
    values = [(tensor, widened(value())) for tensor, value in given]
    made = []
    for program in programs:
        constants = dict(program.constants)
        for tensor, value in values:
            for number in _numbers(program, programs[0], tensor):
                constants[number] = replace(constants[number], array=value.reshape(constants[number].array.shape))
        made.append(replace(program, constants=constants))
    return made


def _numbers(program: Program, first: Program, tensor: Tensor) -> list[int]:
    """The constants that are the tensor: by its paths, or by its place among those of the first program."""
    if tensor.path:
        return [number for number, constant in program.constants.items() if constant.name in tensor.names]
    if tensor.number is None or len(program.constants) != len(first.constants):
        return []
    return [list(program.constants)[list(first.constants).index(tensor.number)]]
