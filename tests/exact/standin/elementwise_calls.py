"""Calls of functions of each element, and of reductions and orders along axes."""

from __future__ import annotations

import numpy as np

from tests.exact.standin.calls import as_methods, case, complexes, floats, integers, plainly, positive, truths

X, Y, N, M, C, T = floats(3, 4), floats(3, 4), integers(3, 4), integers(3, 4, low=1), complexes(3, 4), truths(3, 4)
SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0], np.float32)

plainly("exp sigmoid expm1 logaddexp"[:3], X)
plainly("sigmoid expm1 sinh cosh tanh erf", X)
plainly("sin cos tan arctan arcsinh square sign floor ceil trunc positive stop_gradient abs negative", X)
plainly("reciprocal degrees radians round isnan isinf isfinite isposinf isneginf logical_not atan asinh", X)
plainly("log log2 log10 log1p sqrt rsqrt", positive(3, 4))
plainly("arcsin arccos arctanh erfinv asin acos atanh", floats(3, 4, low=-0.9, high=0.9))
plainly("arccosh acosh", floats(3, 4, low=1.1, high=4))
plainly("square abs negative sign exp sin sqrt floor round isnan", N)
plainly("bitwise_invert", N)
plainly("bitwise_invert logical_not isnan sign", T)
plainly("isnan isinf isfinite isposinf isneginf sign floor abs nan_to_num", SPECIAL)
plainly("conjugate conj real imag square exp negative abs", C)
plainly("real imag conjugate", X)
plainly(
    "add subtract multiply divide maximum minimum remainder floor_divide divmod arctan2 atan2 power", positive(3, 4), Y
)
plainly("add subtract multiply divide maximum minimum remainder floor_divide divmod", N, M)
plainly("power pow", positive(3, 4), X)
plainly("power", N, np.abs(M))
plainly("logaddexp", X, Y)
plainly("equal not_equal less less_equal greater greater_equal", N, M)
plainly("equal not_equal less less_equal greater greater_equal maximum minimum", SPECIAL, SPECIAL[::-1].copy())
plainly("logical_and logical_or logical_xor", N, T)
plainly("bitwise_and bitwise_or bitwise_xor", N, M)
plainly("left_shift right_shift bitwise_left_shift bitwise_right_shift", N, integers(3, 4, low=0, high=5))
plainly("add multiply subtract divide", C, X)
plainly("where", T, X, Y)
plainly("where", N, M, X)
case("where", lambda mx, t, x: mx.where(t, x, float("-inf")), T, X)
case("clip", lambda mx, x: [mx.clip(x, -1, 1), mx.clip(x, None, 0.5), mx.clip(x, 0.25, None)], X)
case("clip", lambda mx, x, y: mx.clip(x, y, y + 1), X, Y)
case("nan_to_num", lambda mx, x: mx.nan_to_num(x, 1.5, 7.0, -7.0), SPECIAL)
case("round", lambda mx, x: mx.round(x, 2), X)
case("isclose", lambda mx, x: mx.isclose(x, x + 1e-6, atol=1e-5), X)
case("isclose", lambda mx, x: [mx.isclose(x, x), mx.isclose(x, x, equal_nan=True)], SPECIAL)
case("allclose", lambda mx, x: [mx.allclose(x, x + 1e-7), mx.allclose(x, x + 1)], X)
case("array_equal", lambda mx, x: [mx.array_equal(x, x), mx.array_equal(x, x + 1), mx.array_equal(x, x[0])], X)
case("array_equal", lambda mx, x: [mx.array_equal(x, x), mx.array_equal(x, x, equal_nan=True)], SPECIAL)
case("astype", lambda mx, x: [mx.astype(x, mx.int32), mx.astype(x, mx.bool_), mx.astype(x, mx.float16)], X)
case("view", lambda mx, n: [mx.view(n, mx.uint32), mx.view(n, mx.int16), mx.view(n, mx.int32)], N)

for _name in ("sum", "prod", "mean", "max", "min", "all", "any", "logsumexp", "softmax", "var", "std", "median"):
    for _axis in (None, 0, -1, (0, 2), [1]):
        case(
            _name,
            lambda mx, x, name=_name, axis=_axis: getattr(mx, name)(x, axis=axis),
            floats(2, 3, 4),
        )
for _name in ("sum", "prod", "mean", "max", "logsumexp", "var", "std", "argmax", "argmin", "median", "min", "all"):
    case(_name, lambda mx, x, name=_name: getattr(mx, name)(x, 1, True), floats(2, 3, 4))
