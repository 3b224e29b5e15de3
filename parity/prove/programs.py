"""What a proof is given, as programs in double: the reference's and the candidate's, one for each set of inputs."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from typing import Any

import numpy as np

from parity.base.errors import InputError
from parity.exact.program import NoProgram, Program
from parity.prove.inputs import Inputs, structured

GRAPH, STANDIN, FILE = "graph", "standin", "file"

_NAMED = 8
"""Names that are suggested at most."""


class Refused(InputError):
    """Inputs that the port does not take in whatever layout."""


@dataclass
class Sources:
    """Programs of one side, one for each set of inputs, with the arrays that each takes and what is to be known."""

    programs: list[Program]
    inputs: list[list[np.ndarray]]
    notes: list[str] = field(default_factory=list)


Give = Callable[[Sequence[Inputs]], Sources]
"""The port's programs for inputs as the port takes them."""


def named(dotted: str) -> Any:
    """The object that `module:name` names. Raises `InputError` where there is none."""
    module, colon, name = dotted.partition(":")
    if not colon:
        raise InputError(f"{dotted!r}: expected 'module:name', or a .mlxfn file for the port")
    try:
        value = importlib.import_module(module)
        for part in name.split("."):
            if not hasattr(value, part):
                raise InputError(f"{dotted!r}: {_lacks(value, module, part)}")
            value = getattr(value, part)
    except InputError:
        raise
    except Exception as error:  # whatever the module itself raises
        raise InputError(
            f"{dotted!r}: cannot be loaded ({type(error).__name__}: {error}); expected 'module:name'"
        ) from error
    return value


def _lacks(value: Any, module: str, name: str) -> str:
    """That there is no such name, and which there are: those that are nearest, else those that can be called."""
    names = [other for other in dir(value) if not other.startswith("_")]
    near = get_close_matches(name, names) or [other for other in names if callable(getattr(value, other, None))]
    return f"{module} has no {name!r}; it has {', '.join(near[:_NAMED]) or 'no names of its own'}"


def is_module(value: Any) -> bool:
    """A `Module` of either framework, not its class."""
    return hasattr(value, "named_modules") and not isinstance(value, type)


def root_of(model: Any) -> Any:
    """The module whose parts are named: the model, unless it is a function."""
    return model if is_module(model) else None


