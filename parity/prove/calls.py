"""How a side is called: the model itself, one of its methods, or a function of the model and its arrays."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from parity.base.errors import InputError
from parity.exact.draws import UNIFORM, Draws, Kinds, handed
from parity.prove.inputs import Inputs, structured
from parity.prove.models import importable, inside, named, title

Entry = str | Callable[[Any, dict[str, Any]], Any] | None
"""None for the model, a method's name, or a function of the model and its arrays by name, which `module:name` names."""


@dataclass(frozen=True)
class Call:
    """How one side is called. `draws` are inputs that stand for random numbers, in the order in which it draws them.

    A draw that is the name of a parameter is that argument. `kinds` are the numbers that both sides draw.
    `numpy`: the side takes and gives NumPy's arrays.
    """

    entry: Entry = None
    draws: tuple[str, ...] = ()
    kinds: Kinds = field(default_factory=dict)
    numpy: bool = False

    @property
    def is_function(self) -> bool:
        return callable(self.entry) or (self.entry is not None and ":" in self.entry)

    def anew(self) -> Call:
        """The same by name, for another import. Raises `NoProgram` for a function that has no such name."""
        if self.is_function:
            return replace(self, entry=importable(self.entry, "a function of the model and its arrays"))
        return self

    def entered(self, model: Any, dotted: str) -> Callable[..., Any]:
        """What is called: the model, its method, or the function. Raises `InputError` where there is none."""
        if self.is_function:
            found = named(self.entry)
        else:
            found = model if self.entry is None else inside(model, str(self.entry), f"call={self.entry!r}", dotted)
        if not callable(found):
            what = "a module, a function or a factory of one" if self.entry is None else "what can be called"
            raise InputError(f"{self._said(dotted)} is a {type(found).__name__}; expected {what}")
        called: Callable[..., Any] = found
        return called

    def arguments(self, model: Any, arrays: Mapping[str, Any], dotted: str) -> dict[str, Any] | list[Any]:
        """The arrays by the names of the reference's parameters, or by position where it names none.

        Raises `InputError` for a parameter that has no key, and for a key of no parameter.
        """
        taken, inputs = self._parameters(model, dotted), structured(arrays)
        if not taken or any(parameter.kind is parameter.VAR_POSITIONAL for parameter in taken):
            return list(inputs.values())
        called = self._said(dotted)
        names = [parameter.name for parameter in taken if parameter.kind is not parameter.VAR_KEYWORD]
        for one in taken:
            if one.default is one.empty and one.name in names and one.name not in inputs:
                raise InputError(
                    f"{called} takes {', '.join(names)}; the inputs have no {one.name!r}: add an array of that key"
                )
        anything = any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken)
        if not anything and (odd := [name for name in inputs if name not in names]):
            raise InputError(
                f"{called} takes {', '.join(names)}; the inputs have {', '.join(odd)} besides: leave it out"
            )
        return inputs

    def in_order(self, model: Any, names: Sequence[str], dotted: str) -> list[str]:
        """Names of inputs in the order of their parameters, where these are the first ones; else as they are."""
        drawn = self._drawn(model, dotted)
        rest = [name for name in names if name not in drawn]
        outer, taken = list(structured(dict.fromkeys(rest))), self._parameters(model, dotted)
        own = [one.name for one in taken if one.kind is one.POSITIONAL_OR_KEYWORD][: len(outer)]
        if set(own) != set(outer):
            return list(names)
        return [*sorted(rest, key=lambda name: own.index(name.split("/")[0])), *drawn]

    def of_reference(self, model: Any, names: Sequence[str], dotted: str) -> ByKey:
        """The reference as a function of the arrays of these names, one by one: it takes them by name."""

        def call(given: dict[str, Any]) -> Any:
            taken = self.arguments(model, given, dotted)
            function = self.entered(model, dotted)
            return function(**taken) if isinstance(taken, dict) else function(*taken)

        return self._by_position(call, model, names, dotted)

    def of_port(self, model: Any, names: Sequence[str], dotted: str) -> ByKey:
        """The port as a function of the arrays of these names, one by one: it takes them in their order."""
        return self._by_position(lambda given: self.entered(model, dotted)(*given.values()), model, names, dotted)

    def _by_position(self, call: Callable[..., Any], model: Any, names: Sequence[str], dotted: str) -> ByKey:
        function, drawn = self.entered(model, dotted), self._drawn(model, dotted)

        def run(*arrays: Any) -> Any:
            given = dict(zip(names, arrays, strict=True))
            draws = Draws(dotted, {name: given[name] for name in drawn}, self.kinds)
            with handed(draws) if drawn else nullcontext():
                if self.is_function:
                    return function(model, structured(given))
                return call(structured({name: array for name, array in given.items() if name not in drawn}))

        return ByKey(run, self.numpy)

    def _parameters(self, model: Any, dotted: str) -> list[inspect.Parameter]:
        """Those of the model or of its method; none where they are not known."""
        function = self.entered(model, dotted)
        try:
            return list(inspect.signature(getattr(function, "forward", function)).parameters.values())
        except (TypeError, ValueError):
            return []

    def _drawn(self, model: Any, dotted: str) -> list[str]:
        """The draws that are no arguments: random calls take them."""
        own = [] if self.is_function else [one.name for one in self._parameters(model, dotted)]
        return [name for name in self.draws if name not in own]

    def _said(self, dotted: str) -> str:
        return dotted if self.entry is None else f"{title(self.entry)} of {dotted}"


