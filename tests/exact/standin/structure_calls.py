"""Calls of functions that make, move and multiply arrays, and of those below `mlx.core`."""

from __future__ import annotations

import numpy as np

from tests.exact.standin.calls import case, complexes, definite, floats, integers, plainly, truths

X, Z, N = floats(3, 4), floats(2, 3, 4), integers(3, 4)

case("reshape", lambda mx, z: [mx.reshape(z, (4, -1)), mx.reshape(z, [24]), mx.reshape(z, (2, 1, 12))], Z)
case("flatten", lambda mx, z: [mx.flatten(z), mx.flatten(z, 1), mx.flatten(z, 0, 1), mx.flatten(mx.array(3.0))], Z)
case(
    "unflatten", lambda mx, z: [mx.unflatten(z, 2, (2, 2)), mx.unflatten(z, -1, (2, -1)), mx.unflatten(z, 0, (2, 1))], Z
)
for _name in ("transpose", "permute_dims"):
    case(_name, lambda mx, z, name=_name: [getattr(mx, name)(z), getattr(mx, name)(z, (1, 0, 2))], Z)
case("array.transpose", lambda mx, z: [z.transpose(2, 0, 1), z.transpose((0, 2, 1)), z.transpose([0, -1, 1])], Z)
plainly("matrix_transpose", Z)
case("swapaxes", lambda mx, z: [mx.swapaxes(z, 0, -1), mx.swapaxes(z, 1, 2)], Z)
case("moveaxis", lambda mx, z: [mx.moveaxis(z, 0, -1), mx.moveaxis(z, 2, 0)], Z)
case("expand_dims", lambda mx, z: [mx.expand_dims(z, 0), mx.expand_dims(z, -1), mx.expand_dims(z, (0, 2))], Z)
case("squeeze", lambda mx, z: [mx.squeeze(z[:, :1]), mx.squeeze(z[:1, :1], 0), mx.squeeze(z[:1, :1], (0, 1))], Z)
case("broadcast_to", lambda mx, x: [mx.broadcast_to(x, (2, 3, 4)), mx.broadcast_to(x[:, :1], (3, 5))], X)
case("broadcast_to", lambda mx: mx.broadcast_to(2.5, (2, 3)))
case("broadcast_arrays", lambda mx, x: mx.broadcast_arrays(x, x[:1], x[None]), X)
case("broadcast_shapes", lambda mx: mx.broadcast_shapes((3, 1), (2, 1, 4)))
for _name in ("concatenate", "concat"):
    case(
        _name,
        lambda mx, x, n, name=_name: [
            getattr(mx, name)([x, x]), getattr(mx, name)([x, n], axis=1), getattr(mx, name)((x, x), axis=None),
        ],
        X, N,
    )  # fmt: skip
case("stack", lambda mx, x, n: [mx.stack([x, x]), mx.stack([x, n], axis=-1), mx.stack([x, n, x], 1)], X, N)
case("unstack", lambda mx, x: [mx.unstack(x), mx.unstack(x, axis=1)], X)
case(
    "split",
    lambda mx, x: [mx.split(x, 3), mx.split(x, 2, axis=-1), mx.split(x, [1, 3], axis=1), mx.split(x, (0, 2))],
    X,
)
case("repeat", lambda mx, x: [mx.repeat(x, 2), mx.repeat(x, 3, axis=0), mx.repeat(x, 2, axis=-1)], X)
case("tile", lambda mx, x: [mx.tile(x, 2), mx.tile(x, (2, 1)), mx.tile(x, [2, 1, 3])], X)
case("flip", lambda mx, x: [mx.flip(x), mx.flip(x, 0), mx.flip(x, (0, 1))], X)
case("roll", lambda mx, x: [mx.roll(x, 1), mx.roll(x, -1, 0), mx.roll(x, (1, 2), (0, 1)), mx.roll(x, 2, 1)], X)
case(
    "pad",
    lambda mx, x: [mx.pad(x, 1), mx.pad(x, (1, 2)), mx.pad(x, [(0, 1), (2, 0)]), mx.pad(x, 1, constant_values=3)],
    X,
)
case(
    "pad",
    lambda mx, x: [mx.pad(x, 1, "edge"), mx.pad(x, 2, "reflect"), mx.pad(x, [(0, 0), (2, 1)], mode="symmetric")],
    X,
)
case(
    "as_strided",
    lambda mx, x: [
        mx.as_strided(x, (3, 2), (2, 1)),
        mx.as_strided(x.T, (4, 2), (1, 3), 1),
        mx.as_strided(x, (2, 2), (0, 1), 3),
    ],
    X,
)
case("contiguous", lambda mx, x: mx.contiguous(x.T), X)
case("diag", lambda mx, x: [mx.diag(x), mx.diag(x, 1), mx.diag(x[0]), mx.diag(x[0], -1)], X)
case("diagonal", lambda mx, z: [mx.diagonal(z), mx.diagonal(z, 1, 1, 2), mx.diagonal(z, axis1=0, axis2=2)], Z)
case("trace", lambda mx, z: [mx.trace(z), mx.trace(z, 1, 1, 2), mx.trace(z, dtype=mx.float16)], Z)
case("tril", lambda mx, x: [mx.tril(x), mx.tril(x, -1)], X)
case("triu", lambda mx, x: [mx.triu(x), mx.triu(x, 1)], X)
case("meshgrid", lambda mx, x: [*mx.meshgrid(x[0], x[:, 0]), *mx.meshgrid(x[0], x[1], indexing="ij", sparse=True)], X)
for _name in ("atleast_1d", "atleast_2d", "atleast_3d"):
    case(_name, lambda mx, x, name=_name: [getattr(mx, name)(mx.array(2.0)), getattr(mx, name)(x[0], x)], X)
