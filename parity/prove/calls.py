"""How a side is called: the model itself, one of its methods, or a function of the model and its arrays."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.base.errors import InputError
from parity.prove.inputs import structured
from parity.prove.models import importable, inside, named, title

Entry = str | Callable[[Any, dict[str, Any]], Any] | None
"""None for the model, a method's name, or a function of the model and its arrays by name, which `module:name` names."""


@dataclass(frozen=True)
class Call:
    """How one side is called."""

    entry: Entry = None

    @property
    def is_function(self) -> bool:
        return callable(self.entry) or (self.entry is not None and ":" in self.entry)

    def anew(self) -> Call:
        """The same by name, for another import. Raises `NoProgram` for a function that has no such name."""
        if self.is_function:
            return Call(importable(self.entry, "a function of the model and its arrays"))
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
        function, inputs = self.entered(model, dotted), structured(arrays)
        function = function.forward if hasattr(function, "forward") else function
        try:
            taken = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):
            return list(inputs.values())
        if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in taken):
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
        function, outer = self.entered(model, dotted), list(structured(dict.fromkeys(names)))
        try:
            taken = inspect.signature(getattr(function, "forward", function)).parameters.values()
        except (TypeError, ValueError):
            return list(names)
        own = [one.name for one in taken if one.kind is one.POSITIONAL_OR_KEYWORD][: len(outer)]
        return sorted(names, key=lambda name: own.index(name.split("/")[0])) if set(own) == set(outer) else list(names)

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
        function = self.entered(model, dotted)
        if self.is_function:
            call = lambda given: function(model, given)  # noqa: E731 - one of two
        return ByKey(lambda *arrays: call(structured(dict(zip(names, arrays, strict=True)))))

    def _said(self, dotted: str) -> str:
        return dotted if self.entry is None else f"{title(self.entry)} of {dotted}"


Calls = Entry | Sequence[Entry]
"""One for both sides, or those of the reference and of the candidate."""


def both(given: Calls) -> tuple[Call, Call]:
    """How the two sides are called. Raises `InputError` for what says that of neither."""
    pair: list[Any] = list(given) if isinstance(given, tuple | list) else [given]
    pair = pair * 2 if len(pair) == 1 else pair
    if len(pair) != 2 or not all(one is None or isinstance(one, str) or callable(one) for one in pair):
        raise InputError(
            f"call={given!r}: expected a method's name, a function of the model and its arrays, "
            "or two of these, the reference's first"
        )
    return Call(pair[0]), Call(pair[1])


class ByKey:
    """A function whose dictionaries are in the order of their keys: either side may build them in another."""

    def __init__(self, function: Callable[..., Any]):
        self.function, self.keys = function, tuple[str, ...]()

    def __call__(self, *args: Any) -> Any:
        result = self.function(*args)
        if type(result) is dict:
            self.keys = tuple(sorted(map(str, result)))
        return _sorted(result)


def _sorted(result: Any) -> Any:
    """Raises `InputError` for numbers, which nothing would judge."""
    if isinstance(result, bool | int | float | complex | np.ndarray | np.generic):
        kind = type(result).__name__
        raise InputError(
            f"a result holds {str(result)[:40]} ({kind}), which is not judged: give the framework's arrays"
        )
    if type(result) is dict:
        return {key: _sorted(result[key]) for key in sorted(result, key=str)}
    return type(result)(_sorted(part) for part in result) if type(result) in (list, tuple) else result
