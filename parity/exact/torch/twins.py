"""The twin in double of a torch module: the same parameters, and tables computed anew in double."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import partial
from types import BuiltinFunctionType, CellType, FunctionType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.weight_norm import WeightNorm

from parity.base.errors import InputError
from parity.exact.torch.check import remarks
from parity.exact.torch.copies import Detached
from parity.exact.torch.operations import NARROW, WIDEST
from parity.exact.torch.widening import widened

ULP = 2.0**-23
"""Of float32, relative: what a table that was rounded once may differ by."""
COMPUTED = 2.0**-7
"""Relative to a table's largest value: what a table computed in single precision may differ by, cosines of thousands
of radians among them. Drawn values and those of another formula differ by more."""
_MODES = ("training", "_is_full_backward_hook", "_backend")
"""What a module is switched to, which is no part of its function."""
_HOOKS = ("_forward_hooks", "_forward_pre_hooks")
_HELD = ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set")
"""Where a module has its tensors and parts, which are compared by themselves."""


def twin(build: Callable[[], nn.Module] | nn.Module, model: nn.Module | None = None) -> nn.Module:
    """The module that `build` makes, in double, on the CPU, in eval mode and without gradients.

    The module is made within `widened`, and then given the values of `model`: a module in float32 that `build` made,
    with its weights loaded. Without `model`, `build` loads the weights itself, and is called once more for a model.

    A parameter, a buffer or a tensor among the attributes of a module is the one computed in double in two cases:

    - Every value is within one float32 ulp of the model's: rotary frequencies, position tables, windows, filters,
      weight norms folded by a loader.
    - A second `build` in single precision gives the model's bits, so all of it is the constructor's, and double is
      within 2^-7 of its largest value, so it is not drawn at random.

    Otherwise it was loaded, and is the model's value, widened.

    `build` may be the model itself. A model is made anew as `type(model)(model.config)`, with the eager experts of a
    mixture, or as `type(model)()`. Where neither gives the same parameters and settings, it is copied and widened, and
    `parity.exact.torch.single` names the tables that stay rounded. So it is where `build` gives a model that existed
    before, or one with a part that did: nothing is written to these. Raises `InputError` where the two builds differ in
    their parameters.
    """
    with torch.random.fork_rng(devices=[]):
        if isinstance(build, nn.Module):
            model, again = build, _constructor(build)
            second = None if again is None else _made_alike(again, model)
            if again is None or second is None:
                return copied(model)
            build = again
        else:
            second = None if model is None else build()
            model = build() if model is None else model
        with widened() as entered:
            wide = build()
    second = model if second is None else second
    if _held(wide) & (_held(model) | _held(second)):
        return copied(model)  # what `build` gives existed before, or has parts that did: they are somebody's own
    _take_parameters(wide, model, second)
    named = _take_tables(wide, model, second)
    _fold(wide)
    remarks[wide] = list(dict.fromkeys([*named, *entered]))
    return _frozen(wide)


def _take_parameters(wide: nn.Module, model: nn.Module, second: nn.Module) -> None:
    """Give the twin the model's parameters; those that are one in the model are one in the twin."""
    theirs, ours, again = _parameters(model), _parameters(wide), _parameters(second)
    if odd := sorted(theirs.keys() ^ ours.keys()):
        raise InputError(f"the twin and the model differ in parameters ({', '.join(odd[:5])}): build both alike")
    taken: dict[int, Any] = {}
    for name, parameter in theirs.items():
        mine = taken.setdefault(id(parameter), ours[name])
        if mine.shape != parameter.shape:
            raise InputError(
                f"{name}: the twin has shape {tuple(mine.shape)}, the model {tuple(parameter.shape)}: build both alike"
            )
        if mine is not ours[name]:
            path, _, leaf = name.rpartition(".")
            setattr(wide.get_submodule(path), leaf, mine)
        else:
            mine.data = _chosen(mine.detach(), parameter.detach(), again.get(name))


