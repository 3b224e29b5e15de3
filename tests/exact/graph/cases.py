"""Calls of MLX whose graphs hold each primitive, on inputs that are drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.exact.operations.strategies import floats, integers, shapes


@dataclass
class Case:
    """A function and its inputs. `terms` are those of a sum; below 0 their size is bounded by that of the inputs.

    `ulps` stands in for the bound's 4, `apart` is the bound's. `shapeless`: exported for any shapes.
    """

    function: Callable[..., Any]
    inputs: Sequence[np.ndarray]
    terms: int = 0
    apart: bool = False
    ulps: float = 4.0
    shapeless: bool = False


Draw = Callable[[Any], Case]
CASES: dict[str, Draw] = {}


def case(name: str) -> Callable[[Draw], Draw]:
    def enter(draw: Draw) -> Draw:
        CASES[name] = draw
        return draw

    return enter


def _unary(name: str, function: Callable[..., Any], low: float, high: float, ulps: float = 4.0) -> None:
    CASES[name] = lambda data: Case(function, [data.draw(floats(shapes(), low, high))], apart=True, ulps=ulps)


for _name, _function, _low, _high in [
    ("Abs", mx.abs, -9, 9),
    ("ArcCos", mx.arccos, -0.99, 0.99),
    ("ArcCosh", mx.arccosh, 1.01, 99),
    ("ArcSin", mx.arcsin, -0.99, 0.99),
    ("ArcSinh", mx.arcsinh, -9, 9),
    ("ArcTan", mx.arctan, -9, 9),
    ("ArcTanh", mx.arctanh, -0.99, 0.99),
    ("Ceil", mx.ceil, -9, 9),
    ("Cos", mx.cos, -9, 9),
    ("Cosh", mx.cosh, -9, 9),
    ("ErfInv", mx.erfinv, -0.99, 0.99),
    ("Exp", mx.exp, -20, 20),
    ("Expm1", mx.expm1, -20, 20),
    ("Floor", mx.floor, -9, 9),
    ("Log1p", mx.log1p, -0.9, 99),
    ("Negative", mx.negative, -9, 9),
    ("Round", mx.round, -9, 9),
    ("Sigmoid", mx.sigmoid, -20, 20),
    ("Sign", mx.sign, -9, 9),
    ("Sin", mx.sin, -9, 9),
    ("Sinh", mx.sinh, -9, 9),
    ("Square", mx.square, -9, 9),
    ("Tan", mx.tan, -1.5, 1.5),
    ("Tanh", mx.tanh, -9, 9),
]:
    _unary(_name, _function, _low, _high)


def _binary(name: str, function: Callable[..., Any], low: float = -9, high: float = 9) -> None:
    def draw(data: Any) -> Case:
        a, b = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=4)).input_shapes
        return Case(function, [data.draw(floats(a, low, high)), data.draw(floats(b, low, high))], apart=True)

    CASES[name] = draw


for _name, _function in [
    ("Add", mx.add),
    ("ArcTan2", mx.arctan2),
    ("Greater", mx.greater),
    ("GreaterEqual", mx.greater_equal),
    ("Less", mx.less),
    ("LessEqual", mx.less_equal),
    ("Equal", mx.equal),
    ("NotEqual", mx.not_equal),
    ("LogAddExp", mx.logaddexp),
    ("Maximum", mx.maximum),
    ("Minimum", mx.minimum),
    ("Multiply", mx.multiply),
    ("Subtract", mx.subtract),
    ("LogicalAnd", mx.logical_and),
    ("LogicalOr", mx.logical_or),
]:
    _binary(_name, _function)
_binary("Divide", mx.divide, 0.1, 9)
_binary("Power", mx.power, 0.1, 3)


def _integers(name: str, function: Callable[..., Any]) -> None:
    def draw(data: Any) -> Case:
        dtype = data.draw(st.sampled_from(["int8", "int32", "int64", "uint8", "uint32"]))
        shape = data.draw(shapes())
        a = data.draw(integers(dtype, shape))
        return Case(function, [a, data.draw(integers(dtype, shape, 1, 7))])

    CASES[name] = draw


_integers("FloorDivide", mx.floor_divide)
_integers("Remainder", mx.remainder)
_integers("DivMod", lambda a, b: list(mx.divmod(a, b)))
_BITWISE = (mx.bitwise_and, mx.bitwise_or, mx.bitwise_xor, mx.left_shift, mx.right_shift)
CASES["BitwiseBinary"] = lambda data: Case(
    data.draw(st.sampled_from(_BITWISE)),
    [data.draw(integers("uint32", (4,))), data.draw(integers("uint32", (4,), 0, 31))],
)
CASES["LogicalNot"] = lambda data: Case(mx.logical_not, [data.draw(hnp.arrays(bool, shapes()))])
CASES["Sqrt"] = lambda data: Case(
    data.draw(st.sampled_from((mx.sqrt, mx.rsqrt))), [data.draw(floats(shapes(), 0.01, 99))], apart=True
)
CASES["Log"] = lambda data: Case(
    data.draw(st.sampled_from((mx.log, mx.log2, mx.log10))), [data.draw(floats(shapes(), 0.01, 99))], apart=True
)


@case("AsType")
def astype(data: Any) -> Case:
    have = data.draw(st.sampled_from(["float32", "int32", "uint8", "bool"]))
    want = data.draw(st.sampled_from([mx.float16, mx.bfloat16, mx.int8, mx.uint16]))
    x = data.draw(floats(shapes(), 0, 99) if have == "float32" else integers(have, shapes(), 0, 999))
    return Case(lambda x: x.astype(want), [x], ulps=0)


@case("Select")
def select(data: Any) -> Case:
    shape = data.draw(shapes(1))
    condition, a = data.draw(hnp.arrays(bool, shape)), data.draw(floats(shape))
    return Case(mx.where, [condition, a, data.draw(floats(shape[-1:]))], ulps=0)


@case("Erf")
def erf(data: Any) -> Case:
    """Its absolute error is bounded, by 9 · 2^-24."""
    return Case(mx.erf, [data.draw(floats(shapes(), 1, 4))], apart=True, ulps=12)


def _complex(name: str, function: Callable[..., Any]) -> None:
    def draw(data: Any) -> Case:
        shape = data.draw(shapes(1))
        return Case(lambda a, b: function(a + 1j * b), [data.draw(floats(shape)), data.draw(floats(shape))], ulps=0)

    CASES[name] = draw


_complex("Conjugate", mx.conjugate)
_complex("Real", mx.real)
_complex("Imag", mx.imag)


# Shapes


def _moves(name: str, least: int, function: Callable[[Any, np.ndarray], Callable[..., Any]]) -> None:
    def draw(data: Any) -> Case:
        x = data.draw(floats(shapes(least, 4, 4)))
        return Case(function(data, x), [x], ulps=0)

    CASES[name] = draw


def _axis(data: Any, x: np.ndarray) -> int:
    return int(data.draw(st.integers(-x.ndim, x.ndim - 1)))


_moves("Reshape", 1, lambda data, x: lambda x: mx.reshape(x, (-1, x.shape[-1])))
_moves("Flatten", 2, lambda data, x: lambda x: mx.flatten(x, -2, -1))
_moves("ExpandDims", 1, lambda data, x: lambda x: mx.expand_dims(x, (0, -1)))
_moves("Transpose", 1, lambda data, x: (lambda axes: lambda x: mx.transpose(x, axes))(_permuted(data, x)))
_moves("Broadcast", 1, lambda data, x: lambda x: mx.broadcast_to(x, (3, *x.shape)))
_moves("Depends", 1, lambda data, x: lambda x: mx.depends([x], [x + 1])[0])
_moves("Pad", 2, lambda data, x: lambda x: mx.pad(x, [(1, 2)] + [(0, 1)] * (x.ndim - 1), constant_values=7.0))
_moves("AsStrided", 2, lambda data, x: lambda x: mx.as_strided(x, (2, 3), (0, 1), 0)[:, : min(3, x.size)])
_moves("Concatenate", 1, lambda data, x: (lambda axis: lambda x: mx.concatenate([x, -x], axis))(_axis(data, x)))
_moves("Sort", 1, lambda data, x: (lambda axis: lambda x: mx.sort(x, axis))(_axis(data, x)))
_moves("ArgSort", 1, lambda data, x: (lambda axis: lambda x: mx.argsort(x, axis))(_axis(data, x)))


def _permuted(data: Any, x: np.ndarray) -> list[int]:
    return list(data.draw(st.permutations(range(x.ndim))))


CASES["AsStrided"] = lambda data: Case(lambda x: mx.as_strided(x, (2, 3), (1, 2), 1), [data.draw(floats((8,)))], ulps=0)
CASES["Unflatten"] = lambda data: Case(lambda x: mx.unflatten(x, 1, (2, -1)), [data.draw(floats((3, 6)))], ulps=0)
CASES["Squeeze"] = lambda data: Case(lambda x: mx.squeeze(x, (0, 2)), [data.draw(floats((1, 3, 1)))], ulps=0)
CASES["Full"] = lambda data: Case(lambda x: mx.full((2, 3), x), [data.draw(floats((3,)))], ulps=0)
CASES["View"] = lambda data: Case(lambda x: x.view(mx.int8), [data.draw(integers("uint32", (2, 3)))])
CASES["BroadcastAxes"] = lambda data: Case(
    mx.matmul, [data.draw(floats((3, 2, 4))), data.draw(floats((1, 4, 2)))], terms=4, shapeless=True
)


@case("Split")
def split(data: Any) -> Case:
    x = data.draw(floats((6, 4)))
    cut = data.draw(st.sampled_from([2, 3, [1, 4], [2]]))
    return Case(lambda x: list(mx.split(x, cut, 0)), [x], ulps=0)


@case("Arange")
def arange(data: Any) -> Case:
    start, count = data.draw(st.integers(-5, 5)), data.draw(st.integers(1, 6))
    step = data.draw(st.sampled_from([1, 2, -1, 0.5]))
    return Case(lambda x: x[:1] + mx.arange(start, start + count * step, step), [data.draw(floats((2,)))])


# Parts


@case("Slice")
def slice_(data: Any) -> Case:
    x = data.draw(floats((5, 6)))
    key = tuple(data.draw(st.slices(size)) for size in x.shape)
    return Case(lambda x: x[key], [x], ulps=0)


def _updated(name: str, change: Callable[[Any, Any, Any], Any]) -> None:
    def draw(data: Any) -> Case:
        x, update = data.draw(floats((5, 4))), data.draw(floats((4,)))
        first, step = data.draw(st.sampled_from([(1, 1), (0, 2), (4, -2)]))
        return Case(lambda x, update: change(x + 0, slice(first, None, step), update), [x, update])

    CASES[name] = draw


def _assign(x: Any, key: Any, value: Any) -> Any:
    x[key] = value
    return x


_updated("SliceUpdate", _assign)
_updated("SliceUpdate sum", lambda x, key, value: x.at[key].add(value))
_updated("SliceUpdate max", lambda x, key, value: x.at[key].maximum(value))
_updated("SliceUpdate min", lambda x, key, value: x.at[key].minimum(value))
_updated("SliceUpdate prod", lambda x, key, value: x.at[key].multiply(value))


def _scattered(name: str, change: Callable[[Any, Any, Any], Any], repeated: bool) -> None:
    def draw(data: Any) -> Case:
        x, update = data.draw(floats((5, 4))), data.draw(floats((3, 4)))
        rows = data.draw(hnp.arrays(np.int32, (3,), elements=st.integers(-5, 4)))
        if not repeated:
            rows = (rows[0] + 5 + np.arange(3, dtype=np.int32)) % 5 - 5
        return Case(lambda x, rows, update: change(x + 0, rows, update), [x, rows, update], terms=4)

    CASES[name] = draw


_scattered("Scatter", _assign, False)
_scattered("Scatter sum", lambda x, key, value: x.at[key].add(value), True)
_scattered("Scatter max", lambda x, key, value: x.at[key].maximum(value), True)
_scattered("Scatter prod", lambda x, key, value: x.at[key].multiply(value), False)


@case("Gather")
def gather(data: Any) -> Case:
    x = data.draw(floats((4, 3, 2)))
    rows = data.draw(integers("int32", (2, 3), -4, 3))
    axis = data.draw(st.integers(0, 1))
    return Case(lambda x, rows: mx.take(x, mx.abs(rows) % x.shape[axis], axis), [x, rows], ulps=0)


@case("Gather two axes")
def gather_two(data: Any) -> Case:
    x = data.draw(floats((4, 3, 2)))
    rows, columns = data.draw(integers("int32", (5,), -4, 3)), data.draw(integers("int32", (2, 1), -3, 2))
    return Case(lambda x, rows, columns: x[rows, columns], [x, rows, columns], ulps=0)


@case("GatherAxis")
def gather_axis(data: Any) -> Case:
    x, places = data.draw(floats((3, 4))), data.draw(integers("int32", (3, 5), -4, 3))
    return Case(lambda x, places: mx.take_along_axis(x, places, 1), [x, places], ulps=0)


@case("ScatterAxis")
def scatter_axis(data: Any) -> Case:
    x, values = data.draw(floats((3, 4))), data.draw(floats((3, 2)))
    places = np.argsort(data.draw(floats((3, 4))), 1)[:, :2].astype(np.int32)
    return Case(lambda x, places, values: mx.put_along_axis(x, places, values, 1), [x, places, values], ulps=0)


@case("MaskedScatter")
def masked_scatter(data: Any) -> Case:
    x, mask = data.draw(floats((3, 4))), data.draw(hnp.arrays(bool, (3, 4)))
    mask[0, 0] = True
    return Case(lambda x, mask, values: _assign(x + 0, mask, values), [x, mask, data.draw(floats((int(mask.sum()),)))])


@case("DynamicSlice")
def dynamic_slice(data: Any) -> Case:
    x, start = data.draw(floats((5, 4))), data.draw(integers("int32", (2,), 0, 2))
    return Case(lambda x, start: mx.slice(x, start, (0, 1), (3, 2)), [x, start], ulps=0)


@case("DynamicSliceUpdate")
def dynamic_slice_update(data: Any) -> Case:
    x, start = data.draw(floats((5, 4))), data.draw(integers("int32", (1,), 0, 3))
    return Case(lambda x, u, start: mx.slice_update(x, u, start, (0,)), [x, data.draw(floats((2, 4))), start], ulps=0)


@case("ArgReduce")
def arg_reduce(data: Any) -> Case:
    function = data.draw(st.sampled_from([mx.argmax, mx.argmin]))
    axis, keep = data.draw(st.integers(-2, 1)), data.draw(st.booleans())
    return Case(lambda x: function(x, axis, keepdims=keep), [data.draw(floats((3, 4)))])


@case("Partition")
def partition(data: Any) -> Case:
    """The kth value is in its place; which of the others stand before it is not promised in order."""
    kth = data.draw(st.integers(0, 5))
    return Case(lambda x: mx.partition(x, kth, 1)[:, kth], [data.draw(floats((3, 6)))], ulps=0)


@case("ArgPartition")
def argpartition(data: Any) -> Case:
    kth = data.draw(st.integers(0, 5))
    x = data.draw(hnp.arrays(np.float32, (6,), elements=st.integers(-50, 50), unique=True))
    return Case(lambda x: mx.argpartition(x, kth)[kth], [x])


@case("SearchSorted")
def searchsorted(data: Any) -> Case:
    right = data.draw(st.sampled_from(["left", "right"]))
    ordered = np.sort(data.draw(hnp.arrays(np.float32, (6,), elements=st.integers(-4, 4))))
    values = data.draw(hnp.arrays(np.float32, (5,), elements=st.integers(-5, 5)))
    return Case(lambda ordered, values: mx.searchsorted(ordered, values, side=right), [ordered, values])


# Sums and products


@case("Reduce")
def reduce(data: Any) -> Case:
    function = data.draw(st.sampled_from([mx.sum, mx.max, mx.min, mx.all, mx.any]))
    x = data.draw(floats((3, 2, 4), -9, 9))
    axis, keep = data.draw(st.sampled_from([0, -1, (0, 2), None])), data.draw(st.booleans())
    return Case(lambda x: function(x, axis, keepdims=keep), [x], terms=x.size)


@case("Reduce prod")
def reduce_prod(data: Any) -> Case:
    return Case(lambda x: mx.prod(x, 0), [data.draw(floats((3, 4), 0.5, 2))])


@case("Reduce of integers")
def reduce_integers(data: Any) -> Case:
    dtype = data.draw(st.sampled_from(["bool", "int8", "uint8", "int32", "uint32"]))
    function = data.draw(st.sampled_from([mx.sum, mx.prod, mx.max, mx.min]))
    return Case(lambda x: function(x, (0, 1)), [data.draw(integers(dtype, (3, 4)))])


@case("NumberOfElements")
def number_of_elements(data: Any) -> Case:
    return Case(lambda x: mx.mean(x, 0), [data.draw(floats((3, 2), -9, 9))], terms=3, shapeless=True)


@case("Softmax")
def softmax(data: Any) -> Case:
    x = data.draw(floats((3, 4), -9, 9))
    return Case(lambda x: mx.softmax(x, -1, precise=data.draw(st.just(True))), [x], ulps=8)


@case("LogSumExp")
def logsumexp(data: Any) -> Case:
    return Case(lambda x: mx.logsumexp(x, -1), [data.draw(floats((3, 4), 1, 9))], ulps=8)


@case("Scan")
def scan(data: Any) -> Case:
    function = data.draw(st.sampled_from([mx.cumsum, mx.cummax, mx.cummin]))
    reverse, inclusive, axis = data.draw(st.booleans()), data.draw(st.booleans()), data.draw(st.integers(0, 1))
    x = data.draw(floats((3, 4), -9, 9))
    return Case(lambda x: function(x, axis=axis, reverse=reverse, inclusive=inclusive), [x], terms=4)


@case("Scan prod")
def scan_prod(data: Any) -> Case:
    return Case(lambda x: mx.cumprod(x, axis=1), [data.draw(floats((3, 4), 0.5, 2))])


@case("FFT")
def fft(data: Any) -> Case:
    axis, n = data.draw(st.integers(0, 1)), data.draw(st.integers(2, 7))
    functions = [
        lambda x: mx.abs(mx.fft.fft(x, n, axis)),
        lambda x: mx.abs(mx.fft.rfft(x, n, axis)),
        lambda x: mx.fft.irfft(mx.fft.rfft(x, axis=axis), n, axis),
        lambda x: mx.real(mx.fft.ifft(x, n, axis)),
        lambda x: mx.abs(mx.fft.fft2(x)),
        lambda x: mx.fft.irfft2(mx.fft.rfft2(x)),
    ]
    return Case(data.draw(st.sampled_from(functions)), [data.draw(floats((4, 6), 1, 9))], terms=48)


def _bilinear(name: str, terms: int, function: Callable[..., Any], *shape: tuple[int, ...]) -> None:
    CASES[name] = lambda data: Case(function, [data.draw(floats(each, -3, 3)) for each in shape], terms=terms)


_bilinear("Matmul", 4, mx.matmul, (2, 3, 4), (4, 5))
_bilinear("AddMM", 6, lambda a, b, c: mx.addmm(c, a, b, alpha=0.3, beta=1.7), (3, 4), (4, 5), (5,))
_bilinear(
    "GatherMM", 4, lambda a, b: mx.gather_mm(a, b, rhs_indices=mx.array([2, 0, 2], mx.uint32)), (3, 2, 4), (3, 4, 2)
)
_bilinear("Hadamard", 8, mx.hadamard_transform, (2, 8))


@case("BlockMaskedMM")
def block_masked_mm(data: Any) -> Case:
    """A factor of 1 is the input: the many numbers of the matrices are not moved one by one."""
    a, b = (np.random.default_rng(data.draw(st.integers(0, 99))).uniform(-1, 1, (64, 64)) for _ in range(2))
    left, right = (mx.array(each.astype(np.float32)) for each in (a, b))
    masks = [data.draw(hnp.arrays(bool, (2, 2))) for _ in range(3)]
    kinds = data.draw(st.sampled_from([(0,), (1, 2), (0, 1, 2)]))

    def function(one: Any) -> Any:
        of_out, of_a, of_b = (mx.array(mask) if place in kinds else None for place, mask in enumerate(masks))
        return mx.block_masked_mm(left * one, right, 32, of_out, of_a, of_b)

    return Case(function, [np.ones(1, np.float32)], terms=-64)


@case("Convolution")
def convolution(data: Any) -> Case:
    dims, groups = data.draw(st.integers(1, 2)), data.draw(st.sampled_from([1, 2]))
    pick = {
        name: data.draw(st.integers(low, 2)) for name, low in [("stride", 1), ("padding", 0), ("kernel_dilation", 1)]
    }
    x = data.draw(floats((1, *[5] * dims, 4), -3, 3))
    w = data.draw(floats((2, *[2] * dims, 4 // groups), -3, 3))
    flip, between = data.draw(st.booleans()), data.draw(st.integers(1, 2))
    return Case(
        lambda x, w: mx.conv_general(x, w, **pick, groups=groups, flip=flip, input_dilation=between),
        [x, w],
        terms=-16,
    )


def _quantized(data: Any, bits: int, mode: str) -> list[np.ndarray]:
    weight = np.random.default_rng(data.draw(st.integers(0, 99))).standard_normal((2, 3, 64)).astype(np.float32)
    keywords = {"bits": bits, "group_size": 32} if mode == "affine" else {}
    return [np.array(part) for part in mx.quantize(mx.array(weight), mode=mode, **keywords)]


@case("QuantizedMatmul")
def quantized_matmul(data: Any) -> Case:
    mode = data.draw(st.sampled_from(["affine", "mxfp4", "mxfp8", "nvfp4"]))
    bits = data.draw(st.sampled_from([2, 3, 4, 5, 6, 8]))
    parts = [part[0] for part in _quantized(data, bits, mode)]
    x = np.random.default_rng(data.draw(st.integers(0, 99))).standard_normal((2, 64)).astype(np.float32)
    keywords = {"bits": bits, "group_size": 32} if mode == "affine" else {}
    return Case(lambda x, *q: mx.quantized_matmul(x, *q, mode=mode, **keywords), [x, *parts], terms=-64)


@case("GatherQMM")
def gather_qmm(data: Any) -> Case:
    mode = data.draw(st.sampled_from(["affine", "mxfp4"]))
    rows = mx.array([1, 0, 1], mx.uint32)
    x = np.random.default_rng(data.draw(st.integers(0, 99))).standard_normal((3, 1, 64)).astype(np.float32)
    keywords = {"bits": 4, "group_size": 32} if mode == "affine" else {}
    return Case(
        lambda x, *q: mx.gather_qmm(x, *q, rhs_indices=rows, mode=mode, **keywords),
        [x, *_quantized(data, 4, mode)],
        terms=-64,
    )


@case("Quantize")
def quantize(data: Any) -> Case:
    """A grid of a power of two, so that rounding decides nothing."""
    codes = data.draw(integers("int32", (2, 32), 0, 15))
    codes[:, 0], codes[:, 1] = 15, 0
    weight = (codes - 15).astype(np.float32) * 0.5
    return Case(lambda w: list(mx.quantize(w, group_size=32, bits=4)), [weight])


# Factors: what is unique of them


def _matrix(data: Any) -> np.ndarray:
    noise = np.random.default_rng(data.draw(st.integers(0, 99))).standard_normal((3, 3))
    return (noise + 4 * np.eye(3)).astype(np.float32)


def _factor(name: str, function: Callable[..., Any]) -> None:
    CASES[name] = lambda data: Case(function, [_matrix(data)], ulps=64, terms=-9)


_factor("Inverse", lambda a: mx.linalg.inv(a, stream=mx.cpu))
_factor("Inverse of a triangle", lambda a: mx.linalg.tri_inv(mx.tril(a), stream=mx.cpu))
_factor("Cholesky", lambda a: mx.linalg.cholesky(a @ a.T, stream=mx.cpu))
_factor("QRF", lambda a: mx.matmul(*mx.linalg.qr(a, stream=mx.cpu)))
_factor("SVD", lambda a: mx.linalg.svd(a, stream=mx.cpu)[1])
_factor("Eigh", lambda a: mx.linalg.eigvalsh(a + a.T, stream=mx.cpu))
_factor("Eig", lambda a: mx.sort(mx.abs(mx.linalg.eigvals(a, stream=mx.cpu))))
