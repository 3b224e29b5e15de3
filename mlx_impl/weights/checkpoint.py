"""Filling a module from a checkpoint file, strictly: published, or converted to any of the namings."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import mlx.core as mx
from mlx import nn
from mlx.utils import tree_flatten

from mlx_impl.ops.precision import working_float
from mlx_impl.weights.stored.layout import MLX as MLX_LAYOUT
from mlx_impl.weights.stored.layout import permutation, permuted
from mlx_impl.weights.stored.mapping import MLX, SCHEMES, UPSTREAM, Parameter
from mlx_impl.weights.stored.quantization import quantize_module
from mlx_impl.weights.stored.reader import Tensors
from spec.files.checkpoint import ALL_IN_ONE

Module = TypeVar("Module", bound=nn.Module)
Shapes = dict[str, tuple[int, ...]]


def load(module: Module, file: Path, stage: str, dtype: mx.Dtype) -> Module:
    """Fill a module from the tensors of its stage; in eval mode (MLX modules start in training), in `dtype`.

    Quantised linear layers stay quantised. Raises `ValueError` that names the file and every missing, unknown or
    misshaped key.
    """
    if not file.exists() and (together := file.with_name(ALL_IN_ONE)).exists():
        file = together
    tensors = Tensors(file)
    if not tensors.converted and tensors.scheme is not UPSTREAM:
        raise ValueError(
            f"{file} has the naming {tensors.scheme} and does not say how it was made; check and convert it: "
            "`python -m mlx_impl convert`"
        )
    if stage in tensors.left_out:
        raise ValueError(
            f"{file} was made without the {stage}: the naming {tensors.scheme} or its source has not got it; convert "
            "the published checkpoint to another target (a voice's conditions, given as --voice, need none)"
        )
    own = _own_parameters(tensors, stage)
    if tensors.quantization is not None:
        layers = {name.removesuffix(".weight") for name, parameter in own.items() if tensors.packed(parameter)}
        quantize_module(module, tensors.quantization, layers)
    expected = {name: parameter.shape for name, parameter in tree_flatten(module.parameters())}
    if problems := _misfits(tensors, stage, own, expected):
        raise ValueError(
            f"{file} does not fit this configuration ({len(problems)} problems), is it of another size? "
            + "; ".join(problems[:5])
        )
    arrays = []
    for name, parameter in own.items():
        value = mx.array(tensors.value(parameter, MLX_LAYOUT, working_float()))
        arrays.append((name, value if tensors.packed(parameter) else value.astype(dtype)))
    module.load_weights(arrays, strict=True)
    module.eval()
    mx.eval(module.parameters())
    return module


def _own_parameters(tensors: Tensors, stage: str) -> dict[str, Parameter]:
    """The parameters of a file that are a stage's, by the names of its module; what this side drops is left out."""
    own = {}
    for parameter in tensors.parameters:
        if parameter.stage == stage and (names := MLX.keys(parameter)):
            own[names[0].removeprefix(f"{stage}.")] = parameter
    return own


def _misfits(
    tensors: Tensors, stage: str, own: dict[str, Parameter], expected: dict[str, tuple[int, ...]]
) -> list[str]:
    """Every reason why a stage's tensors do not fill its module exactly; `expected` in MLX's layout."""
    halves = {parameter: (there, missing) for parameter, there, missing in tensors.incomplete()}
    problems = [f"missing: the key that fills {name}" for name in expected if name not in own]
    for name, parameter in own.items():
        found = tensors.parameters[parameter]
        key, shape = found.whole.key, found.whole.shape
        if parameter in halves:
            there, missing = halves[parameter]
            problems.append(f"missing: the key that fills {name}, {', '.join(missing)}")
            problems += [f"unknown: {each} without it" for each in there]
        elif name not in expected:
            problems += [f"unknown: {entry.key}" for entry in found.parts.values()]
        else:
            order = permutation(parameter.leaf.layout, MLX_LAYOUT, tensors.scheme.layout, len(expected[name]))
            if shape != (want := permuted(expected[name], order)):
                problems.append(f"{key} has shape {shape}, expected {want}")
            for entry in found.parts.values():
                if entry.dtype != tensors.dtype and not tensors.packed(parameter):
                    dtype = f"{entry.key} has dtype {entry.dtype}, expected {tensors.dtype}"
                    problems.insert(0, f"{dtype}; convert the file")
    if wrong := tensors.missing_checksums():
        problems.append(wrong)
    others = tuple(prefix for other, prefix in tensors.scheme.prefixes.items() if prefix and other != stage)
    for key in tensors.unknown():
        if key.startswith(others):
            continue
        elsewhere = [found[0] for scheme in SCHEMES.values() if (found := scheme.find(key)) is not None]
        twice = [parameter for parameter in elsewhere if parameter in tensors.parameters and parameter.stage == stage]
        if twice:
            name = MLX.keys(twice[0])[0].removeprefix(f"{stage}.")
            other = tensors.parameters[twice[0]].whole.key
            problems.append(f"two keys fill {name}: {key} and {other}")
        else:
            problems.append(f"unknown: {key}")
    return problems