def _held(model: nn.Module) -> set[int]:
    """The identities of parameters, and of what holds the other tensors: a twin is written to in these."""
    return {id(one) for one in model.parameters()} | {id(holder) for holder, _, _ in _tables(model).values()}


def _parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    return dict(model.named_parameters(remove_duplicate=False))


def _take_tables(wide: nn.Module, model: nn.Module, second: nn.Module) -> list[str]:
    """Give the twin those tables of the model that were loaded, and keep those that were computed.

    What a module has come to hold since it was made is taken too, and named: it may have been computed in single
    precision. Items of lists and dictionaries are left to be computed again.
    """
    again, mine, named = _tables(second), _tables(wide), []
    for name, (_, _, theirs) in _tables(model).items():
        path, _, leaf = name.rpartition(".")
        if name in mine:
            holder, key, ours = mine[name]
            holder[key] = _chosen(ours, theirs, again[name][2] if name in again else None)
        elif path in dict(wide.named_modules()):
            setattr(wide.get_submodule(path), leaf, _wide(theirs))
            named += [_rounded(name, theirs, "made after the constructor")] if theirs.dtype in NARROW else []
    return named


def _rounded(name: str, tensor: Tensor, reason: str) -> str:
    return f"{name}: values of {str(tensor.dtype).removeprefix('torch.')}, {reason}"


def _chosen(ours: Tensor, theirs: Tensor, second: Tensor | None) -> Tensor:
    """In double: `ours`, if that is how the model's was computed, else the model's."""
    ours, wide = _wide(ours), _wide(theirs)
    if ours.shape != wide.shape or ours.dtype != wide.dtype or theirs.dtype not in NARROW:
        return wide
    computed = second is not None and second.shape == wide.shape and _equal(_wide(second), wide)
    return ours if _within(ours, wide, computed) else wide


def _tables(model: nn.Module) -> dict[str, tuple[Any, Any, Tensor]]:
    """Tensors that are no parameters: buffers, attributes of modules, items of lists and dictionaries among these.

    By name: what holds the tensor, its key there, and the tensor.
    """
    found = {}
    for path, module in model.named_modules():
        own = vars(module)
        for leaf, held in {"": own, **own}.items():
            items = held.items() if isinstance(held, dict) else enumerate(held) if isinstance(held, list) else ()
            for key, tensor in items:
                if isinstance(tensor, Tensor) and not isinstance(tensor, nn.Parameter):
                    parts = (path, "" if leaf == "_buffers" else leaf, str(key))
                    found[".".join(filter(None, parts))] = (held, key, tensor)
    return found


def _fold(model: nn.Module) -> None:
    """Compute the weights of the older weight norm anew, which does so when a module is called, not in `forward`."""
    for module in model.modules():
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, WeightNorm):
                setattr(module, hook.name, hook.compute_weight(module).detach())


def _within(ours: Tensor, theirs: Tensor, computed: bool) -> bool:
    """Whether `ours` in double is the table that `theirs` is in single precision."""
    if torch.equal(ours, theirs):
        return True
    finite = torch.isfinite(theirs)
    if not finite.any() or not torch.equal(ours[~finite].nan_to_num(), theirs[~finite].nan_to_num()):
        return False
    difference, size = (ours - theirs)[finite].abs(), theirs[finite].abs()
    return bool((difference <= ULP * size).all() or (computed and difference.max() <= COMPUTED * size.max()))


def _equal(one: Tensor, other: Tensor) -> bool:
    return torch.equal(one.nan_to_num(), other.nan_to_num())


def _wide(tensor: Tensor) -> Tensor:
    """A copy on the CPU; floating-point values as double."""
    return tensor.detach().to("cpu", WIDEST.get(tensor.dtype, tensor.dtype), copy=True)


def _constructor(model: nn.Module) -> Callable[[], nn.Module] | None:
    """How a module like this one is made, if its class takes a configuration or nothing."""
    config = getattr(model, "config", None)
    if config is None:
        return type(model)
    own = copy.deepcopy(config)
    if hasattr(own, "_experts_implementation"):
        own._experts_implementation = "eager"
    return lambda: type(model)(copy.deepcopy(own))