case("diff", lambda mx, x: [mx.diff(x), mx.diff(x, 2, 0)], X)
case("depends", lambda mx, x: [mx.depends(x, x), mx.depends([x, x], [x])], X)

case("zeros", lambda mx: [mx.zeros(3), mx.zeros((2, 3), mx.int32), mx.zeros([2], dtype=mx.bfloat16), mx.zeros(())])
case("ones", lambda mx: [mx.ones(3), mx.ones((2, 3), mx.bool_)])
case("full", lambda mx, x: [mx.full((2, 3), 2.5), mx.full(2, 3), mx.full((2, 4), x[0]), mx.full(2, 1, mx.float16)], X)
case("zeros_like", lambda mx, n: [mx.zeros_like(n), mx.zeros_like(n, dtype=mx.float32)], N)
case("ones_like", lambda mx, n: [mx.ones_like(n), mx.ones_like(n, mx.float16)], N)
case("full_like", lambda mx, n: [mx.full_like(n, 2), mx.full_like(n, 2.5), mx.full_like(n, 2.5, mx.float32)], N)
case("empty", lambda mx: [mx.empty((2, 3)) * 0])
case("empty_like", lambda mx, n: [mx.empty_like(n) * 0], N)
case("arange", lambda mx: [mx.arange(5), mx.arange(1, 4), mx.arange(0, 9, 2), mx.arange(5, 0, -2), mx.arange(3.5)])
case(
    "arange",
    lambda mx: [mx.arange(0, 1, 0.25), mx.arange(3, dtype=mx.float16), mx.arange(0, 5, 2, mx.uint8), mx.arange(0)],
)
case("arange", lambda mx: [mx.arange(0, 10, step=3), mx.arange(start=1, stop=3, step=1)])
case(
    "linspace",
    lambda mx: [mx.linspace(0, 1, 5), mx.linspace(-1, 2, 4, endpoint=False), mx.linspace(0, 5, 6, dtype=mx.int32)],
)
case("eye", lambda mx: [mx.eye(3), mx.eye(2, 3, 1), mx.eye(3, k=-1, dtype=mx.int32)])
case("identity", lambda mx: mx.identity(3))
case("tri", lambda mx: [mx.tri(3), mx.tri(2, 4, 1), mx.tri(3, dtype=mx.int32)])
for _name in ("hanning", "hamming", "blackman", "bartlett"):
    case(_name, lambda mx, name=_name: [getattr(mx, name)(8), getattr(mx, name)(1)])
case("array", lambda mx, x: [mx.array(x), mx.array([x, x]), mx.array(x, mx.int32)], X)
case("asarray", lambda mx, x: [mx.asarray(x), mx.asarray([1, 2]), mx.asarray(x, mx.float16)], X)
case("from_dlpack", lambda mx: mx.from_dlpack(np.arange(3, dtype=np.float32)))

