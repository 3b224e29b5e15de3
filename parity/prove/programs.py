"""What a proof is given, as programs in double: the reference's and the candidate's, one for each set of inputs."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from parity.base.errors import InputError
from parity.exact.constants import stored
from parity.exact.program import NoProgram, Program
from parity.prove.inputs import Inputs, structured

GRAPH, STANDIN, FILE, TORCH = "graph", "standin", "file", "torch"
ASKED = (GRAPH, STANDIN, TORCH)
"""The sources that a user may ask for."""

_NAMED = 8
"""Names that are suggested at most."""


class Refused(InputError):
    """Inputs that the port does not take in whatever layout."""


@dataclass
class Sources:
    """Programs of one side, one for each set of inputs, with the arrays that each takes and what is to be known.

    `model` is the side itself, before it was widened; None for a file. `keys` are those of a dictionary that it gives.
    """

    programs: list[Program]
    inputs: list[list[np.ndarray]]
    notes: list[str] = field(default_factory=list)
    model: Any = None
    keys: tuple[str, ...] = ()


Give = Callable[[Sequence[Inputs]], Sources]
"""The port's programs for inputs as the port takes them."""


def title(given: Any) -> str:
    """What messages call a side: as it was named, or where it was defined."""
    if isinstance(given, str | Path):
        return str(given)
    kind = given if hasattr(given, "__qualname__") else type(given)
    return f"{kind.__module__}:{kind.__qualname__}"


def named(given: Any) -> Any:
    """The object itself, or the one that `module:name` names. Raises `InputError` where there is none."""
    if not isinstance(given, str):
        return given
    dotted = given
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


@contextmanager
def modes_kept(*given: Any) -> Iterator[None]:
    """Sides are judged in eval mode. Modules that a user gave as objects are back in their own modes afterwards."""
    parts = [part for value in given if is_module(value) for _, part in value.named_modules()]
    training = [part.training for part in parts]
    try:
        yield
    finally:
        for part, mode in zip(parts, training, strict=True):
            # PyTorch's attribute is MLX's property of another one.
            setattr(part, "training" if hasattr(part, "named_parameters") else "_training", mode)


def root_of(model: Any) -> Any:
    """The module whose parts are named: the model, unless it is a function."""
    return model if is_module(model) else None


class ByKey:
    """The model, its dictionaries in the order of their keys: either side may build them in another."""

    def __init__(self, model: Callable[..., Any]):
        self.model, self.keys = model, tuple[str, ...]()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        result = self.model(*args, **kwargs)
        if type(result) is dict:
            self.keys = tuple(sorted(map(str, result)))
        return _sorted(result)


def taking(model: Callable[..., Any], names: Sequence[str]) -> Callable[..., Any]:
    """The model, of arrays one by one: those whose names are in a dictionary it is given as one."""
    if not any("/" in name for name in names):
        return model
    return lambda *arrays: model(*structured(dict(zip(names, arrays, strict=True))).values())


def by_position(model: Callable[..., Any], names: Sequence[str]) -> ByKey:
    """The model as a port is called: of the arrays of these names, one by one."""
    return ByKey(taking(model, names))


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


def reference(given: Any, sets: Sequence[Inputs]) -> Sources:
    """The programs of a torch module, in its twin in double, or of a torch function.

    A factory is called several times, once with double as the default dtype: it should do nothing but make the model.
    """
    from parity.exact.torch import record, single

    value, dotted = named(given), title(given)
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
    single_precision = model
    if is_module(model):
        model = _twin(value, model)
        notes += _in_single(single(model))
    function = ByKey(model)
    programs = [running(partial(record, function, call, root=root_of(model), random=False), dotted) for call in calls]
    notes += _in_single(dict.fromkeys(text for program in programs for text in single(program)))
    taken = [list(inputs.values()) for inputs in sets]
    return Sources(programs, taken, notes, single_precision, function.keys)


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


def _twin(given: Any, model: Any) -> Any:
    """The torch module in double, built anew where a factory was given."""
    from parity.exact.torch import twin

    return twin(given, model) if is_factory(given) else twin(model)


class Port:
    """The port as it was given: by name, as an object, or as a file. It is made once, for its graph and its device."""

    def __init__(self, given: Any):
        self.given, self.title = given, title(given)

    @property
    def is_file(self) -> bool:
        return isinstance(self.given, str | Path) and self.title.endswith(".mlxfn")

    @cached_property
    def model(self) -> Any:
        """The model or function. Raises `InputError` where there is none."""
        model = made(named(self.given), self.title)
        if is_module(model):
            model.eval()
        return model

    @property
    def is_torch(self) -> bool:
        return not self.is_file and is_module(self.model) and hasattr(self.model, "named_parameters")

    @cached_property
    def twin(self) -> Any:
        """The torch port in double; a function is its own."""
        return _twin(named(self.given), self.model) if is_module(self.model) else self.model

    @property
    def importable(self) -> str:
        """`module:name` under which it can be imported anew. Raises `NoProgram` for an object that has no such name."""
        if isinstance(self.given, str):
            return self.given
        if is_module(self.given) or self.title.startswith("__main__:") or "<" in self.title:
            raise NoProgram(
                f"{self.title} cannot be imported anew on the stand-in for mlx.core: give a function that makes it, "
                "at the top of a module of its own, or its name 'module:name'"
            )
        return self.title


def candidate(port: Port, source: str) -> AbstractContextManager[Give]:
    """A function that gives the port's programs for inputs as the port takes them, within a `with` statement.

    `source` is `graph`, `standin`, `file` or `torch`.
    """
    if source == STANDIN:
        return _InStandin(port.importable)
    return nullcontext({FILE: _of_file, GRAPH: _of_graph, TORCH: _of_torch}[source](port))


def _of_file(port: Port) -> Give:
    from parity.exact import mlxfn
    from parity.exact.inputs import fitting, load, ordered

    path = port.title
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
        return Sources([stored(program)] * len(sets), taken)

    return give


def _of_torch(port: Port) -> Give:
    from parity.exact.torch import record

    return _giving(port.twin, port.title, partial(record, random=False), port.model)


def _of_graph(port: Port) -> Give:
    from parity.exact.mlx import trace

    return _giving(port.model, port.title, partial(trace, source=port.title), port.model)


def _giving(model: Any, title: str, record: Callable[..., Program], held: Any) -> Give:
    """Programs of the port, each recorded in one run on the arrays of a set of inputs; `held` has its weights."""

    def give(sets: Sequence[Inputs]) -> Sources:
        taken, function = [list(inputs.values()) for inputs in sets], by_position(model, list(sets[0]))
        programs = [running(partial(record, function, arrays, root=root_of(model)), title) for arrays in taken]
        return Sources([stored(program) for program in programs], taken, model=held, keys=function.keys)

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
            model = Port(self.dotted).model
        except BaseException:
            self.installed.__exit__(None, None, None)
            raise

        return _giving(model, self.dotted, partial(record, source=self.dotted), model)

    def __exit__(self, *error: Any) -> None:
        self.installed.__exit__(*error)


def _innermost(error: BaseException) -> str:
    """The last line of the model's own that an error came through."""
    at, place = error.__traceback__, "an unknown place"
    while at is not None:
        package = at.tb_frame.f_globals.get("__name__", "").partition(".")[0]
        if package not in ("torch", "mlx", "numpy", "parity"):
            place = f"{at.tb_frame.f_code.co_filename}:{at.tb_lineno}"
        at = at.tb_next
    return place
