"""Ways in which weight files have gone wrong, each as a change of a good file's tensors, metadata or bytes.

`TENSORS` are of this side's S3Gen, `LSTM` of its voice encoder: each changes a dictionary of arrays by key in place.
`METADATA` changes what the file says of itself, `BYTES` the file as it lies. Each names the kind of problem that the
audit must report, and a key that it must name ("" where none is to be named).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mlx_impl.weights.stored.mapping import COMMUNITY, MLX, SWIFT, UPSTREAM

Arrays = dict[str, np.ndarray]

STAGE = "flow.decoder."
LINEAR = "flow.encoder_proj.weight"
SQUARE = "flow.encoder.encoders.0.self_attn.linear_q.weight"
CONV1D = "flow.encoder.pre_lookahead_layer.conv1.weight"
CONV2D = "speaker_encoder.head.conv2.weight"
UP = "vocoder.generator.levels.0.up.weight"
NORMED = "vocoder.generator.conv_pre.weight"
EMBEDDING = "flow.input_embedding.weight"
DEPTHWISE = "tokenizer.encoder.blocks.0.attn.memory.conv.weight"
HEADS = "flow.encoder.encoders.0.self_attn.pos_bias_u"
NORM = "flow.encoder.after_norm.weight"
BATCH_NORM = "speaker_encoder.head.norm1."
SNAKE = "vocoder.generator.levels.0.source_resblock.units.0.activation1.alpha"
TIME = "flow.decoder.time_mlp.linear_2.weight"
WIDE_CONV = "flow.decoder.mid_blocks.0.resnet.block1.conv.weight"


class Corruption(NamedTuple):
    kind: str
    key: str
    change: Callable[[Any], Any]


def theirs(scheme, key: str) -> str:
    """Another naming's key for one of ours."""
    return scheme.keys(MLX.find(key)[0])[-1]


def set_to(key: str, make: Callable[[np.ndarray], np.ndarray]) -> Callable[[Arrays], None]:
    """Replace a tensor by what `make` makes of it."""

    def change(arrays: Arrays) -> None:
        arrays[key] = np.ascontiguousarray(make(arrays[key]))

    return change


def turned(key: str, *order: int) -> Callable[[Arrays], None]:
    return set_to(key, lambda array: array.transpose(order))


def move(old: str, new: str) -> Callable[[Arrays], None]:
    return lambda arrays: arrays.update({new: arrays.pop(old)})


def copy(old: str, new: str) -> Callable[[Arrays], None]:
    return lambda arrays: arrays.update({new: arrays[old].copy()})


def remove(*starts: str) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        for key in [key for key in arrays if key.startswith(starts)]:
            del arrays[key]

    return change


def add(key: str, *shape: int) -> Callable[[Arrays], None]:
    return lambda arrays: arrays.update({key: np.ones(shape, np.float32)})


def swap(first: str, second: str) -> Callable[[Arrays], None]:
    """Exchange everything below two names."""

    def change(arrays: Arrays) -> None:
        for key in [key for key in arrays if key.startswith(first)]:
            other = second + key.removeprefix(first)
            arrays[key], arrays[other] = arrays[other], arrays[key]

    return change


def value(key: str, number: float) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        arrays[key] = arrays[key].copy()
        arrays[key].flat[-1] = number

    return change


def filled(key: str, number: float) -> Callable[[Arrays], None]:
    return set_to(key, lambda array: np.full_like(array, number))


def uniform(key: str) -> Callable[[Arrays], None]:
    """As both frameworks start a linear layer or a convolution, in MLX's layout."""

    def make(array: np.ndarray) -> np.ndarray:
        bound = 1 / np.sqrt(array[0].size)
        return np.random.default_rng(0).uniform(-bound, bound, array.shape).astype(np.float32)

    return set_to(key, make)


def normal(key: str) -> Callable[[Arrays], None]:
    """As MLX starts an embedding."""

    def make(array: np.ndarray) -> np.ndarray:
        noise = np.random.default_rng(0).standard_normal(array.shape) / np.sqrt(array.shape[1])
        return noise.astype(np.float32)

    return set_to(key, make)


def refolded(key: str, axes: tuple[int, ...], transposed: bool = False) -> Callable[[Arrays], None]:
    """Weight norm folded over other axes of PyTorch's layout; `v` is taken to be the weight, and its norm g.

    A fold is only wrong against its source, so the change is made from the source's own pair.
    """

    def change(arrays: Arrays) -> None:
        g, v = (arrays[f"{SOURCE}{part}.{key}"].astype(np.float64) for part in "gv")
        norm = np.sqrt((v * v).sum(axis=axes, keepdims=True)) if axes else 1.0
        weight = (g * v / norm if axes else v).astype(np.float32)
        arrays[key] = np.ascontiguousarray(weight.transpose(1, 2, 0) if transposed else weight.transpose(0, 2, 1))

    return change