AT = np.array([[0, 2], [1, 0]], np.int32)
case(
    "take", lambda mx, x, i: [mx.take(x, i), mx.take(x, i, axis=0), mx.take(x, i, axis=1), mx.take(x, 1, axis=0)], X, AT
)
case(
    "take_along_axis",
    lambda mx, x, i: [mx.take_along_axis(x[:2], i, axis=1), mx.take_along_axis(x, i[0], axis=None)],
    X,
    AT,
)
case("take_along_axis", lambda mx, x, i: mx.take_along_axis(x[:, :2], i, axis=0), X, AT)
case(
    "put_along_axis",
    lambda mx, x, i: [
        mx.put_along_axis(x[:2], i, x[:2, :2], axis=1),
        mx.put_along_axis(x[:2], i, mx.array(7.0), axis=1),
    ],
    X,
    AT,
)
case(
    "slice", lambda mx, x: [mx.slice(x, mx.array([1]), (0,), (1, 4)), mx.slice(x, mx.array([1, 2]), (0, 1), (2, 2))], X
)
case("slice_update", lambda mx, x: mx.slice_update(x, mx.ones((2, 2)), mx.array([1, 1]), (0, 1)), X)

case(
    "matmul",
    lambda mx, z: [mx.matmul(z, z.swapaxes(1, 2)), z[0] @ z[1].T, z @ z[0].T, z[0, 0] @ z[0, 1], z[0] @ z[0, 1]],
    Z,
)
case("addmm", lambda mx, z: [mx.addmm(z[0, :, :3], z[0], z[1].T), mx.addmm(z[0, 0, :3], z, z[0].T, 0.5, 2.0)], Z)
case("inner", lambda mx, z: [mx.inner(z[0], z[1]), mx.inner(z[0, 0], z[1, 1])], Z)
case("outer", lambda mx, x, n: [mx.outer(x[0], x[:, 0]), mx.outer(x, n[0])], X, N)
case("vecdot", lambda mx, x: [mx.vecdot(x, x + 1), mx.vecdot(x, x + 1, axis=0)], X)
case("kron", lambda mx, x: [mx.kron(x, x[:2, :2]), mx.kron(x[0], x[1])], X)
case("tensordot", lambda mx, z: [mx.tensordot(z, z[0].T, 1), mx.tensordot(z, z, [[0, 1], [0, 1]])], Z)
case(
    "einsum",
    lambda mx, z: [
        mx.einsum("bij,bkj->bik", z, z),
        mx.einsum("ij->ji", z[0]),
        mx.einsum("ij,jk,lk->il", z[0], z[0].T, z[1, :, :3]),
    ],
    Z,
)
case("einsum_path", lambda mx, z: mx.einsum_path("ij,jk->ik", z[0], z[0].T)[0], Z)
case(
    "conv1d",
    lambda mx, x, w: [mx.conv1d(x, w), mx.conv1d(x, w, 2, 1), mx.conv1d(x, w, padding=2, dilation=2)],
    floats(2, 9, 4),
    floats(6, 3, 4),
)
case("conv1d", lambda mx, x, w: mx.conv1d(x, w, groups=2), floats(2, 9, 4), floats(6, 3, 2))
case(
    "conv2d",
    lambda mx, x, w: [mx.conv2d(x, w), mx.conv2d(x, w, (2, 1), (1, 0))],
    floats(1, 5, 6, 2),
    floats(3, 3, 2, 2),
)
case("conv3d", lambda mx, x, w: mx.conv3d(x, w, padding=1), floats(1, 3, 3, 3, 2), floats(2, 2, 2, 2, 2))
case(
    "conv_general",
    lambda mx, x, w: [mx.conv_general(x, w, 2, ([1], [0]), 1, 2, 1, True), mx.conv_general(x, w, padding=[2])],
    floats(2, 9, 4),
    floats(6, 3, 4),
)
case(
    "conv_transpose1d",
    lambda mx, x, w: [
        mx.conv_transpose1d(x, w),
        mx.conv_transpose1d(x, w, 2, 1, 1, 1),
        mx.conv_transpose1d(x, w, stride=3, dilation=2),
    ],
    floats(2, 5, 4),
    floats(6, 3, 4),
)
case("conv_transpose2d", lambda mx, x, w: mx.conv_transpose2d(x, w, 2, 1), floats(1, 4, 3, 2), floats(3, 3, 2, 2))
case("conv_transpose3d", lambda mx, x, w: mx.conv_transpose3d(x, w), floats(1, 2, 2, 2, 2), floats(2, 2, 2, 2, 2))
case(
    "convolve",
    lambda mx, x: [mx.convolve(x[0], x[1]), mx.convolve(x[0], x[1, :3], "same"), mx.convolve(x[0], x[1, :2], "valid")],
    X,
)
case("gather_mm", lambda mx, z: mx.gather_mm(z, z.swapaxes(1, 2), rhs_indices=mx.array([1, 0])), Z)
case("segmented_mm", lambda mx, x: mx.segmented_mm(x, x.T, mx.array([[0, 2], [2, 4]], mx.uint32)), X)
case(
    "block_masked_mm",
    lambda mx, x, t: mx.block_masked_mm(x, x, 32, mask_lhs=t),
    floats(32, 32, low=0.0, high=0.1),
    np.ones((1, 1), bool),
    apart=True,
)
case("hadamard_transform", lambda mx, x: [mx.hadamard_transform(x), mx.hadamard_transform(x, 1.0)], X)

