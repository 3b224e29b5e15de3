"""What a checkpoint file should hold and what it does: names, shapes, layouts and dtypes, without reading a tensor."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from functools import cache
from itertools import permutations

from mlx_impl.convert.encoding import packable, quantizable
from mlx_impl.convert.version import VERSION
from mlx_impl.weights.stored.foreign import Quantization
from mlx_impl.weights.stored.layout import MLX, PYTORCH, SWIFT, permutation, permuted
from mlx_impl.weights.stored.mapping import SCHEMES, UPSTREAM, Parameter, Scheme
from mlx_impl.weights.stored.mapping.rule import BIASES, SCALES
from mlx_impl.weights.stored.reader import MAPPING, Tensors
from spec.config import CHATTERBOX_SIZES, multilingual
from spec.files.checkpoint import FLOWS, family_of
from spec.files.safetensors_file import Problem
from spec.keys import FILES, TURBO_FILES, Keys
from spec.turbo import T3_SIZES, turbo

WORDS = {PYTORCH: "PyTorch's layout", MLX: "MLX's layout", SWIFT: "the Swift port's layout"}

# The published file of each stage, without its suffix. Turbo and Nano call two of them otherwise.
FILE_OF = {
    "tokenizer": "s3gen",
    "speaker_encoder": "s3gen",
    "flow": "s3gen",
    "vocoder": "s3gen",
    "voice_encoder": "ve",
    "t3": "t3_cfg",
}

MODELS = ("english", "multilingual", *T3_SIZES)

# Of each parameter: the shapes of upstream's parts, in PyTorch's layout, and the dtype.
Expected = dict[Parameter, tuple[tuple[tuple[int, ...], ...], str]]


def keys_of(file: str, size: str, model: str) -> Keys:
    """The keys of a file of `FILES` at a size, as one of `MODELS` has it."""
    if model in T3_SIZES:
        config = turbo(model, size)
        own = {"s3gen": config.flow.file, "t3_cfg": config.t3.file}.get(file, "")
        return TURBO_FILES.get(own.removesuffix(".safetensors"), FILES[file])(config)
    chatterbox = CHATTERBOX_SIZES[size]
    return FILES[file](multilingual(chatterbox) if model == "multilingual" else chatterbox)


@cache
def published(file: str, size: str, model: str) -> Expected:
    """What a file of `FILES` holds at a size, as one of `MODELS` has it."""
    expected: Expected = {}
    for key in keys_of(file, size, model):
        found = UPSTREAM.find(key.name)
        if found is None:
            raise ValueError(f"{key.name}: no rule for this key; add one to mlx_impl/weights/stored/mapping")
        before = expected.get(found[0], ((), ""))[0]
        expected[found[0]] = ((*before, key.shape), "I64" if key.dtype == "int64" else "F32")
    return expected


def files_of(parameters: Iterable[Parameter]) -> list[str]:
    """The published files that parameters come from, in order."""
    present = {FILE_OF[parameter.stage] for parameter in parameters}
    return [file for file in FILES if file in present]


def expected_of(tensors: Tensors) -> Expected:
    """What a file should hold: everything of each published file it has a part of.

    It is of the size and the model that fit it best; of two that fit alike, of the one that its name is of.
    """
    shapes = {parameter: pytorch_shape(tensors, parameter) for parameter in tensors.parameters}
    of_turbo = tensors.file.name == FLOWS[1] or family_of(tensors.file) in T3_SIZES
    models = sorted(MODELS, key=lambda model: (model in T3_SIZES) != of_turbo)
    whole: Expected = {}
    for file in files_of([*tensors.parameters, *(parameter for _, parameter in strangers(tensors))]):
        whole_files = [published(file, size, model) for size in CHATTERBOX_SIZES for model in models]
        whole |= max(whole_files, key=lambda each: sum(shapes.get(p) == shape[-1] for p, (shape, _) in each.items()))
    return {parameter: want for parameter, want in whole.items() if parameter.stage not in tensors.left_out}


def is_multilingual(parameters: Expected) -> bool:
    """Whether T3's text vocabulary is the multilingual one."""
    return any(
        parameter.stage == "t3" and UPSTREAM.keys(parameter) == ("text_emb.weight",) and shapes[0][0] > 2000
        for parameter, (shapes, _) in parameters.items()
    )