SOURCE = "source "  # the test hands a change g and v of the published file under these names

TENSORS = {
    # names
    "a tensor missing": Corruption("missing key", LINEAR, remove(LINEAR)),
    "a block missing": Corruption("missing key", "flow.decoder.mid_blocks.1.", remove("flow.decoder.mid_blocks.1.")),
    "the vocoder missing": Corruption("missing key", "vocoder.", remove("vocoder.")),
    "half of the statistics missing": Corruption("missing key", BATCH_NORM, remove(BATCH_NORM + "running_var")),
    "upstream's name": Corruption("mixed naming", theirs(UPSTREAM, TIME), move(TIME, theirs(UPSTREAM, TIME))),
    "the Swift port's name": Corruption("mixed naming", theirs(SWIFT, LINEAR), move(LINEAR, theirs(SWIFT, LINEAR))),
    "the community's name": Corruption("mixed naming", theirs(COMMUNITY, TIME), move(TIME, theirs(COMMUNITY, TIME))),
    "upstream's name too": Corruption("duplicate tensor", theirs(UPSTREAM, TIME), copy(TIME, theirs(UPSTREAM, TIME))),
    "the Swift port's name too": Corruption("duplicate tensor", theirs(SWIFT, UP), copy(UP, theirs(SWIFT, UP))),
    "the community's name too": Corruption("duplicate tensor", theirs(COMMUNITY, UP), copy(UP, theirs(COMMUNITY, UP))),
    "a vocoder beside the vocoder": Corruption("unknown key", "hifigan.conv.weight", add("hifigan.conv.weight", 2)),
    "a block too many": Corruption("unknown key", "encoders.2.", copy(NORM, "flow.encoder.encoders.2.norm_ff.weight")),
    "a zero before a number": Corruption("unknown key", "blocks.00", move(DEPTHWISE, DEPTHWISE.replace("s.0", "s.00"))),
    "no prefix": Corruption("unknown key", "encoder_proj.weight", move(LINEAR, LINEAR.removeprefix("flow."))),
    "another case": Corruption("unknown key", LINEAR.title(), move(LINEAR, LINEAR.title())),
    "step counts kept": Corruption(
        "mixed naming", "num_batches", add("speaker_encoder.head.bn1.num_batches_tracked", 1)
    ),
    "weight norm not folded": Corruption("mixed naming", "original1", move(NORMED, theirs(UPSTREAM, NORMED))),
    "scales of a layer that is dense": Corruption("unknown key", "scales", add("flow.encoder_proj.scales", 80, 1)),
    # layouts, by kind of layer
    "linear transposed": Corruption("wrong layout", LINEAR, turned(LINEAR, 1, 0)),
    "square linear transposed": Corruption("wrong layout", SQUARE, turned(SQUARE, 1, 0)),
    "conv1d as PyTorch has it": Corruption("wrong layout", CONV1D, turned(CONV1D, 0, 2, 1)),
    "conv1d with the taps first": Corruption("wrong layout", CONV1D, turned(CONV1D, 1, 0, 2)),
    "conv1d with outputs and inputs exchanged": Corruption("wrong layout", WIDE_CONV, turned(WIDE_CONV, 2, 1, 0)),
    "folded conv1d as PyTorch has it": Corruption("wrong layout", NORMED, turned(NORMED, 0, 2, 1)),
    "depthwise conv1d as PyTorch has it": Corruption("wrong layout", DEPTHWISE, turned(DEPTHWISE, 0, 2, 1)),
    "conv2d as PyTorch has it": Corruption("wrong layout", CONV2D, turned(CONV2D, 0, 3, 1, 2)),
    "conv2d with its taps exchanged": Corruption("wrong layout", CONV2D, turned(CONV2D, 0, 2, 1, 3)),
    "conv2d with outputs and inputs exchanged": Corruption("wrong layout", CONV2D, turned(CONV2D, 3, 1, 2, 0)),
    "transposed conv as PyTorch has it": Corruption("wrong layout", UP, turned(UP, 2, 0, 1)),
    "transposed conv turned as a conv": Corruption("wrong layout", UP, turned(UP, 2, 1, 0)),
    "transposed conv with the taps last": Corruption("wrong layout", UP, turned(UP, 0, 2, 1)),
    "embedding transposed": Corruption("wrong layout", EMBEDDING, turned(EMBEDDING, 1, 0)),
    "heads and their width exchanged": Corruption("wrong layout", HEADS, turned(HEADS, 1, 0)),
    "Snake with axes of its own": Corruption("wrong shape", SNAKE, set_to(SNAKE, lambda a: a.reshape(1, -1, 1))),
    "a weight flattened": Corruption("wrong shape", LINEAR, set_to(LINEAR, np.ravel)),
    "a linear layer as a conv of one tap": Corruption("wrong shape", LINEAR, set_to(LINEAR, lambda a: a[:, :, None])),
    "a row too few": Corruption("wrong shape", EMBEDDING, set_to(EMBEDDING, lambda a: a[1:])),
    "a norm of another width": Corruption("wrong shape", NORM, set_to(NORM, lambda a: np.tile(a, 2))),
    # swapped
    "two blocks of equal shape": Corruption(
        "swapped tensor", STAGE, swap("flow.decoder.mid_blocks.0.", "flow.decoder.mid_blocks.1.")
    ),
    "two tensors of equal shape": Corruption("swapped tensor", SQUARE, swap(SQUARE, SQUARE.replace("_q", "_k"))),
    "a tensor over another": Corruption("swapped tensor", SQUARE, copy(SQUARE.replace("_q", "_v"), SQUARE)),
    "means and variances": Corruption(
        "swapped tensor", BATCH_NORM, swap(BATCH_NORM + "running_mean", BATCH_NORM + "running_var")
    ),
    # folds
    "folded over all axes but the second": Corruption("fold axis", NORMED, refolded(NORMED, (0, 2))),
    "folded over all axes but the taps": Corruption("fold axis", NORMED, refolded(NORMED, (0, 1))),
    "folded over all axes": Corruption("fold axis", NORMED, refolded(NORMED, (0, 1, 2))),
    "v in the weight's place": Corruption("fold", NORMED, refolded(NORMED, ())),
    "transposed conv folded over its outputs": Corruption("fold axis", UP, refolded(UP, (0, 2), True)),
    "transposed conv's v in the weight's place": Corruption("fold", UP, refolded(UP, (), True)),
    # values
    "NaN": Corruption("not finite", LINEAR, value(LINEAR, np.nan)),
    "infinity": Corruption("not finite", CONV1D, value(CONV1D, -np.inf)),
    "a weight of zeros": Corruption("constant tensor", CONV1D, filled(CONV1D, 0)),
    "a norm as it starts": Corruption("initial value", NORM, filled(NORM, 1)),
    "a bias as it starts": Corruption("initial value", "after_norm.bias", filled("flow.encoder.after_norm.bias", 0)),
    "variances as they start": Corruption("initial value", BATCH_NORM, filled(BATCH_NORM + "running_var", 1)),
    "Snake as it starts": Corruption("initial value", SNAKE, filled(SNAKE, 1)),
    "a linear layer as it starts": Corruption("initial value", TIME, uniform(TIME)),
    "a conv as it starts": Corruption("initial value", WIDE_CONV, uniform(WIDE_CONV)),
    "an embedding as it starts": Corruption("initial value", EMBEDDING, normal(EMBEDDING)),
    "other noise": Corruption("other values", SQUARE, set_to(SQUARE, lambda a: np.roll(a, 1))),
    "a sign": Corruption("other values", LINEAR, set_to(LINEAR, np.negative)),
    "twice as much": Corruption("other values", LINEAR, set_to(LINEAR, lambda a: 2 * a)),
    "the last bit of one value": Corruption(
        "checksum",
        LINEAR,
        set_to(LINEAR, lambda a: np.where(np.arange(a.size).reshape(a.shape) == 7, np.nextafter(a, 9), a)),
    ),
    # dtypes
    "one tensor in float16": Corruption("dtype", LINEAR, set_to(LINEAR, lambda a: a.astype(np.float16))),
    "one tensor in float64": Corruption("dtype", LINEAR, set_to(LINEAR, lambda a: a.astype(np.float64))),
    "one tensor in int32": Corruption("dtype", LINEAR, set_to(LINEAR, lambda a: a.astype(np.int32))),
    "one tensor in bfloat16": Corruption("dtype", LINEAR, set_to(LINEAR, lambda a: a.view(np.uint16)[:, ::2])),
}