def by_key(model: Callable[..., Any]) -> Callable[..., Any]:
    """The model, its dictionaries in the order of their keys: either side may build them in another."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return _sorted(model(*args, **kwargs))

    return call


def taking(model: Callable[..., Any], names: Sequence[str]) -> Callable[..., Any]:
    """The model, of arrays one by one: those whose names are in a dictionary it is given as one."""
    if not any("/" in name for name in names):
        return model
    return lambda *arrays: model(*structured(dict(zip(names, arrays, strict=True))).values())


def _sorted(result: Any) -> Any:
    if type(result) is dict:
        return {key: _sorted(result[key]) for key in sorted(result, key=str)}
    return type(result)(_sorted(part) for part in result) if type(result) in (list, tuple) else result


def is_factory(value: Any) -> bool:
    """Called without arguments it gives a model: a class, or a function that takes none."""
    if is_module(value) or not callable(value):
        return False
    try:
        taken = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return False
    return isinstance(value, type) or not [p for p in taken if p.kind is not p.VAR_KEYWORD]


def made(value: Any, dotted: str) -> Any:
    """The model: what a factory gives, else the value itself. Raises `InputError` where nothing can be called."""
    if is_factory(value):
        try:
            value = value()
        except NoProgram:
            raise
        except Exception as error:
            raise InputError(f"{dotted}: cannot be made ({type(error).__name__}: {error})") from error
    if not callable(value):
        raise InputError(f"{dotted} is a {type(value).__name__}; expected a module, a function or a factory of one")
    return value


def reference(dotted: str, sets: Sequence[Inputs]) -> Sources:
    """The programs of a torch module, in its twin in double, or of a torch function.

    A factory is called several times, once with double as the default dtype: it should do nothing but make the model.
    """
    from parity.exact.torch import record, single, twin

    value = named(dotted)
    model = made(value, dotted)
    calls = [arguments(model, inputs, dotted) for inputs in sets]
    notes: list[str] = []
    if is_module(model):
        if not hasattr(model, "named_parameters"):
            raise InputError(f"{dotted} is no torch module; name the PyTorch reference first, then the port")
        if model.training and any(hasattr(part, "p") or hasattr(part, "running_mean") for part in model.modules()):
            notes.append(
                "the reference is judged in eval mode: its dropout is off, its norms take their running statistics"
            )
        model.eval()
        model = twin(value, model) if is_factory(value) else twin(model)
        notes += _in_single(single(model))
    programs = [
        running(partial(record, by_key(model), call, root=root_of(model), random=False), dotted) for call in calls
    ]
    notes += _in_single(dict.fromkeys(text for program in programs for text in single(program)))
    return Sources(programs, [list(inputs.values()) for inputs in sets], notes)


def _in_single(found: Iterable[str]) -> Iterator[str]:
    """A note for each place in the source that something is in single precision at; the first thing speaks for all."""
    places: dict[str, list[str]] = {}
    for text in found:
        places.setdefault(text.partition(": ")[0], []).append(text)
    for texts in places.values():
        more = f" ({len(texts)} such values there)" if len(texts) > 1 else ""
        yield f"the reference in single precision: {texts[0]}{more}"


def arguments(model: Any, arrays: Inputs, dotted: str) -> dict[str, Any] | list[Any]:
    """The inputs by the names of the reference's parameters, or by position where it names none.

    Raises `InputError` for a parameter that has no key, and for a key of no parameter.
    """
    inputs = structured(arrays)
    function = model.forward if hasattr(model, "forward") else model
    try:
        taken = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return list(inputs.values())
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in taken):
        return list(inputs.values())
    names = [parameter.name for parameter in taken if parameter.kind is not parameter.VAR_KEYWORD]
    for parameter in taken:
        if parameter.default is parameter.empty and parameter.name in names and parameter.name not in inputs:
            raise InputError(
                f"{dotted} takes {', '.join(names)}; the inputs have no {parameter.name!r}: add an array of that key"
            )
    anything = any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken)
    if not anything and (odd := [name for name in inputs if name not in names]):
        raise InputError(f"{dotted} takes {', '.join(names)}; the inputs have {', '.join(odd)} besides: leave it out")
    return dict(inputs)


def running(run: Callable[[], Program], dotted: str) -> Program:
    """The program of a run. Raises `InputError` for what the model itself raises."""
    try:
        return run()
    except InputError:
        raise
    except Exception as error:
        place = _innermost(error)
        raise InputError(
            f"{dotted} cannot be run on these inputs ({type(error).__name__} at {place}: {error})"
        ) from error


def candidate(dotted: str, source: str) -> AbstractContextManager[Give]:
    """A function that gives the port's programs for inputs as the port takes them, within a `with` statement.

    `source` is `graph`, `standin` or `file`.
    """
    if source == FILE:
        return nullcontext(_of_file(dotted))
    return nullcontext(_of_graph(dotted)) if source == GRAPH else _InStandin(dotted)


def _of_file(path: str) -> Give:
    from parity.exact import mlxfn
    from parity.exact.inputs import fitting, load, ordered

    program, keywords = load(path), list(mlxfn.read(path).graph.keywords)

    def give(sets: Sequence[Inputs]) -> Sources:
        taken = []
        for inputs in sets:
            by_name = inputs if set(keywords) <= set(inputs) else list(inputs.values())
            arrays = ordered(by_name, keywords, len(program.inputs), path)
            try:
                taken.append(fitting(program, arrays))
            except InputError as error:
                shapes = [program.shapes[number] for number in program.inputs]
                raise Refused(str(error)) if [array.shape for array in arrays] == shapes else error from None
        return Sources([program] * len(sets), taken)

    return give


def _of_graph(dotted: str) -> Give:
    from parity.exact.mlx import trace

    model = _evaluated(made(named(dotted), dotted))

    def give(sets: Sequence[Inputs]) -> Sources:
        taken, function = [list(inputs.values()) for inputs in sets], by_key(taking(model, list(sets[0])))
        return Sources(
            [running(partial(trace, function, t, root=root_of(model), source=dotted), dotted) for t in taken],
            taken,
        )

    return give


class _InStandin:
    """The port imported on top of the stand-in for `mlx.core`, for as long as the `with` statement lasts."""

    def __init__(self, dotted: str) -> None:
        from parity.exact.standin import installed

        self.dotted, self.installed = dotted, installed()

    def __enter__(self) -> Give:
        from parity.exact.standin.record import record

        self.installed.__enter__()
        try:
            model = _evaluated(made(named(self.dotted), self.dotted))
        except BaseException:
            self.installed.__exit__(None, None, None)
            raise

        def give(sets: Sequence[Inputs]) -> Sources:
            taken, function = [list(inputs.values()) for inputs in sets], by_key(taking(model, list(sets[0])))
            runs = [running(partial(record, function, t, root_of(model), self.dotted), self.dotted) for t in taken]
            return Sources(runs, taken)

        return give

    def __exit__(self, *error: Any) -> None:
        self.installed.__exit__(*error)


def _evaluated(model: Any) -> Any:
    if is_module(model):
        model.eval()
    return model


def _innermost(error: BaseException) -> str:
    """The last line of the model's own that an error came through."""
    at, place = error.__traceback__, "an unknown place"
    while at is not None:
        package = at.tb_frame.f_globals.get("__name__", "").partition(".")[0]
        if package not in ("torch", "mlx", "numpy", "parity"):
            place = f"{at.tb_frame.f_code.co_filename}:{at.tb_lineno}"
        at = at.tb_next
    return place
