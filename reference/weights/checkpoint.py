"""Reading a checkpoint file and filling a module from it, strictly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from spec.files.checkpoint import missing
from spec.files.safetensors_file import FormatError, read_header

PART = 32  # tensors
STEP_COUNT = ".num_batches_tracked"  # of a batch norm: an integer, of use in training only
Module = TypeVar("Module", bound=nn.Module)


@contextmanager
def without_values() -> Iterator[None]:
    """Modules that are made inside have shapes alone: they are on the meta device, and nothing initialises them."""
    with torch.device("meta"), _Uninitialised():
        yield


class _Uninitialised(TorchFunctionMode):
    """Initialisers do nothing. To draw an embedding's values on the meta device PyTorch imports its compiler: 3 s."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(function, "__module__", "") == nn.init.__name__:
            return kwargs["tensor"]
        return function(*args, **(kwargs or {}))


def _read(file: Path, prefix: str, dtype: torch.dtype) -> dict[str, Tensor]:
    """The tensors of a checkpoint file whose keys start with `prefix`, by key without it; no batch norm's step count.

    In `dtype`, each copied: a tensor that is mapped from the file lies at any address, and kernels round by alignment.
    Raises `ValueError` for a missing or unreadable file, one of another naming than upstream's, a dtype other than that
    of most weights, and NaN or infinite weights.
    """
    if not file.is_file():
        raise ValueError(missing(file))
    tensors = {}
    try:
        header = read_header(file)  # stricter than the library, which takes the last of two equal keys
        if (naming := header.metadata.get("target", "upstream")) != "upstream":
            raise ValueError(
                f"{file} has the naming {naming}, expected upstream's on this side; convert it: "
                "`python -m mlx_impl convert --target upstream`"
            )
        expected = header.usual_dtype
        with safe_open(file, framework="pt") as handle:
            keys = [key for key in sorted(handle.keys()) if key.startswith(prefix) and not key.endswith(STEP_COUNT)]
        # Opened anew for each part: what is mapped counts as this process's memory until the file is closed.
        for start in range(0, len(keys), PART):
            with safe_open(file, framework="pt") as handle:
                for key in keys[start : start + PART]:
                    if (stored := header.entries[key].dtype) != expected:
                        raise ValueError(f"{file}: {key} has dtype {stored}, expected {expected}; convert the file")
                    tensor = handle.get_tensor(key)
                    if not _is_finite(tensor):
                        raise ValueError(f"{file}: {key} holds NaN or infinite weights; fetch or make the file again")
                    tensors[key.removeprefix(prefix)] = tensor.to(dtype, copy=True)
                    del tensor
    except (SafetensorError, FormatError) as error:
        raise ValueError(f"{file}: not a whole safetensors file ({error}); fetch or make it again") from error
    return tensors


def _is_finite(tensor: Tensor) -> bool:
    """Whether no value is NaN or infinite. Where the sum is finite all are, and a sum takes a tenth of the time."""
    return bool(tensor.sum().isfinite()) or bool(tensor.isfinite().all())


def load(
    module: Module,
    file: Path,
    prefix: str,
    parameter_name: Callable[[str], str],
    dtype: torch.dtype,
    prepare: Callable[[dict[str, Tensor]], dict[str, Tensor]] = dict,
) -> Module:
    """Fill a module, made `without_values`, from the keys that start with `prefix`; eval mode, in `dtype`.

    `prepare` makes the tensors of the parameters from those of the file, where they are not the same; `parameter_name`
    gives the parameter that a key without its prefix fills. Raises `ValueError` that names the file and every missing,
    unknown or misshaped key.
    """
    return fill(module, prepare(_read(file, prefix, dtype)), file, prefix, parameter_name, dtype)


def fill(
    module: Module,
    tensors: Mapping[str, Tensor],
    file: Path,
    prefix: str,
    parameter_name: Callable[[str], str],
    dtype: torch.dtype,
) -> Module:
    """Fill a module, made `without_values`, from the tensors of a file by key without the prefix. As `load` does."""
    keys: dict[str, str] = {}
    problems = []
    for key in tensors:
        name = parameter_name(key)
        if name in keys:
            problems.append(f"two keys fill {name}: {prefix}{keys[name]} and {prefix}{key}")
        keys[name] = key
    expected = {name: tuple(parameter.shape) for name, parameter in module.named_parameters()}
    problems += [f"missing: the key that fills {name}" for name in expected if name not in keys]
    problems += [f"unknown: {prefix}{key}" for name, key in keys.items() if name not in expected]
    problems += [
        f"{prefix}{keys[name]} has shape {tuple(tensors[keys[name]].shape)}, expected {shape}"
        for name, shape in expected.items()
        if name in keys and tuple(tensors[keys[name]].shape) != shape
    ]
    if problems:
        raise ValueError(
            f"{file} does not fit this configuration ({len(problems)} problems), is it of another size? "
            + "; ".join(problems[:5])
        )
    parameters = {name: tensors[key].to(dtype) for name, key in keys.items()}
    module.load_state_dict(parameters, strict=True, assign=True)
    return module.eval().requires_grad_(False)
