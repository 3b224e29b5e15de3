"""The arguments in which one operation of a departure differs, which stands on both sides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from parity.exact.program import Node
from parity.match.departures import Departure
from parity.match.explanation import Explanation, short
from parity.match.moves import plain

KINDS = {
    "conv1d": "convolution",
    "conv2d": "convolution",
    "conv3d": "convolution",
    "conv_general": "convolution",
    "mkldnn_convolution": "convolution",
    "native_layer_norm": "layer_norm",
    "layernorm": "layer_norm",
    "rmsnorm": "rms_norm",
    "native_group_norm": "group_norm",
}
"""What both frameworks call otherwise."""

NAMES = {"dim": "axis", "axes": "axis", "strides": "stride", "kernel_dilation": "dilation"}

DEFAULTS: dict[str, dict[str, Any]] = {"convolution": {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}}
"""Of arguments that one side may leave out. Of other operations only what both say is compared."""

_ROWS = ("gather", "getitem", "take")
"""What reads rows of a table in MLX."""

COMPARED = ("stride", "padding", "dilation", "groups", "eps", "reverse")


def apart(departure: Departure) -> Iterator[str]:
    """`softmax over axis -1 against axis -2`, `convolution: padding 1 against 2`.

    Only an operation that stands once on either side is compared. Its axis is named where nothing else differs: what
    one side has in other axes may well be the same.
    """
    ours, theirs = _once(departure.reference), _once(departure.candidate)
    rank = departure.value[0].ndim if departure.value and departure.value[0] is not None else 0
    for kind, node in ours.items():
        if kind not in theirs:
            continue
        one, other = _arguments(kind, node.arguments), _arguments(kind, theirs[kind].arguments)
        if said := differing(node, theirs[kind]):
            yield said
        elif "axis" in one and "axis" in other and _places(one["axis"], rank) != _places(other["axis"], rank):
            yield f"{kind} over axis {_said(one['axis'])} against axis {_said(other['axis'])}"


def differing(ours: Node, theirs: Node) -> str:
    """`convolution: padding 1 against 2`, of operations of one kind; empty where nothing compared differs."""
    kind, there = (KINDS.get(name, name) for name in (plain(node.operation) for node in (ours, theirs)))
    one, other = _arguments(kind, ours.arguments), _arguments(kind, theirs.arguments)
    both = [name for name in COMPARED if name in one and name in other and one[name] != other[name]]
    if kind != there or not both:
        return ""
    return f"{kind}: " + ", ".join(f"{name} {_said(one[name])} against {_said(other[name])}" for name in both)


def rows(explanation: Explanation) -> Iterator[str]:
    """Where an embedding takes other rows of the same table."""
    ours, theirs = _call(explanation.reference.formula), _call(explanation.candidate.formula)
    if ours[:1] == ["embedding"] and theirs[:1] and theirs[0] in _ROWS and len(ours) > 2 and len(theirs) > 2:
        if _uncast(ours[1]) == _uncast(theirs[1]) and ours[2] != theirs[2]:
            yield f"embedding: rows {ours[2]} against rows {theirs[2]} of the same table"


def _uncast(text: str) -> str:
    call = _call(text)
    return call[1] if call[:1] == ["astype"] else text


def _call(formula: str) -> list[str]:
    """A formula that is one call: its name and its arguments."""
    name, _, inside = formula.partition("(")
    depth, parts = 0, [""]
    for letter in inside.removesuffix(")"):
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [name, *(part.strip() for part in parts)] if formula.endswith(")") and not depth else []


def _once(nodes: Sequence[Node]) -> dict[str, Node]:
    """The operations that stand there once, by their kind."""
    found: dict[str, list[Node]] = {}
    for node in nodes:
        name = plain(node.operation)
        found.setdefault(KINDS.get(name, name), []).append(node)
    return {kind: several[0] for kind, several in found.items() if len(several) == 1}


def _arguments(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """By one name, and `[1, 1]` as 1."""
    made = {NAMES.get(name, name): _single(value) for name, value in given.items()}
    if "low" in made and "high" in made:
        low, high = made["low"], made["high"]
        made["padding"] = low if low == high else (low, high)
    return DEFAULTS.get(kind, {}) | made


def _single(value: Any) -> Any:
    several = isinstance(value, list | tuple) and value and all(part == value[0] for part in value)
    return value[0] if several else value


def _places(axis: Any, rank: int) -> Any:
    axes = axis if isinstance(axis, list | tuple) else (axis,)
    return {place % rank if rank and isinstance(place, int) else place for place in axes}


def _said(value: Any) -> str:
    return ", ".join(map(short, value)) if isinstance(value, list | tuple) else short(value)
