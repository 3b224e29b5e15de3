"""Calls: an argument left out, two exchanged, the whole call left out."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst
import libcst.matchers as m

from parity.mutate.operators.operator import operator
from parity.mutate.operators.slices import exchanged_elements, in_padding
from parity.mutate.place import Place, alike, code, differ, enclosed, exchanged, name_of, positional, root_of

SYMMETRICAL = {"swapaxes", "max", "min", "maximum", "minimum", "add", "multiply", "gcd", "equal", "not_equal", "hypot"}
"""Two arguments exchanged are the same call."""

NAMING = {"issubclass", "getattr", "setattr", "hasattr", "range"}
"""Arguments exchanged are an error at once, or no loop at all."""

DEFAULT_AXIS = {"argsort": "-1", "sort": "-1", "concatenate": "0", "stack": "0"}
"""The axis that is taken where none is named."""

LIMITS = {"max", "min", "maximum", "minimum"}

NOT_OF_FIRST = {
    *("zeros", "ones", "full", "arange", "linspace", "eye", "empty", "range", "open", "super", "next", "iter", "len"),
    *("where", "einsum", "as_strided", "isfinite", "isnan", "any", "all", "sum", "setattr", "getattr", "issubclass"),
}
"""Functions whose result is nothing like their first argument: left out, they are an error at once."""

KEPT = {
    *("list", "tuple", "set", "dict", "int", "float", "bool", "str", "dtype", "enumerate", "zip", "array", "asarray"),
    *("tensor", "contiguous", "ascontiguousarray", "stop_gradient", "broadcast_to", "detach", "clone", "copy"),
}
"""Functions that give the same values as another type, elsewhere in memory, or as often as operators do anyway."""

_NO_VALUE = (cst.BaseNumber, cst.BaseString, cst.BaseComp, cst.List, cst.Tuple, cst.Lambda)

METHODS = {
    *("swapaxes", "transpose", "moveaxis", "clip", "abs", "square", "sqrt", "exp", "log", "cumsum", "round", "conj"),
}
"""Methods that change the array whose method they are."""

OF_ANOTHER = METHODS | {
    *("astype", "reshape", "flatten", "squeeze", "split", "append", "extend", "insert", "index", "count", "get", "pop"),
    *("sum", "mean", "max", "min", "argmax", "argmin", "var", "std", "all", "any", "item", "view", "take", "items"),
    *("startswith", "endswith", "removeprefix", "removesuffix", "strip", "join", "format", "replace", "with_name"),
}
"""Methods whose first argument is not what they change."""


@operator(cst.Call, "argument", "A named argument is left out.", "f(x, eps=e)", "f(x)")
def no_argument(node: cst.Call, place: Place) -> Iterator[cst.CSTNode]:
    """Not a truth value or None, which is the default already or is changed as a constant, nor a text: a name.

    Nor a field of a record, which is made of named arguments alone and has no defaults, as a rule.
    """
    if name_of(node.func)[:1].isupper() and all(arg.keyword for arg in node.args):
        return
    for arg in node.args:
        if arg.keyword and arg.keyword.value not in ("dtype", "strict", "stream"):
            if arg.keyword.value == "axis" and DEFAULT_AXIS.get(name_of(node.func)) == code(arg.value):
                continue
            if not m.matches(arg.value, m.Name("True") | m.Name("False") | m.Name("None") | m.SimpleString()):
                yield without(node, arg)


@operator(cst.Call, "exchange", "Two neighbouring arguments are exchanged.", "f(x, y)", "f(y, x)")
def exchanged_arguments(node: cst.Call, place: Place) -> Iterator[cst.CSTNode]:
    if name_of(node.func) in SYMMETRICAL | NAMING:
        return
    given = positional(node)
    for args in exchanged(given, "value", lambda one, other: alike(one.value, other.value)):
        yield node.with_changes(args=[*args, *node.args[len(given) :]])


@operator(
    (cst.Tuple, cst.List),
    "exchange",
    "Two neighbours of a list or tuple that is an argument are exchanged.",
    "concatenate([x, y])",
    "concatenate([y, x])",
)
def exchanged_arrays(node: cst.Tuple | cst.List, place: Place) -> Iterator[cst.CSTNode]:
    if isinstance(place.parent, cst.Arg) and not in_padding(place):
        yield from exchanged_elements(node, differ if isinstance(node, cst.List) else alike)


@operator(cst.Call, "call", "A function of its first argument is left out.", "y = self.norm(x)", "y = x")
def no_call(node: cst.Call, place: Place) -> Iterator[cst.CSTNode]:
    """Not a constructor, a method that changes the object whose method it is, a question, nor a look into a table."""
    name, given = name_of(node.func), positional(node)
    if not name or not given or isinstance(place.parent, cst.Expr) or isinstance(given[0].value, _NO_VALUE):
        return
    asked = place.is_condition(node) or isinstance(place.parent, cst.BooleanOperation) or in_negation(place)
    if asked or name_of(given[0].value).isupper():
        return
    method = isinstance(node.func, cst.Attribute) and root_of(node.func) not in place.imported
    others = LIMITS | NOT_OF_FIRST | KEPT | (OF_ANOTHER if method else set())
    if not name[:1].isupper() and name.rstrip("0123456789") not in others:
        yield enclosed(given[0].value)


def in_negation(place: Place) -> bool:
    return isinstance(place.parent, cst.UnaryOperation) and isinstance(place.parent.operator, cst.Not)


@operator(cst.Call, "call", "Only one of two values is taken.", "max(x, low)", "x")
def no_limit(node: cst.Call, place: Place) -> Iterator[cst.CSTNode]:
    given = positional(node)
    if name_of(node.func) in LIMITS and len(given) == len(node.args) == 2:
        for arg in given:
            if not isinstance(arg.value, cst.BaseNumber):
                yield enclosed(arg.value)


@operator(cst.Call, "call", "A method that changes an array is left out.", "x.swapaxes(1, 2)", "x")
def no_method(node: cst.Call, place: Place) -> Iterator[cst.CSTNode]:
    if isinstance(node.func, cst.Attribute) and name_of(node.func) in METHODS:
        if root_of(node.func) not in place.imported:
            yield node.func.value


@operator(cst.Call, "dtype", "A conversion is left out: the precision of what follows.", "x.astype(dtype)", "x")
def no_conversion(node: cst.Call, place: Place) -> Iterator[cst.CSTNode]:
    if not is_whole(node):
        yield from converted(node)


@operator(cst.Call, "call", "A conversion to whole numbers or truth values is left out.", "x.astype(int32)", "x")
def no_rounding(node: cst.Call, place: Place) -> Iterator[cst.CSTNode]:
    if is_whole(node):
        yield from converted(node)


def converted(node: cst.Call) -> Iterator[cst.CSTNode]:
    """What a call converts, or the call without the type of what it makes."""
    if isinstance(node.func, cst.Attribute) and name_of(node.func) == "astype":
        yield node.func.value
    for arg in node.args:
        if arg.keyword and arg.keyword.value == "dtype":
            yield without(node, arg)


def is_whole(node: cst.Call) -> bool:
    """Whether a type among the arguments is of whole numbers or truth values."""
    return any(name_of(arg.value).startswith(("int", "uint", "bool")) for arg in node.args)


def without(node: cst.Call, left_out: cst.Arg) -> cst.Call:
    """The call with one argument less."""
    rest = [arg for arg in node.args if arg is not left_out]
    if rest:
        rest[-1] = rest[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
    return node.with_changes(args=rest)
