"""What a side is: a module, a function or what makes one, as an object or by name; and the state that it is in."""

from __future__ import annotations

import copy
import importlib
import inspect
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from parity.base.errors import InputError, UnknownNameError
from parity.exact.program import NoProgram
from parity.prove.reach import Reach

_NAMED = 8
"""Names that are suggested at most."""

_FRAMEWORKS = {"torch", "mlx", "numpy", "parity", *sys.stdlib_module_names}


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
    module, colon, name = given.partition(":")
    if not colon:
        raise InputError(f"{given!r}: expected 'module:name', or a .mlxfn file for the port")
    try:
        return inside(importlib.import_module(module), name, repr(given), module)
    except InputError:
        raise
    except Exception as error:  # whatever the module itself raises
        raise InputError(
            f"{given!r}: cannot be loaded ({type(error).__name__}: {error}); expected 'module:name'"
        ) from error


def inside(value: Any, name: str, asked: str, called: str) -> Any:
    """What a value has under a dotted name. Raises `InputError` where it has none, of what was asked and is called."""
    for part in name.split("."):
        if not hasattr(value, part):
            names = [other for other in dir(value) if not other.startswith("_")]
            near = get_close_matches(part, names) or [one for one in names if callable(getattr(value, one, None))]
            has = ", ".join(near[:_NAMED]) or "no names of its own"
            raise UnknownNameError(f"{asked}: {called} has no {part!r}; it has {has}")
        value = getattr(value, part)
    return value


def importable(given: Any, what: str) -> str:
    """`module:name` under which it can be imported anew. Raises `NoProgram` for an object that has no such name.

    `what` says what is to be given instead.
    """
    if isinstance(given, str):
        return given
    name = title(given)
    if is_module(given) or name.startswith("__main__:") or "<" in name:
        raise NoProgram(
            f"{name} cannot be imported anew on the stand-in for mlx.core: give {what}, "
            "at the top of a module of its own, or its name 'module:name'"
        )
    return name


def is_module(value: Any) -> bool:
    """A `Module` of either framework, not its class."""
    return hasattr(value, "named_modules") and not isinstance(value, type)


def root_of(model: Any) -> Any:
    """The module whose parts are named: the model, unless it is a function."""
    return model if is_module(model) else None


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
    """The model: what a factory gives, else the value itself. Raises `InputError` where it cannot be made."""
    if not is_factory(value):
        return value
    try:
        return value()
    except NoProgram:
        raise
    except Exception as error:
        raise InputError(f"{dotted}: cannot be made ({type(error).__name__}: {error})") from error


def check_filled(model: Any, dotted: str) -> None:
    """Raises `InputError` for a torch module with tensors that have no values yet."""
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if hasattr(tensor, "materialize"):
            raise InputError(f"{dotted}: {name} is lazy and has no shape yet: call the model once before it is judged")
        if tensor.is_meta:
            raise InputError(
                f"{dotted}: {name} is on the meta device, where nothing has values: make the model on the CPU, or load "
                "its weights with load_state_dict(..., assign=True)"
            )


@contextmanager
def kept(*given: Any) -> Iterator[None]:
    """Modules are afterwards as they were before: their modes, caches and counters.

    So is what a function reaches: modules, lists and caches that it closes over. Meanwhile modules hold copies of
    everything but their parts and PyTorch's parameters, so that what a run leaves in a module reaches no other run.
    Parameters that a run writes to are put back. The state of a script is no attribute, and stays with the script. A
    cache of `functools` that has grown is emptied: what it has of one run, in double or of a trace, is wrong in
    another.
    """
    sizes = [(cache, cache.cache_info().currsize) for cache in _caches()]
    reach = Reach.of(*given)
    parts = {id(part): part for value in reach.modules for _, part in value.named_modules()}
    parameters = [one for part in parts.values() for one in _parameters(part)] + reach.tensors
    shared = parts | {id(one): one for one in parameters}
    before = [(held, dict(held)) for part in parts.values() if not hasattr(part, "_c") for held in _held(part)]
    with _detached(parameters):
        for held, content in before:
            dict.update(held, {name: _copied(value, shared) for name, value in content.items()})
    around = reach.hold()
    try:
        with _unwritten(parameters):
            yield
    finally:
        reach.restore(around)
        for held, content in before:
            dict.clear(held)
            dict.update(held, content)
        known = {id(cache): size for cache, size in sizes}
        for cache in _caches():
            if cache.cache_info().currsize > known.get(id(cache), 0):
                cache.cache_clear()


def _caches() -> list[Any]:
    """The functions of modules whose results `functools` keeps, but those of the frameworks and of this package."""
    kind = type(lru_cache(len))
    return [
        value
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] not in _FRAMEWORKS and isinstance(module, ModuleType)
        for value in list(vars(module).values())
        if type(value) is kind and str(value.__module__).partition(".")[0] not in _FRAMEWORKS
    ]


def _detached(parameters: list[Any]) -> AbstractContextManager[Any]:
    if not parameters:
        return nullcontext()
    from parity.exact.torch.copies import Detached

    return Detached()


def _unwritten(parameters: list[Any]) -> AbstractContextManager[Any]:
    if not parameters:
        return nullcontext()
    from parity.exact.torch.copies import unwritten

    return unwritten(parameters)


def _parameters(part: Any) -> list[Any]:
    return list(part.parameters(recurse=False)) if hasattr(part, "named_parameters") else []


def _held(part: Any) -> list[dict[str, Any]]:
    """Where a module has what it holds: its attributes, and of MLX's itself, which is a dictionary."""
    return [vars(part), part] if isinstance(part, dict) else [vars(part)]


def _copied(value: Any, shared: dict[int, Any]) -> Any:
    """A copy, in which what is shared is itself; the value where it cannot be copied, as a compiled function."""
    try:
        return copy.deepcopy(value, shared)
    except Exception:  # whatever a class raises that forbids it
        return value