def _made_alike(build: Callable[[], nn.Module], model: nn.Module) -> nn.Module | None:
    """What `build` makes, if its parameters and its modules' settings are those of the model.

    A model that was given other arguments than the defaults, or changed since, is another function.
    """
    try:
        made = build()
    except Exception:  # whatever a constructor raises that wants other arguments
        return None
    shapes = [{name: p.shape for name, p in _parameters(m).items()} for m in (made, model)]
    return made if shapes[0] == shapes[1] and _settings(made) == _settings(model) else None


def _settings(model: nn.Module) -> dict[str, Any]:
    """The class of each module, its hooks, and what it holds besides tensors: numbers, texts, functions, records.

    Modes are none, nor is a configuration, of which a module is made anew.
    """
    found: dict[str, Any] = {}
    for path, module in model.named_modules():
        found[path] = (
            f"{type(module).__module__}.{type(module).__qualname__}"  # parametrised ones have classes of their own
        )
        for name, value in vars(module).items():
            if name in _HOOKS:
                found[f"{path}.{name}"] = [_setting(hook) for hook in value.values()]
            elif name in (*_MODES, *_HELD, "config") or "_hooks" in name:
                continue
            elif (said := _setting(value)) is not None or value is None:
                found[f"{path}.{name}"] = said
    return found


def _setting(value: Any) -> Any:
    """What two modules that were made alike have alike, in a form that can be compared; None for anything else."""
    if value is None or isinstance(value, int | float | complex | str | bytes | torch.dtype | BuiltinFunctionType):
        return value
    if isinstance(value, tuple | list):
        return [_setting(part) for part in value]
    if isinstance(value, dict):
        said = {str(key): (part, _setting(part)) for key, part in value.items()}
        known = {key: setting for key, (part, setting) in said.items() if part is None or setting is not None}
        return known if known or not value else None
    if isinstance(value, np.ndarray):
        return value.shape, value.tobytes()
    if isinstance(value, FunctionType):
        closed = [cell.cell_contents for cell in value.__closure__ or () if cell != CellType()]
        return value.__code__, _setting(closed), _setting(value.__defaults__)
    if isinstance(value, partial):
        return _setting(value.func), _setting(value.args), _setting(value.keywords)
    if is_dataclass(value) and not isinstance(value, type):
        return type(value).__name__, _setting({field.name: getattr(value, field.name) for field in fields(value)})
    return None


def copied(model: nn.Module) -> nn.Module:
    """The module copied and widened as it is, in eval mode and without gradients.

    Its tables stay as rounded as they are, which is remarked.
    """
    with torch.no_grad(), Detached():
        wide = copy.deepcopy(model)
    rounded = _widen_scripts(wide)
    for parameter in wide.parameters():
        parameter.data = _wide(parameter)
    for name, (holder, key, tensor) in _tables(wide).items():
        if tensor.dtype in NARROW:
            rounded.append(_rounded(name, tensor, "for the module was copied"))
        holder[key] = _wide(tensor)
    _fold(wide)
    remarks[wide] = rounded
    return _frozen(wide)


def _widen_scripts(model: nn.Module) -> list[str]:
    """Make the scripts in a module double, whose tensors are no attributes of it; their tables stay rounded."""
    scripts = [(path, part) for path, part in model.named_modules() if isinstance(part, torch.jit.ScriptModule)]
    rounded = [
        _rounded(f"{path}.{leaf}".removeprefix("."), tensor, "for a script holds it")
        for path, script in scripts
        for leaf, tensor in script.named_buffers(recurse=False)
        if tensor.dtype in NARROW
    ]
    for _, script in scripts:
        script.double()
    return rounded


def _frozen(model: nn.Module) -> nn.Module:
    """In eval mode and without gradients, which a script refuses as a whole."""
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    return model.eval()
