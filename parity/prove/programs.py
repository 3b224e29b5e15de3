"""What a proof is given, as programs in double: the reference's and the candidate's, one for each set of inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from parity.base.errors import InputError
from parity.base.frames import innermost
from parity.exact import functions
from parity.exact.constants import stored
from parity.exact.places import Place
from parity.exact.program import Program, Recording
from parity.prove.calls import Call
from parity.prove.doubles import in_double, widened
from parity.prove.inputs import Inputs
from parity.prove.models import check_filled, importable, is_module, kept, made, named, root_of, title
from parity.prove.results import Names

GRAPH, STANDIN, FILE, TORCH = "graph", "standin", "file", "torch"
Made = TypeVar("Made", Program, Recording)

ASKED = (GRAPH, STANDIN, TORCH)
"""The sources that a user may ask for."""


class Refused(InputError):
    """Inputs that the port does not take in whatever layout."""


@dataclass
class Sources:
    """Programs of one side, one for each set of inputs, with the arrays that each takes and what is to be known.

    `model` is the side itself, before it was widened; None for a file. `given` are the names of what it gives, `names`
    those of the inputs, in the order in which the side takes them, `ahead` how many of these are its first parameters,
    and `call` how it is called. `results` are what the reference gave in double, itself.
    """

    programs: list[Program]
    inputs: list[list[np.ndarray]]
    notes: list[str] = field(default_factory=list)
    model: Any = None
    given: Names = None
    names: tuple[str, ...] = ()
    ahead: int | None = None
    call: Call = field(default_factory=Call)
    results: list[list[np.ndarray]] = field(default_factory=list)


Give = Callable[[Sequence[Inputs]], Sources]
"""The port's programs for inputs as the port takes them."""


def reference(given: Any, sets: Sequence[Inputs], call: Call) -> Sources:
    """The programs of a torch module, in its twin in double, or of a torch function.

    A factory is called several times, once with double as the default dtype: it should do nothing but make the model.
    """
    from parity.exact.torch import single

    value, dotted = named(given), title(given)
    model = made(value, dotted)
    notes: list[str] = []
    if is_module(model):
        if not hasattr(model, "named_parameters"):
            raise InputError(f"{dotted} is no torch module; name the PyTorch reference first, then the port")
        check_filled(model, dotted)
        if model.training and any(hasattr(part, "p") or hasattr(part, "running_mean") for part in model.modules()):
            notes.append(
                "the reference is judged in eval mode: its dropout is off, its norms take their running statistics"
            )
        model.eval()
    names, ahead = call.in_order(model, list(sets[0]), dotted)
    taken = [[inputs[name] for name in names] for inputs in sets]
    called, results = partial(call.of_reference, names=names, dotted=dotted), list[list[np.ndarray]]()
    try:
        recorded, rounded, said = in_double(value, model, called, taken, partial(running, dotted=dotted))
        programs, results, function = recorded
        notes += [*said, *_in_single(rounded)]
    except InputError as error:
        if is_module(model):
            raise
        call = replace(call, numpy=True)
        function = call.of_reference(model, names, dotted)
        programs = _of_numpy(function, taken, dotted, call.entered(model, dotted), error)
        notes.append(f"{dotted} takes and gives NumPy's arrays: it is one operation, which nothing looks into")
    notes += _in_single(dict.fromkeys(text for program in programs for text in single(program)))
    return Sources(programs, taken, notes, model, function.names, tuple(names), ahead, call, results)


def _of_numpy(
    function: Callable[..., Any], taken: list[list[np.ndarray]], dotted: str, entered: Any, error: InputError
) -> list[Program]:
    """The programs of a function that takes and gives NumPy's arrays. Raises `error` for another one."""
    code = getattr(entered, "__code__", None)
    place = code and Place(code.co_filename, code.co_firstlineno, code.co_name)
    try:
        return [functions.record(function, arrays, dotted, place) for arrays in taken]
    except InputError:
        raise
    except Exception:  # whatever it raises that takes tensors
        raise error from None


def _in_single(found: Iterable[str]) -> Iterator[str]:
    """A note for each place in the source that something is in single precision at; the first thing speaks for all."""
    places: dict[str, list[str]] = {}
    for text in found:
        places.setdefault(text.partition(": ")[0], []).append(text)
    for texts in places.values():
        more = f" ({len(texts)} such values there)" if len(texts) > 1 else ""
        yield f"the reference in single precision: {texts[0]}{more}"


