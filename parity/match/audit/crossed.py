"""Tensors that hold each other's values: two names of the port that stand for the same two, the other way round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from parity.match.audit import rows
from parity.match.audit.rows import Row
from parity.match.audit.tensor import Tensor

_WHOLE = {rows.SAME, rows.PERMUTED, rows.FLIPPED}


def crossed(found: Sequence[Row], tensors: Sequence[Tensor]) -> list[Row]:
    """The rows; of two that hold each other's values the first says so, and has what puts the reference's there.

    Two names of the port differ in one part, and the reference's in the same part from their ends, the other way round:
    `layers.0.gate` is `blocks.0.up`, and `layers.0.up` is `blocks.0.gate`. `tensors` are the reference's.
    """
    by_name = {tensor.path: tensor for tensor in tensors if tensor.path and tensor.fill is None}
    groups: dict[tuple[int, tuple[str, ...], tuple[str, ...]], dict[str, tuple[str, int]]] = {}
    result = list(found)
    for number, row in enumerate(found):
        if len(row.reference) != 1 or len(row.candidate) != 1 or row.how[0] not in _WHOLE:
            continue
        if row.reference[0] not in by_name:
            continue
        parts = [tuple(reversed(names[0].split("."))) for names in (row.candidate, row.reference)]
        for place in range(min(map(len, parts))):
            theirs, ours = (part[place] for part in parts)
            around = [part[:place] + part[place + 1 :] for part in parts]
            group = groups.setdefault((place, around[0], around[1]), {})
            group[theirs] = ours, number
            if ours == theirs or group.get(ours, ("", 0))[0] != theirs:
                continue
            other = found[group[ours][1]]
            pair = [by_name[name] for name in (row.reference[0], other.reference[0])]
            if pair[0].shape == pair[1].shape:
                given = ((pair[1], pair[0].read), (pair[0], pair[1].read))
                said = f"and {other.candidate[0]} is {other.reference[0]}: exchange the two"
                result[number] = replace(row, crossing=given, evidence=", ".join(filter(None, (row.evidence, said))))
    return result