def pytorch_shape(tensors: Tensors, parameter: Parameter) -> tuple[int, ...]:
    shape = tensors.parameters[parameter].whole.shape
    if tensors.packed(parameter):
        return (shape[0], shape[1] * 32 // tensors.quantization.bits) if len(shape) == 2 else shape
    return permuted(shape, permutation(parameter.leaf.layout, tensors.scheme.layout, PYTORCH, len(shape)))


def packed(tensors: Tensors) -> set[Parameter]:
    """The weights that are stored quantised: other converters quantise some of the layers, and do not say which."""
    return {parameter for parameter in tensors.parameters if tensors.packed(parameter)}


def strangers(tensors: Tensors) -> Iterator[tuple[str, Parameter]]:
    """The keys that the file's own naming has not got and another has, with what they hold."""
    for key in tensors.unknown():
        for scheme in SCHEMES.values():
            if (found := scheme.find(key)) is not None:
                yield key, found[0]
                break


def with_quantization(
    expected: Expected, quantization: Quantization | None, only: Container[Parameter] | None = None
) -> Expected:
    """What a quantised file should hold: codes, scales and biases in the place of the linear weights that are `only`,
    of T3's where nothing says which."""
    if quantization is None:
        return expected
    whole: Expected = {}
    for parameter, (shapes, dtype) in expected.items():
        inputs = shapes[-1][-1] if shapes[-1] else 0
        fits = quantizable if only is None else packable
        if not fits(parameter, inputs, quantization) or (only is not None and parameter not in only):
            whole[parameter] = (shapes, dtype)
            continue
        rows, inputs = shapes[-1]
        whole[parameter] = (((rows, inputs * quantization.bits // 32),), "U32")
        for leaf in (SCALES, BIASES):
            whole[parameter._replace(leaf=leaf)] = (((rows, inputs // quantization.group_size),), "F32")
    return whole


def stored(expected: Expected, scheme: Scheme, parameter: Parameter) -> list[tuple[str, tuple[int, ...], str]]:
    """How a naming stores a parameter: key, shape and dtype of each part, weights in F32."""
    shapes, dtype = expected[parameter]
    keys = scheme.keys(parameter)
    if len(keys) < len(shapes):
        shapes = shapes[-1:]
    layout = {} if dtype == "U32" else parameter.leaf.layout
    orders = (permutation(layout, PYTORCH, scheme.layout, len(shape)) for shape in shapes)
    return [
        (key, permuted(shape, order), dtype) for key, shape, order in zip(keys, shapes, orders, strict=len(keys) > 0)
    ]


def examine(tensors: Tensors) -> list[Problem]:
    """Everything that is wrong with what a file holds, tensor by tensor."""
    problems = list(metadata_problems(tensors))
    expected = with_quantization(expected_of(tensors), tensors.quantization, packed(tensors))
    others = dict(strangers(tensors))
    for key in tensors.unknown():
        if (parameter := others.get(key)) is None:
            problems.append(Problem("unknown key", key, f"{key}: no naming has this key"))
            continue
        namings = ", ".join(str(scheme) for scheme in SCHEMES.values() if scheme.find(key) is not None)
        text = f"{key} is a key of the naming {namings}, the file's is {tensors.scheme}"
        problems.append(Problem("mixed naming", key, text))
        if parameter in tensors.parameters:
            other = tensors.parameters[parameter].whole.key
            problems.append(Problem("duplicate tensor", key, f"{key} and {other} hold the same tensor"))
    for parameter, found in tensors.parameters.items():
        if parameter not in expected:
            for entry in found.parts.values():
                text = f"{entry.key}: a model of this size has no such tensor"
                problems.append(Problem("unknown key", entry.key, text))
    for parameter in expected:
        problems += parameter_problems(tensors, expected, parameter)
    return problems


def metadata_problems(tensors: Tensors) -> Iterator[Problem]:
    made = tensors.header.metadata.get(MAPPING, VERSION)
    if made != VERSION:
        yield Problem("mapping version", "", f"made by the mapping {made}, this is {VERSION}: convert the source again")
    if wrong := tensors.missing_checksums():
        yield Problem("checksum", "", wrong)
    if not tensors.header.entries:
        yield Problem("missing key", "", "the file holds no tensor")


def parameter_problems(tensors: Tensors, expected: Expected, parameter: Parameter) -> Iterator[Problem]:
    """What is wrong with one parameter that a file should hold."""
    have = tensors.parameters.get(parameter)
    for part, (key, want, dtype) in enumerate(stored(expected, tensors.scheme, parameter)):
        if have is None or part not in have.parts:
            half = have is not None
            text = f"{key} is missing" + (f", and {have.whole.key} is no use without it" if half else "")
            yield Problem("half a pair" if half else "missing key", key, text)
            continue
        entry = have.parts[part]
        right = tensors.dtype if dtype == "F32" else dtype
        if entry.dtype != right:
            yield Problem("dtype", key, f"{key} has dtype {entry.dtype}, expected {right}")
        if entry.shape != want:
            yield shape_problem(key, parameter, tensors.scheme, entry.shape, want)


def shape_problem(key: str, parameter: Parameter, scheme: Scheme, have: tuple, want: tuple) -> Problem:
    """A wrong shape, and the order of axes that fits if there is one."""
    text = f"{key} has shape {have}, expected {want}"
    if len(have) == len(want) and parameter.leaf.operation == "fold" and want[1:] == (1,) * (len(want) - 1):
        axes = [axis for axis, length in enumerate(have) if length > 1]
        return Problem("fold axis", key, f"{text}: norms over all axes but {axes}, expected all but the first")
    orders = [order for order in permutations(range(len(have))) if permuted(have, order) == want]
    if len(have) != len(want) or not orders:
        return Problem("wrong shape", key, text)
    layout = parameter.leaf.layout
    known = {}
    for name in layout:
        known.setdefault(permutation(layout, name, scheme.layout, len(have)), WORDS[name])
    fits = [f"{order} ({known[order]})" if order in known else str(order) for order in orders]
    return Problem("wrong layout", key, f"{text}: its axes in the order {' or '.join(fits)} fit")