for _name in ("sum", "prod", "max", "min", "all", "any", "argmax", "argmin", "count_nonzero", "minmax"):
    case(_name, lambda mx, n, name=_name: getattr(mx, name)(n, axis=1), integers(3, 4))
    case(_name, lambda mx, t, name=_name: getattr(mx, name)(t), truths(3, 4))
case("max", lambda mx, x: [mx.max(x), mx.min(x)], SPECIAL)
case("softmax", lambda mx, x: mx.softmax(x, axis=-1, precise=True), X)
case("softmax", lambda mx, x: mx.softmax(mx.where(x > 0, x, -float("inf")), axis=0), X)
case("logsumexp", lambda mx, x: mx.logsumexp(x, axis=0), np.full((2, 3), -np.inf, np.float32))
case("var", lambda mx, x: [mx.var(x, 0, ddof=1), mx.std(x, 0, ddof=1), x.var(0, correction=1)], X)
case("argmax", lambda mx, n: [mx.argmax(n), mx.argmax(n, 0), mx.argmin(n, -1)], integers(4, 5, low=0, high=3))
for _name in ("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp", "cumulative_sum", "cumulative_prod"):
    for _options in ({}, {"axis": 0}, {"axis": 1, "reverse": True}, {"axis": -1, "inclusive": False}):
        case(
            _name,
            lambda mx, x, name=_name, options=_options: getattr(mx, name)(x, **options),
            X,
        )
    if _name != "logcumsumexp":
        case(_name, lambda mx, n, name=_name: getattr(mx, name)(n, axis=1), N)
case("cumsum", lambda mx, t: mx.cumsum(t, axis=0, dtype=mx.float32), T)

DISTINCT = np.random.default_rng(1).permutation(24).reshape(4, 6).astype(np.float32)
for _name in ("sort", "argsort"):
    for _axis in (None, 0, -1):
        case(_name, lambda mx, x, name=_name, axis=_axis: getattr(mx, name)(x, axis=axis), DISTINCT)
case("partition", lambda mx, x: mx.partition(x, 2)[:, 2], DISTINCT)
case("argpartition", lambda mx, x: mx.argpartition(x, 2)[:, 2], DISTINCT)
case("topk", lambda mx, x: mx.sort(mx.topk(x, 3), axis=-1), DISTINCT)
case("topk", lambda mx, x: mx.sort(mx.topk(x, 2, axis=0), axis=0), DISTINCT)
case("searchsorted", lambda mx, x, y: [mx.searchsorted(x, y), mx.searchsorted(x, y, side="right")], np.sort(X[0]), X)
UNIQUE = np.array([[2, 1, 2], [3, 1, 7]], np.int32)
case(
    "unique", lambda mx, n: [mx.unique(n, 4), mx.unique(n, 6), mx.unique(n, 6, fill_value=-1), mx.unique(n, 2)], UNIQUE
)
case("unique", lambda mx, n: mx.unique(n, 5, True, True, True), UNIQUE)

as_methods("abs all any argmax argmin conj cos cummax cummin max min sin square real imag T mT sum mean std var", X)
as_methods(
    "exp logsumexp log1p logcumsumexp cumsum cumprod prod reciprocal round transpose flatten squeeze diag",
    X + 3,
)
as_methods("log log2 log10 rsqrt sqrt", positive(3, 4))
as_methods("diagonal shape dtype ndim size nbytes itemsize", X)
case("array.item", lambda mx, x: [x[0, 1].item(), (x[0, 0] > 0).item()], np.ones((2, 2), np.float32))
case("array.tolist", lambda mx, n: [str(n.tolist()), n[0, 0].tolist()], N)
case("array.astype", lambda mx, x: [x.astype(mx.int32), x.astype(mx.bfloat16), x.astype(mx.complex64)], X)
case("array.view", lambda mx, n: n.view(mx.uint8), N)
case("array.split", lambda mx, x: [x.split(2, axis=1), x.split((1, 2), 0)], X)
case("array.moveaxis", lambda mx, x: x.moveaxis(0, 1), X)
case("array.swapaxes", lambda mx, x: x.swapaxes(0, -1), X)
case("array.reshape", lambda mx, x: [x.reshape(4, 3), x.reshape((2, -1)), x.reshape(-1), x.reshape([12])], X)
case("array.at", lambda mx, x: x.at[1].add(2), X)