W = floats(4, 64)
case("quantize", lambda mx, w: [mx.quantize(w)[0], mx.quantize(w, 32, 8)[0], mx.quantize(w, mode="mxfp4")], W)
case("quantize", lambda mx, w: mx.quantize(w)[1:], W, apart=True)
case(
    "dequantize",
    lambda mx, w: [mx.dequantize(*mx.quantize(w)), mx.dequantize(*mx.quantize(w, mode="mxfp4"), mode="mxfp4")],
    W,
    apart=True,
)
case(
    "quantized_matmul",
    lambda mx, x, w: mx.quantized_matmul(x, *mx.quantize(w)),
    floats(2, 64),
    W,
    apart=True,
)
case(
    "gather_qmm",
    lambda mx, x, w: mx.gather_qmm(x, *mx.quantize(w), rhs_indices=mx.array([1, 0])),
    floats(2, 1, 64),
    floats(2, 32, 64),
    apart=True,
)
# MLX's CPU has it for one row and quantised weights alone.
case(
    "qqmm",
    lambda mx, x, w: mx.qqmm(x, *mx.quantize(w, mode="nvfp4"), mode="nvfp4"),
    floats(1, 64),
    floats(32, 64),
    apart=True,
)
case("to_fp8", lambda mx, x: mx.to_fp8(x), X)
case("from_fp8", lambda mx, x: [mx.from_fp8(mx.to_fp8(x)), mx.from_fp8(mx.to_fp8(x), mx.float32)], X)

Q, K = floats(1, 4, 5, 8), floats(1, 2, 6, 8)
case("fast.rms_norm", lambda mx, x, w: [mx.fast.rms_norm(x, w, 1e-5), mx.fast.rms_norm(x, None, 1e-5)], X, X[0])
case(
    "fast.layer_norm",
    lambda mx, x, w: [mx.fast.layer_norm(x, w, w, 1e-5), mx.fast.layer_norm(x, None, None, 1e-5)],
    X,
    X[0],
)
for _traditional in (False, True):
    case(
        "fast.rope",
        lambda mx, q, t=_traditional: [
            mx.fast.rope(q, 8, traditional=t, base=100.0, scale=1.0, offset=3),
            mx.fast.rope(q, 4, traditional=t, base=None, scale=0.5, offset=0, freqs=mx.array([1.0, 3.0])),
        ],
        Q,
    )  # fmt: skip
_attention = "fast.scaled_dot_product_attention"
case(_attention, lambda mx, q, k: mx.fast.scaled_dot_product_attention(q, k, k, scale=0.3), Q, K)
case(_attention, lambda mx, q, k: mx.fast.scaled_dot_product_attention(q, k, k, scale=0.3, mask="causal"), Q, K)
case(
    _attention,
    lambda mx, q, k, m: mx.fast.scaled_dot_product_attention(q, k, k, scale=0.3, mask=m),
    Q,
    K,
    truths(5, 6) | np.eye(5, 6, dtype=bool),
)
case(
    _attention,
    lambda mx, q, k, m: mx.fast.scaled_dot_product_attention(q, k, k, scale=0.3, mask=m, sinks=m[0, :4]),
    Q,
    K,
    floats(5, 6),
)
case("fast.cross_entropy", lambda mx, x: mx.fast.cross_entropy(x, mx.array([0, 3, 2])), X)
case(
    "fast.gated_delta_update",
    lambda mx, q, v, g: (
        mx.fast.gated_delta_update(q, q * 0.5, v, g, g)
        + mx.fast.gated_delta_update(q, q * 0.5, v, g, g, mask=mx.array([[True, False, True]]))
    ),
    floats(1, 3, 2, 4),
    floats(1, 3, 4, 5),
    floats(1, 3, 4, low=0.1, high=0.9),
)

