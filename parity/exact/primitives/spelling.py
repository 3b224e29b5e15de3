"""A primitive of MLX's graph as a line of Python that anyone with MLX can run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from parity.exact.program import Node, Program

_INFIX = {
    "Add": "+", "Subtract": "-", "Multiply": "*", "Divide": "/", "Matmul": "@", "Power": "**", "FloorDivide": "//",
    "Remainder": "%", "Greater": ">", "GreaterEqual": ">=", "Less": "<", "LessEqual": "<=", "NotEqual": "!=",
}  # fmt: skip
_NAMED = {
    "Abs": "abs", "ArcCos": "arccos", "ArcCosh": "arccosh", "ArcSin": "arcsin", "ArcSinh": "arcsinh",
    "ArcTan": "arctan", "ArcTanh": "arctanh", "ArcTan2": "arctan2", "Ceil": "ceil", "Conjugate": "conj", "Cos": "cos",
    "Cosh": "cosh", "Erf": "erf", "ErfInv": "erfinv", "Exp": "exp", "Expm1": "expm1", "Floor": "floor",
    "Imag": "imag", "Log1p": "log1p", "LogicalNot": "logical_not", "LogicalAnd": "logical_and",
    "LogicalOr": "logical_or", "LogAddExp": "logaddexp", "Maximum": "maximum", "Minimum": "minimum",
    "Negative": "negative", "Real": "real", "Round": "round", "Select": "where", "Sigmoid": "sigmoid", "Sign": "sign",
    "Sin": "sin", "Sinh": "sinh", "Square": "square", "Tan": "tan", "Tanh": "tanh", "StopGradient": "stop_gradient",
}  # fmt: skip
_SAME = ("Copy", "Contiguous")
_SHAPED = ("Reshape", "Flatten", "Unflatten", "ExpandDims", "Squeeze")
_SPREAD = ("Broadcast", "BroadcastAxes", "Full")
_REDUCED = {"and": "all", "or": "any"}
_SCANNED = {"sum": "cumsum", "prod": "cumprod", "max": "cummax", "min": "cummin", "logaddexp": "logcumsumexp"}


def spelled(node: Node, inputs: Sequence[str], program: Program) -> str | None:
    """The call, its arrays by these names; None for a primitive that one line cannot say.

    `program` says the shapes of what it makes, and the scalars that stand behind its inputs.
    """
    said = dict(node.arguments)
    shape = program.shapes[node.outputs[0]]
    name, taken = node.operation, list(inputs)
    if name in _INFIX and len(taken) == 2:
        return f"{taken[0]} {_INFIX[name]} {taken[1]}"
    if name in _NAMED:
        return f"mx.{_NAMED[name]}({', '.join(taken)})"
    if name in _SAME:
        return taken[0]
    if name in _SHAPED:
        return f"{taken[0]}.reshape({shape})"
    if name in _SPREAD:
        return f"mx.broadcast_to({taken[0]}, {shape})"
    if name == "Gather" and list(said["axes"]) == [0] and said["sizes"][0] == 1:
        return f"mx.take({taken[0]}, {taken[1]}, axis=0).reshape({shape})"
    return _SPELLED[name](taken, said, shape) if name in _SPELLED else None


Spelling = Callable[[list[str], Mapping[str, Any], tuple[int, ...]], str]


def _called(function: str, *arrays: str, **options: Any) -> str:
    return f"mx.{function}({', '.join([*arrays, *(f'{name}={_value(value)}' for name, value in options.items())])})"


def _value(value: Any) -> str:
    return repr(list(value)) if isinstance(value, tuple) else repr(value)


def _window(taken: list[str], said: Mapping[str, Any], shape: tuple[int, ...]) -> str:
    parts = []
    for start, stop, step in zip(said["start"], said["stop"], said["step"], strict=True):
        until = "" if step < 0 and stop < 0 else stop
        parts.append(f"{start}:{until}" + (f":{step}" if step != 1 else ""))
    return f"{taken[0]}[{', '.join(parts)}]"


def _convolution(taken: list[str], said: Mapping[str, Any], shape: tuple[int, ...]) -> str:
    options = {"stride": said["strides"], "padding": (list(said["low"]), list(said["high"]))}
    options |= {name: said[name] for name in ("kernel_dilation", "input_dilation", "groups", "flip")}
    return _called("conv_general", *taken[:2], **options)


def _padded(taken: list[str], said: Mapping[str, Any], shape: tuple[int, ...]) -> str:
    width = [(0, 0)] * len(shape)
    for axis, low, high in zip(said["axes"], said["low"], said["high"], strict=True):
        width[axis] = (low, high)
    return f"mx.pad({taken[0]}, {width}, constant_values={taken[1]})"


def _root(taken: list[str], said: Mapping[str, Any], shape: tuple[int, ...]) -> str:
    return f"mx.{'rsqrt' if said['reciprocal'] else 'sqrt'}({taken[0]})"


def _logarithm(taken: list[str], said: Mapping[str, Any], shape: tuple[int, ...]) -> str:
    return f"mx.log{'' if said['base'] == 'e' else said['base']}({taken[0]})"


def _cast(taken: list[str], said: Mapping[str, Any], shape: tuple[int, ...]) -> str:
    dtype = {"float64": "float32", "bool": "bool_"}.get(said["dtype"], said["dtype"])
    return f"{taken[0]}.astype(mx.{dtype})"


def _transformed(taken: list[str], said: Mapping[str, Any], shape: tuple[int, ...]) -> str:
    kind = f"{'i' if said['inverse'] else ''}{'r' if said['real'] else ''}fftn"
    sizes = {"s": [shape[axis] for axis in said["axes"]]} if said["inverse"] else {}
    return _called(f"fft.{kind}", taken[0], axes=list(said["axes"]), **sizes)


def _quantised(taken: list[str], said: Mapping[str, Any], shape: tuple[int, ...]) -> str:
    options = {name: said[name] for name in ("group_size", "bits", "mode")}
    return _called("dequantize" if said["dequantize"] else "quantize", *taken, **options)


def _quantised_product(taken: list[str], said: Mapping[str, Any], shape: tuple[int, ...]) -> str:
    options = {name: said[name] for name in ("transpose", "group_size", "bits", "mode")}
    return _called("quantized_matmul", *taken, **options)


def _attention(taken: list[str], said: Mapping[str, Any], shape: tuple[int, ...]) -> str:
    arrays = taken[:-1] if said["has_sinks"] else taken
    mask = {"mask": arrays[3]} if len(arrays) > 3 else {"mask": '"causal"'} if said["causal"] else {}
    more = "".join(f", {name}={text}" for name, text in mask.items())
    sinks = f", sinks={taken[-1]}" if said["has_sinks"] else ""
    return f"mx.fast.scaled_dot_product_attention({', '.join(arrays[:3])}, scale={said['scale']!r}{more}{sinks})"


def _bitwise(taken: list[str], said: Mapping[str, Any], shape: tuple[int, ...]) -> str:
    name = said["operation"] if "shift" in said["operation"] else f"bitwise_{said['operation']}"
    return _called(name, *taken)


_SPELLED: dict[str, Spelling] = {
    "BitwiseBinary": _bitwise,
    "Equal": lambda taken, said, shape: f"{taken[0]} == {taken[1]}",
    "Sqrt": _root,
    "Log": _logarithm,
    "AsType": _cast,
    "Slice": _window,
    "GatherAxis": lambda taken, said, shape: _called("take_along_axis", *taken[:2], axis=said["axis"]),
    "ArgReduce": lambda taken, said, shape: _called(
        f"arg{said['operation']}", taken[0], axis=said["axis"], keepdims=True
    ),
    "Sort": lambda taken, said, shape: _called("sort", taken[0], axis=said["axis"]),
    "ArgSort": lambda taken, said, shape: _called("argsort", taken[0], axis=said["axis"]),
    "Partition": lambda taken, said, shape: _called("partition", taken[0], kth=said["kth"], axis=said["axis"]),
    "ArgPartition": lambda taken, said, shape: _called("argpartition", taken[0], kth=said["kth"], axis=said["axis"]),
    "AddMM": lambda taken, said, shape: _called(
        "addmm", taken[2], taken[0], taken[1], alpha=said["alpha"], beta=said["beta"]
    ),
    "Convolution": _convolution,
    "RMSNorm": lambda taken, said, shape: f"mx.fast.rms_norm({taken[0]}, {taken[1]}, {said['eps']!r})",
    "LayerNorm": lambda taken, said, shape: f"mx.fast.layer_norm({', '.join(taken[:3])}, {said['eps']!r})",
    "ScaledDotProductAttention": _attention,
    "Quantize": _quantised,
    "QuantizedMatmul": _quantised_product,
    "Reduce": lambda taken, said, shape: _called(
        str(_REDUCED.get(said["operation"], said["operation"])), taken[0], axis=list(said["axes"]), keepdims=True
    ),
    "Softmax": lambda taken, said, shape: _called("softmax", taken[0], axis=-1, precise=said["precise"]),
    "LogSumExp": lambda taken, said, shape: _called("logsumexp", taken[0], axis=-1, keepdims=True),
    "Scan": lambda taken, said, shape: _called(
        _SCANNED[said["operation"]], taken[0], **{name: said[name] for name in ("axis", "reverse", "inclusive")}
    ),
    "FFT": _transformed,
    "Transpose": lambda taken, said, shape: f"{taken[0]}.transpose({', '.join(map(str, said['axes']))})",
    "Concatenate": lambda taken, said, shape: f"mx.concatenate([{', '.join(taken)}], axis={said['axis']})",
    "Split": lambda taken, said, shape: f"mx.split({taken[0]}, {list(said['indices'])}, axis={said['axis']})",
    "Pad": _padded,
    "AsStrided": lambda taken, said, shape: (
        f"mx.as_strided({taken[0]}, {list(said['shape'])}, {list(said['strides'])}, {said['offset']})"
    ),
    "Arange": lambda taken, said, shape: f"mx.arange({said['start']}, {said['stop']}, {said['step']})",
}