BIAS = "voice_encoder.encoder.lstm.0.bias"
INPUTS = "voice_encoder.encoder.lstm.0.weight_ih"

LSTM = {
    "input weights transposed": Corruption("wrong layout", INPUTS, turned(INPUTS, 1, 0)),
    "the first bias alone": Corruption("sum", BIAS, lambda arrays: arrays.update({BIAS: arrays[SOURCE + "ih"]})),
    "the second bias alone": Corruption("sum", BIAS, lambda arrays: arrays.update({BIAS: arrays[SOURCE + "hh"]})),
    "PyTorch's two biases": Corruption("mixed naming", "lstm.bias_hh_l0", move(BIAS, "lstm.bias_hh_l0")),
    "gates in another order": Corruption("other values", INPUTS, set_to(INPUTS, lambda a: np.roll(a, len(a) // 4, 0))),
    "layers exchanged": Corruption(
        "swapped tensor", BIAS, swap("voice_encoder.encoder.lstm.0.bias", "voice_encoder.encoder.lstm.1.bias")
    ),
}

THEIRS = {
    name: theirs(UPSTREAM, key) for name, key in {"linear": LINEAR, "conv": CONV1D, "up": UP, "pre": NORMED}.items()
}
G, V = UPSTREAM.keys(MLX.find(NORMED)[0])

PUBLISHED = {  # of the published S3Gen, in upstream's names and layouts
    "norms over all axes but the second": Corruption("fold axis", G, turned(G, 1, 0, 2)),
    "norms over all axes but the taps": Corruption("fold axis", G, turned(G, 2, 1, 0)),
    "g without v": Corruption("half a pair", V, remove(V)),
    "v without g": Corruption("half a pair", G, remove(G)),
    "folded already": Corruption("unknown key", "mel2wav.conv_pre.weight", move(V, "mel2wav.conv_pre.weight")),
    "conv1d as MLX has it": Corruption("wrong layout", THEIRS["conv"], turned(THEIRS["conv"], 0, 2, 1)),
    "v of a transposed conv as MLX has it": Corruption("wrong layout", THEIRS["up"], turned(THEIRS["up"], 1, 2, 0)),
    "linear as the Swift port has it": Corruption("wrong layout", THEIRS["linear"], turned(THEIRS["linear"], 1, 0)),
    "our name": Corruption("mixed naming", NORMED, move(V, NORMED)),
    "a name of ours as well": Corruption("duplicate tensor", TIME, copy(theirs(UPSTREAM, TIME), TIME)),
    "step counts as reals": Corruption("dtype", "bn1.num_batches", add("speaker_encoder.head.bn1.num_batches_tracked")),
}

METADATA = {
    "another mapping": Corruption("mapping version", "", lambda about: about | {"mapping": "0" * 12}),
    "another naming": Corruption("mixed naming", "", lambda about: about | {"target": "swift"}),
    "an unknown naming": Corruption("metadata", "", lambda about: about | {"target": "onnx"}),
    "no naming": Corruption("metadata", "", lambda about: {key: about[key] for key in about if key != "target"}),
    "another dtype": Corruption("dtype", "", lambda about: about | {"dtype": "float16"}),
    "no checksums": Corruption("metadata", "", lambda about: {key: about[key] for key in about if key != "crc32"}),
    "checksums cut short": Corruption("checksum", "", lambda about: about | {"crc32": about["crc32"][:-8]}),
    "other checksums": Corruption("checksum", "proj", lambda about: about | {"crc32": "0" * len(about["crc32"])}),
    "checksums that are no numbers": Corruption(
        "metadata", "", lambda about: about | {"crc32": "x" * len(about["crc32"])}
    ),
    "another source": Corruption(
        "source hash", "", lambda about: about | {"source": json.dumps({"ve.safetensors": "0" * 64})}
    ),
    "quantised, it says": Corruption("metadata", "", lambda about: about | {"quantization": "4"}),
    "dropped tensors in no table": Corruption("metadata", "", lambda about: about | {"dropped": "[1]"}),
}


def with_header(change: Callable[[dict[str, Any]], Any]) -> Callable[[bytes], bytes]:
    """The file with its header changed, the data as they are."""

    def changed(content: bytes) -> bytes:
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        text = change(header)
        text = text if isinstance(text, bytes) else json.dumps(header if text is None else text).encode()
        return len(text).to_bytes(8, "little") + text + content[8 + length :]

    return changed


def entry(header: dict[str, Any], key: str = "voice_encoder.encoder.proj.weight") -> dict[str, Any]:
    return header[key]


def edit(**fields: Any) -> Callable[[bytes], bytes]:
    return with_header(lambda header: entry(header).update(fields))


def same_offsets(header: dict[str, Any]) -> None:
    entry(header)["data_offsets"] = header["voice_encoder.encoder.lstm.1.weight_hh"]["data_offsets"]
    entry(header)["shape"] = header["voice_encoder.encoder.lstm.1.weight_hh"]["shape"]


def exchanged_offsets(header: dict[str, Any]) -> None:
    first, second = (entry(header, f"voice_encoder.encoder.lstm.{layer}.weight_hh") for layer in (1, 2))
    first["data_offsets"], second["data_offsets"] = second["data_offsets"], first["data_offsets"]


def doubled(header: dict[str, Any]) -> bytes:
    text = json.dumps(header)
    return (text[:-1] + f', "{BIAS}": {json.dumps(entry(header, BIAS))}}}').encode()


def length(number: int) -> Callable[[bytes], bytes]:
    """The file whose header says to be longer by so much."""
    return lambda content: (int.from_bytes(content[:8], "little") + number).to_bytes(8, "little") + content[8:]


BYTES = {
    "an empty file": Corruption("truncated", "", lambda content: b""),
    "a web page": Corruption("header length", "", lambda content: b"<!DOCTYPE html><html>"),
    "a zip file": Corruption("header length", "", lambda content: b"PK\x03\x04\x14\0\x08\x08" + content[:90]),
    "bytes behind the end": Corruption("trailing bytes", "", lambda content: content + b"\0"),
    "the file twice": Corruption("trailing bytes", "", lambda content: content * 2),
    "a header of 2 GB": Corruption("header length", "", length(2 << 30)),
    "a header longer than the file": Corruption("truncated", "", lambda content: length(len(content))(content)),
    "a header a byte longer": Corruption("header syntax", "", length(1)),
    "a header a byte shorter": Corruption("header syntax", "", lambda content: length(-9)(content)),
    "no header": Corruption("missing key", "", lambda content: b"\2\0\0\0\0\0\0\0{}"),
    "a header that is a list": Corruption("header syntax", "", with_header(lambda header: list(header))),
    "a header that is no text": Corruption("header syntax", "", with_header(lambda header: b'{"\xff\xfe": 1}')),
    "a header of brackets": Corruption("header syntax", "", with_header(lambda header: b'{"a":' + b"[" * 100_000)),
    "a header behind blanks": Corruption("header syntax", "", with_header(lambda h: b" " + json.dumps(h).encode())),
    "a key twice": Corruption("duplicate key", BIAS, with_header(doubled)),
    "a dtype missing": Corruption(
        "header entry", "proj", with_header(lambda header: entry(header).pop("dtype") and None)
    ),
    "a field too many": Corruption("header entry", "proj", edit(strides=[1])),
    "an entry that is none": Corruption("header entry", "x", with_header(lambda header: header | {"x": 3})),
    "an unknown dtype": Corruption("unknown dtype", "proj", edit(dtype="F8")),
    "a dtype that is none": Corruption("unknown dtype", "proj", edit(dtype=["F32"])),
    "a dtype half as wide": Corruption("tensor size", "proj", edit(dtype="F16")),
    "a dtype as wide": Corruption("dtype", "proj", edit(dtype="I32")),
    "a negative shape": Corruption("shape", "proj", edit(shape=[-32, -32])),
    "a shape of reals": Corruption("shape", "proj", edit(shape=[32.0, 32])),
    "a shape of truths": Corruption("shape", "proj", edit(shape=[True, 1024])),
    "a shape of a larger tensor": Corruption("tensor size", "proj", edit(shape=[32, 33])),
    "a shape beyond all bounds": Corruption("tensor size", "proj", edit(shape=[2**62, 2**62])),
    "another shape of that size": Corruption("wrong shape", "proj", edit(shape=[16, 64])),
    "a shape turned": Corruption(
        "wrong layout", INPUTS, with_header(lambda header: entry(header, INPUTS)["shape"].reverse())
    ),
    "offsets turned": Corruption("offsets", "proj", with_header(lambda h: entry(h)["data_offsets"].reverse())),
    "three offsets": Corruption("offsets", "proj", with_header(lambda h: entry(h)["data_offsets"].append(0))),
    "offsets in another tensor": Corruption("overlap", "", with_header(same_offsets)),
    "a tensor that no key names": Corruption("gap", "", with_header(lambda header: header.pop(BIAS) and None)),
    "offsets of two tensors exchanged": Corruption("checksum", "weight_hh", with_header(exchanged_offsets)),
    "metadata that are no texts": Corruption("metadata", "", with_header(lambda h: h["__metadata__"].update(x=1))),
    "a bit of the data": Corruption(
        "checksum", "", lambda content: content[:-9] + bytes([content[-9] ^ 4]) + content[-8:]
    ),
}
