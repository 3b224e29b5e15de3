"""How a side is called: the model itself, one of its methods, or a function of the model and its arrays."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Any

from parity.base.errors import InputError
from parity.exact.draws import UNIFORM, Draws, Kinds, handed
from parity.prove.arguments import handed_over
from parity.prove.inputs import Inputs, structured
from parity.prove.models import importable, inside, named, title
from parity.prove.results import Names, Results

Entry = str | Callable[[Any, dict[str, Any]], Any] | None
"""None for the model, a method's name, or a function of the model and its arrays by name, which `module:name` names."""


@dataclass(frozen=True)
class Call:
    """How one side is called. `draws` are inputs that stand for random numbers, in the order in which it draws them.

    A draw that is the name of a parameter is that argument. `kinds` are the numbers that both sides draw. `ahead` and
    `like` are what the port's call learns from the reference: how many of the inputs are its first parameters, None for
    all, and the names of what it gives. `numpy`: the side takes and gives NumPy's arrays.
    """

    entry: Entry = None
    draws: tuple[str, ...] = ()
    kinds: Kinds = field(default_factory=dict)
    ahead: int | None = None
    like: Names = None
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

    def in_order(self, model: Any, names: Sequence[str], dotted: str) -> tuple[list[str], int]:
        """Names of inputs in the order of their parameters, and how many of these are the first ones.

        As they are, and all of them, where no parameters are known.
        """
        drawn, taken = self._drawn(model, dotted), self._parameters(model, dotted)
        rest = [name for name in names if name not in drawn]
        if self.is_function or not taken or any(one.kind is one.VAR_POSITIONAL for one in taken):
            return [*rest, *drawn], len(structured(dict.fromkeys(rest)))
        own = [one.name for one in taken if one.kind is not one.VAR_KEYWORD]
        places = {name: own.index(outer) for name in rest if (outer := name.split("/")[0]) in own}
        rest.sort(key=lambda name: places.get(name, len(own)))
        pairs = zip(structured(dict.fromkeys(rest)), own, strict=False)
        return [*rest, *drawn], sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

    def of_reference(self, model: Any, names: Sequence[str], dotted: str) -> Results:
        """The reference as a function of the arrays of these names, one by one: it takes them by name."""

        def call(given: dict[str, Any]) -> Any:
            taken = self.arguments(model, given, dotted)
            function = self.entered(model, dotted)
            return function(**taken) if isinstance(taken, dict) else function(*taken)

        return self._by_position(call, model, names, dotted)

    def of_port(self, model: Any, names: Sequence[str], dotted: str) -> Results:
        """The port as a function of the arrays of these names, one by one; see `handed_over`."""

        def call(given: dict[str, Any]) -> Any:
            ahead = len(given) if self.ahead is None else self.ahead
            placed, named = handed_over(self._parameters(model, dotted), given, ahead, self._said(dotted))
            return self.entered(model, dotted)(*placed, **named)

        return self._by_position(call, model, names, dotted)

    def _by_position(self, call: Callable[..., Any], model: Any, names: Sequence[str], dotted: str) -> Results:
        function, drawn = self.entered(model, dotted), self._drawn(model, dotted)

        def run(*arrays: Any) -> Any:
            given = dict(zip(names, arrays, strict=True))
            draws = Draws(dotted, {name: given[name] for name in drawn}, self.kinds)
            with handed(draws) if drawn else nullcontext():
                if self.is_function:
                    return function(model, structured(given))
                return call(structured({name: array for name, array in given.items() if name not in drawn}))

        return Results(run, self.like, self.numpy)

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
