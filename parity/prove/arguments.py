"""How a port takes its inputs: by position in the order of the reference's parameters, or by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import Parameter
from typing import Any

from parity.base.errors import InputError

_PLACED = Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD
_NAMED = Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY


def handed_over(
    parameters: Sequence[Parameter], inputs: Mapping[str, Any], ahead: int, called: str
) -> tuple[list[Any], dict[str, Any]]:
    """The inputs that the port is given by position, and those that it is given by name.

    `ahead` is how many of the inputs are the reference's first parameters. Where an optional one of the reference is
    left out, its place says nothing of those behind it, which are given by name. So are all inputs where they are
    parameters of the port, but not its first ones. Raises `InputError` where the port lacks a name that is needed.
    """
    names, placed = list(inputs), [one for one in parameters if one.kind in _PLACED]
    known = {one.name for one in parameters if one.kind in _NAMED}
    gap = ahead < len(names)
    if known.issuperset(names) and (gap or {one.name for one in placed[: len(names)]} != set(names)):
        return [], dict(inputs)
    several = any(one.kind is one.VAR_POSITIONAL for one in parameters)
    if not parameters or (not gap and (several or len(names) <= len(placed))):
        return list(inputs.values()), {}
    count = min(ahead, len(placed))
    rest = {name: inputs[name] for name in names[count:]}
    free = known - {one.name for one in placed[:count]}
    missing = [name for name in rest if name not in free]
    if not missing or any(one.kind is one.VAR_KEYWORD for one in parameters):
        return [inputs[name] for name in names[:count]], rest
    if sum(one.default is one.empty for one in placed) == len(names):
        return list(inputs.values()), {}  # each of them must be filled: nothing can be left out
    taken = ", ".join(one.name for one in parameters)
    raise InputError(
        f"{called} takes {taken}, and no {', '.join(missing)}. An input that does not stand among the reference's "
        "first parameters, or that the port has no place for, is given by name: call the port's parameter so, or give "
        "a function of the model and its arrays by name as call"
    )