Calls = Entry | Sequence[Entry]
"""One for both sides, or those of the reference and of the candidate."""


def both(given: Calls, draws: Sequence[str] = (), sets: Sequence[Inputs] = ()) -> tuple[Call, Call]:
    """How the two sides are called. Raises `InputError` for what says that of neither, and for draws of no inputs."""
    pair: list[Any] = list(given) if isinstance(given, tuple | list) else [given]
    pair = pair * 2 if len(pair) == 1 else pair
    if len(pair) != 2 or not all(one is None or isinstance(one, str) or callable(one) for one in pair):
        raise InputError(
            f"call={given!r}: expected a method's name, a function of the model and its arrays, "
            "or two of these, the reference's first"
        )
    draws = (draws,) if isinstance(draws, str) else tuple(draws)
    if odd := [name for name in draws if draws.count(name) > 1 or any(name not in inputs for inputs in sets)]:
        raise InputError(f"draws name {odd[0]!r}; expected some of {', '.join(sets[0])}, each once")
    kinds: Kinds = {}
    return Call(pair[0], draws, kinds), Call(pair[1], draws, kinds)


def standard(call: Call, sets: Sequence[Inputs]) -> list[str]:
    """A sentence for each draw, of what it stands for. Raises `InputError` for numbers that are not standard."""
    for name, (kind, side) in call.kinds.items():
        if kind == UNIFORM and any(inputs[name].min() < 0 or inputs[name].max() >= 1 for inputs in sets):
            raise InputError(f"{name} stands for uniform numbers of {side}: give numbers from 0 to 1, without 1")
    return [f"{name} stands for {kind} numbers that are drawn" for name, (kind, _) in call.kinds.items()]


class ByKey:
    """A function whose dictionaries are in the order of their keys: either side may build them in another."""

    def __init__(self, function: Callable[..., Any], numpy: bool = False):
        self.function, self.numpy, self.keys = function, numpy, tuple[str, ...]()

    def __call__(self, *args: Any) -> Any:
        result = self.function(*args)
        if type(result) is dict:
            self.keys = tuple(sorted(map(str, result)))
        return _sorted(result, self.numpy)


def _sorted(result: Any, numpy: bool) -> Any:
    """Raises `InputError` for numbers, which nothing would judge, and for NumPy's arrays among a framework's."""
    if numpy and isinstance(result, np.ndarray | np.generic):
        return result
    if isinstance(result, bool | int | float | complex | np.ndarray | np.generic):
        kind = type(result).__name__
        raise InputError(
            f"a result holds {str(result)[:40]} ({kind}), which is not judged: give the framework's arrays"
        )
    if type(result) is dict:
        return {key: _sorted(result[key], numpy) for key in sorted(result, key=str)}
    return type(result)(_sorted(part, numpy) for part in result) if type(result) in (list, tuple) else result