R, CC = floats(2, 8), complexes(2, 8)
for _name in ("fft", "ifft"):
    case(
        f"fft.{_name}",
        lambda mx, c, name=_name: [
            getattr(mx.fft, name)(c),
            getattr(mx.fft, name)(c, 6),
            getattr(mx.fft, name)(c, axis=0, norm="ortho"),
        ],
        CC,
    )
for _name in ("rfft", "rfft2", "rfftn"):
    case(f"fft.{_name}", lambda mx, x, name=_name: getattr(mx.fft, name)(x), R)
for _name in ("irfft", "irfft2", "irfftn", "fft2", "ifft2", "fftn", "ifftn"):
    case(f"fft.{_name}", lambda mx, c, name=_name: getattr(mx.fft, name)(c), CC)
case("fft.rfft", lambda mx, x: [mx.fft.rfft(x, 10), mx.fft.rfft(x, axis=0)], R)
case("fft.irfft", lambda mx, c: [mx.fft.irfft(c, 13), mx.fft.irfft(c, axis=0, norm="forward")], CC)
case("fft.fftshift", lambda mx, x: [mx.fft.fftshift(x), mx.fft.fftshift(x, 0), mx.fft.fftshift(x, (1,))], X)
case("fft.ifftshift", lambda mx, x: [mx.fft.ifftshift(x), mx.fft.ifftshift(x, 1)], X)
case("fft.fftfreq", lambda mx: [mx.fft.fftfreq(8), mx.fft.fftfreq(5, 0.5)])
case("fft.rfftfreq", lambda mx: [mx.fft.rfftfreq(8), mx.fft.rfftfreq(5, 0.5)])
case(
    "fft.stft",
    lambda mx, x: [mx.fft.stft(x, 8), mx.fft.stft(x, 8, 3, 6, mx.hanning(6), center=False)],
    floats(2, 30),
)
case(
    "fft.istft",
    lambda mx, x: [mx.fft.istft(mx.fft.stft(x, 8)), mx.fft.istft(mx.fft.stft(x, 8), 8, length=35)],
    floats(2, 30),
)

A, B = definite(4), floats(4, 2)
plainly(
    "linalg.cholesky linalg.inv linalg.pinv linalg.cholesky_inv linalg.det linalg.slogdet linalg.eigvalsh",
    A,
)
case(
    "linalg.norm",
    lambda mx, a: [
        mx.linalg.norm(a),
        mx.linalg.norm(a, axis=1),
        mx.linalg.norm(a, "fro", axis=(0, 1)),
        mx.linalg.norm(a, 1, axis=0, keepdims=True),
        mx.linalg.norm(a, float("inf"), axis=-1),
    ],
    A,
)
case("matrix_norm", lambda mx, a: [mx.matrix_norm(a), mx.matrix_norm(a, 1, 0)], A)
case("linalg.solve", lambda mx, a, b: [mx.linalg.solve(a, b), mx.linalg.solve(a, b[:, 0])], A, B)
case(
    "linalg.solve_triangular",
    lambda mx, a, b: [mx.linalg.solve_triangular(a, b), mx.linalg.solve_triangular(a, b, upper=True)],
    A,
    B,
)
case("linalg.tri_inv", lambda mx, a: [mx.linalg.tri_inv(a), mx.linalg.tri_inv(a, upper=True)], A)
case("linalg.cross", lambda mx, x: mx.linalg.cross(x[:, :3], x[:, 1:]), X)
case("linalg.svd", lambda mx, a: [mx.linalg.svd(a)[1], mx.linalg.svd(a, compute_uv=False)], A)
case("linalg.qr", lambda mx, a: (lambda q, r: [q @ r, mx.abs(r)])(*mx.linalg.qr(a)), A)
case("linalg.eigh", lambda mx, a: mx.linalg.eigh(a)[0], A)
case("linalg.eig", lambda mx, a: mx.sort(mx.real(mx.linalg.eig(a)[0])), A)
case("linalg.eigvals", lambda mx, a: mx.sort(mx.real(mx.linalg.eigvals(a))), A)
case("linalg.lu", lambda mx, a: mx.linalg.lu(a), A)
case("linalg.lu_factor", lambda mx, a: mx.linalg.lu_factor(a), A)
case(
    "vmap",
    lambda mx, x: [
        mx.vmap(lambda a, b: a * b.sum(), in_axes=(0, None))(x, x[0]),
        mx.vmap(lambda a: (a, a.sum()), 1, (1, 0))(x),
    ],
    X,
)