def running(model: Any, record: Callable[..., Made], dotted: str) -> Made:
    """The program of a run, which leaves the model as it was. Raises `InputError` for what the model itself raises."""
    try:
        with kept(model):
            return record(root=root_of(model))
    except InputError:
        raise
    except Exception as error:
        place = innermost(error)
        hint = (
            "; a function runs in double, and what it closes over stays as it is: give the module, or what makes it"
            if "dtype" in str(error) and "<" in dotted
            else '; a function of PyTorch is a port with source="torch"'
            if "Tensor" in str(error) and "array" in str(error)
            else ""
        )
        raise InputError(
            f"{dotted} cannot be run on these inputs ({type(error).__name__} at {place}: {error}){hint}"
        ) from error


class Port:
    """The port as it was given: by name, as an object, or as a file. It is made once, for its graph and its device."""

    def __init__(self, given: Any, call: Call | None = None):
        self.given, self.title, self.call = given, title(given), call or Call()

    @property
    def is_file(self) -> bool:
        return isinstance(self.given, str | Path) and self.title.endswith(".mlxfn")

    @cached_property
    def model(self) -> Any:
        """The model or function. Raises `InputError` where there is none."""
        model = made(named(self.given), self.title)
        if is_module(model):
            if hasattr(model, "named_parameters"):
                check_filled(model, self.title)
            model.eval()
        return model

    @property
    def is_torch(self) -> bool:
        return not self.is_file and is_module(self.model) and hasattr(self.model, "named_parameters")

    @cached_property
    def twin(self) -> Any:
        """The torch port in double; a function is its own."""
        return widened(named(self.given), self.model) if is_module(self.model) else self.model

    @property
    def importable(self) -> str:
        """`module:name` under which it can be imported anew. Raises `NoProgram` for an object that has no such name."""
        return importable(self.given, "a function that makes it")

    def anew(self) -> Port:
        """The same by name, to be imported anew. Raises `NoProgram` where that cannot be."""
        return Port(self.importable, self.call.anew())


def candidate(port: Port, source: str) -> AbstractContextManager[Give]:
    """A function that gives the port's programs for inputs as the port takes them, within a `with` statement.

    `source` is `graph`, `standin`, `file` or `torch`.
    """
    if source == STANDIN:
        return _InStandin(port.anew())
    return nullcontext({FILE: _of_file, GRAPH: _of_graph, TORCH: _of_torch}[source](port))


def _of_file(port: Port) -> Give:
    from parity.exact import mlxfn
    from parity.exact.inputs import fitting, load, ordered

    path = port.title
    if port.call.entry is not None:
        raise InputError(f"call={port.call.entry!r}: {path} is one function, which has no other; call=(..., None)")
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

    return _giving(port, port.twin, partial(record, random=False))


def _of_graph(port: Port) -> Give:
    from parity.exact.mlx import trace

    return _giving(port, port.model, partial(trace, source=port.title))


def _giving(port: Port, model: Any, record: Callable[..., Program]) -> Give:
    """Programs of the port, each recorded in one run on the arrays of a set of inputs."""

    def give(sets: Sequence[Inputs]) -> Sources:
        function = port.call.of_port(model, list(sets[0]), port.title)
        taken = [list(inputs.values()) for inputs in sets]
        programs = [running(model, partial(record, function, arrays), port.title) for arrays in taken]
        return Sources([stored(program) for program in programs], taken, model=port.model, given=function.names)

    return give


class _InStandin:
    """The port imported on top of the stand-in for `mlx.core`, for as long as the `with` statement lasts."""

    def __init__(self, port: Port) -> None:
        from parity.exact.standin import installed

        self.port, self.installed = port, installed()

    def __enter__(self) -> Give:
        from parity.exact.standin.record import record

        self.installed.__enter__()
        try:
            model = self.port.model
        except BaseException:
            self.installed.__exit__(None, None, None)
            raise

        return _giving(self.port, model, partial(record, source=self.port.title))

    def __exit__(self, *error: Any) -> None:
        self.installed.__exit__(*error)
