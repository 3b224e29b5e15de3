"""Numbers, truth values and options, where they stand in an expression and where they are a default."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import libcst as cst

from parity.mutate.operators.axes import is_axis
from parity.mutate.operators.operator import Change, operator
from parity.mutate.operators.slices import in_padding
from parity.mutate.place import Place

SMALL = 1e-3
"""Below, a number is a guard against 0 or a rounding, and a tenth more of it is no fault."""

TINY, USUAL = 1e-8, 1e-6
"""Below the first, ten times as much is no fault either: the second, a framework's own, is taken for it."""

LARGE = 1e5
"""Above, a number stands for infinity, and a tenth more of it is no fault."""

OPTIONS = (
    ("constant", "edge", "reflect", "symmetric", "wrap"),
    ("zeros", "border", "reflection"),
    ("same", "valid", "full"),
    ("nearest", "linear", "cubic"),
    ("bilinear", "bicubic"),
    ("none", "tanh"),
    ("gelu", "relu", "silu"),
    ("sum", "mean"),
    ("slaney", "htk"),
    ("ortho", "backward", "forward"),
    ("left", "right"),
    ("hann", "hamming", "povey"),
)
"""Words that are chosen between. Each is changed into the next of its row."""

_NEXT = {word: row[(at + 1) % len(row)] for row in OPTIONS for at, word in enumerate(row)}


def is_default(place: Place) -> bool:
    """Whether the node stands in the default of a parameter or of a field of a class."""
    holder = place.nearest((cst.Param, cst.AnnAssign, cst.Lambda, cst.FunctionDef))
    if isinstance(holder, cst.AnnAssign):
        return isinstance(place.nearest((cst.FunctionDef, cst.ClassDef)), cst.ClassDef)
    return isinstance(holder, cst.Param)


CHANGES: dict[type[cst.CSTNode], Change] = {}


def constant(kind: type[cst.CSTNode], says: str, before: str, after: str) -> Callable[[Change], Change]:
    """Enter a change of a constant, and keep it for the defaults."""

    def entered(change: Change) -> Change:
        CHANGES[kind] = change
        operator(kind, "constant", says, before, after)(
            lambda node, place: iter(()) if is_default(place) else change(node, place)
        )
        return change

    return entered


@constant(cst.Integer, "An integer is one more.", "3 * width", "4 * width")
def another_integer(node: cst.Integer, place: Place) -> Iterator[cst.CSTNode]:
    """Axes, bounds of slices and of `range` have operators of their own.

    One more says nothing of a side that is not padded, of the order of a transposition, and of the -1 that is the
    length left over.
    """
    bound = any(isinstance(above, cst.Slice) for above in (place.up(1), place.up(2)))
    if bound or is_axis(node, place) or place.called in ("range", "transpose", "permute"):
        return
    if isinstance(place.parent, cst.UnaryOperation) and place.called in ("reshape", "view"):
        return
    if node.evaluated_value == 0 and in_padding(place):
        return
    yield cst.Integer(str(node.evaluated_value + 1))


@constant(
    cst.Float,
    "A number is a tenth more, a small one ten times as large, a tiny one 1e-6; 0 and what stands for infinity, 1.",
    "0.5 * x",
    "0.55 * x",
)
def another_float(node: cst.Float, place: Place) -> Iterator[cst.CSTNode]:
    value = node.evaluated_value
    if value == 0 or value > LARGE:
        other = 1.0
    elif value < TINY:
        other = USUAL
    else:
        other = value * (10 if value < SMALL else 1.1)
    yield cst.Float(repr(float(f"{other:.12g}")))


@constant(cst.Name, "True and False are exchanged.", "f(x, causal=True)", "f(x, causal=False)")
def another_truth(node: cst.Name, place: Place) -> Iterator[cst.CSTNode]:
    if node.value in ("True", "False"):
        yield cst.Name(str(node.value == "False"))


@constant(
    cst.SimpleString,
    "An option that is a known word is another of its kind.",
    'pad(x, mode="edge")',
    'pad(x, mode="reflect")',
)
def another_option(node: cst.SimpleString, place: Place) -> Iterator[cst.CSTNode]:
    """A first argument is what a function works on or a name, not an option."""
    word, call = node.evaluated_value, place.up(2)
    first = isinstance(call, cst.Call) and call.args[0] is place.parent and not place.keyword
    if word in _NEXT and isinstance(place.parent, cst.Arg | cst.Param | cst.AnnAssign) and not first:
        yield cst.SimpleString(f'"{_NEXT[word]}"')


@operator(
    tuple(CHANGES),
    "default",
    "The default of a parameter or field is changed as a constant is.",
    "def f(x, scale=0.5): return scale * x",
    "def f(x, scale=0.55): return scale * x",
)
def another_default(node: cst.CSTNode, place: Place) -> Iterator[cst.CSTNode]:
    if is_default(place):
        yield from CHANGES[type(node)](node, place)
