"""mlx_impl.ops.attention against float64, with PyTorch's own float32 error as the yardstick.

The tests need a BLAS that sums in blocks, which `parity.base.runtime.prepare` provides on Linux: with the wheel's
reference BLAS a sum over 500 keys is twice as far from the truth as PyTorch's.
"""

import math

import mlx.core as mx
import numpy as np
import pytest
import torch

from mlx_impl.ops import attention as module
from mlx_impl.ops.attention import HeadLinear, attention, softmax_matmul
from parity.base.metrics import rms
from tests.stages.accuracy import judge

INF, NAN = math.inf, math.nan

pytestmark = pytest.mark.usefixtures("on_cpu")


def qkv(b, h, tq, tk, d, seed=3, scale=1.0):
    rng = np.random.default_rng(seed)
    return [(scale * rng.normal(size=(b, h, t, d))).astype(np.float32) for t in (tq, tk, tk)]


def torch_attention(q, k, v, scale, bias=None, dtype=torch.float32):
    q, k, v = (torch.from_numpy(x).to(dtype) for x in (q, k, v))
    scores = (q * scale) @ k.transpose(-1, -2)
    if bias is not None:
        scores = scores + torch.from_numpy(bias).to(dtype)
    return (torch.softmax(scores, -1) @ v).numpy()


@pytest.mark.parametrize("spread", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("shape", [(2, 4, 200, 200, 64), (20, 2, 1, 300, 64), (2, 3, 50, 37, 16)])
def test_attention_is_as_accurate_as_torch(shape, spread):
    q, k, v = qkv(*shape, scale=spread)
    b, _, tq, tk, d = shape
    bias = np.random.default_rng(4).normal(size=(b, 1, tq, tk)).astype(np.float32)
    bias[..., -3:] = -1e10
    for extra in (None, bias):
        ours = attention(*map(mx.array, (q, k, v)), scale=d**-0.5, bias=None if extra is None else mx.array(extra))
        args = (q, k, v, d**-0.5, extra)
        assert judge(np.array(ours), torch_attention(*args), torch_attention(*args, torch.float64)) == []


@pytest.mark.parametrize("spread", [0.1, 1.0, 10.0])
def test_softmax_matmul_is_as_accurate_as_torch(spread):
    rng = np.random.default_rng(5)
    scores = (spread * rng.normal(size=(2, 4, 100, 250))).astype(np.float32)
    v = rng.normal(size=(2, 4, 250, 64)).astype(np.float32)
    s, t = torch.from_numpy(scores), torch.from_numpy(v)
    torch32, truth = (torch.softmax(s, -1) @ t).numpy(), (torch.softmax(s.double(), -1) @ t.double()).numpy()
    assert judge(np.array(softmax_matmul(mx.array(scores), mx.array(v))), torch32, truth) == []
    native = mx.softmax((mx.array(scores) * (1 + 2**-18)), -1) @ mx.array(v)
    assert len(judge(np.array(native), torch32, truth)) == 2


def test_rows_with_extreme_scores():
    lowest = float(np.finfo(np.float32).min)
    rows = {
        (0.0, 0.0): 2.0,
        (lowest, lowest): 2.0,
        (-1e9, -1e9): 2.0,
        (0.0, lowest): 1.0,
        (-lowest, lowest): 1.0,
        (1e5, 1e5 - 200): 1.0,
        (-INF, -5.0): 3.0,
        (NAN, 1.0): NAN,
        (INF, 1.0): NAN,
        (-INF, -INF): NAN,
    }
    out = softmax_matmul(mx.array([[list(rows)]]), mx.array([[[[1.0], [3.0]]]]))
    np.testing.assert_array_equal(np.array(out).ravel(), list(rows.values()))


def test_masked_keys_have_no_influence_at_all():
    q, k, v = map(mx.array, qkv(1, 2, 5, 8, 4))
    bias = mx.where(mx.arange(8)[None] < 6, 0.0, -1e10)
    v_huge = mx.where((mx.arange(8) < 6)[:, None], v, 1e30)
    want = attention(q, k[:, :, :6], v[:, :, :6], scale=0.5, bias=mx.zeros((1, 6)))
    np.testing.assert_allclose(np.array(attention(q, k, v_huge, scale=0.5, bias=bias)), np.array(want), rtol=2e-6)


@pytest.mark.parametrize("bias_shape", [(2, 1, 1, 7), (1, 1, 5, 7), (2, 3, 5, 7), (5, 7)])
def test_bias_broadcasts_at_once_and_head_by_head(bias_shape, monkeypatch):
    q, k, v = qkv(2, 3, 5, 7, 4)
    bias = np.random.default_rng(6).normal(size=bias_shape).astype(np.float32)
    want = torch_attention(q, k, v, 0.5, bias, torch.float64)
    for limit in (2**20, 0):
        monkeypatch.setattr(module, "_MANY_SCORES", limit)
        got = attention(*map(mx.array, (q, k, v)), scale=0.5, bias=mx.array(bias))
        np.testing.assert_allclose(np.array(got), want, rtol=0, atol=5e-7)
        scores = mx.array(((q * 0.5) @ k.swapaxes(-1, -2) + bias).astype(np.float32))
        np.testing.assert_allclose(np.array(softmax_matmul(scores, mx.array(v))), want, rtol=0, atol=5e-7)


@pytest.mark.parametrize("dtype", [mx.float16, mx.bfloat16])
def test_attention_in_half_precision_does_not_overflow(dtype):
    q, k, v = (mx.array(x).astype(dtype) for x in qkv(1, 2, 6, 9, 64, scale=60.0))  # 500·q is beyond 65504
    bias = mx.where(mx.arange(9)[None] < 7, 0.0, -1e9)
    got = attention(q, k, v, scale=500.0, bias=bias)
    want = attention(*(x.astype(mx.float32) for x in (q, k, v)), scale=500.0, bias=bias).astype(dtype)
    assert got.dtype == dtype and mx.array_equal(got, want).item() and mx.isfinite(got).all().item()
    assert softmax_matmul(mx.zeros((1, 2, 6, 9)), v).dtype == dtype


def test_wrong_shapes_and_masks_are_refused():
    q, k, v = map(mx.array, qkv(1, 4, 3, 5, 8))
    for bad in [(q, k[:, :2], v[:, :2]), (q, k, v[:, :, :4]), (q[..., :4], k, v), (q[0], k[0], v[0])]:
        with pytest.raises(ValueError, match="expected"):
            attention(*bad, scale=1.0)
    with pytest.raises(TypeError, match="boolean bias"):
        attention(q, k, v, scale=1.0, bias=mx.ones((3, 5), dtype=mx.bool_))


def test_native_branch(monkeypatch):
    """What a GPU runs, here with MLX's own CPU operations, whose exp is good to 1e-6."""
    q, k, v = qkv(1, 2, 6, 9, 16)
    bias = np.where(np.arange(9)[None] < 7, 0.0, -1e9).astype(np.float32)
    monkeypatch.setattr(module, "on_gpu", lambda: True)
    want = torch_attention(q, k, v, 0.25, bias, torch.float64)
    for dtype, tolerance in ((mx.float32, 3e-6), (mx.float16, 3e-3)):
        halves = [mx.array(a).astype(dtype) for a in (q, k, v)]
        got = attention(*halves, scale=0.25, bias=mx.array(bias))
        assert got.dtype == dtype
        np.testing.assert_allclose(np.array(got.astype(mx.float32)), want, rtol=0, atol=tolerance)
        masked = attention(*halves, scale=0.25, bias=mx.full((1, 9), -1e9))  # -1e9 is -inf in float16
        assert mx.isfinite(masked).all().item()


@pytest.mark.parametrize("bias", [False, True])
def test_any_finite_scores_are_safe(bias):
    """A query of 1 and keys that are its scores: the weights of the columns' path are those of the rows'."""
    scores = np.float32([[0, 0], [-1e30, -1e30], [0, -5e37], [5e37, -5e37], [1e5, 1e5 - 200], [-3, -3.5]])
    q, v = mx.ones((1, len(scores), 2, 1)), mx.broadcast_to(mx.array([[1.0], [3.0]]), (1, len(scores), 2, 1))
    extra = {"bias": mx.zeros((1, 2))} if bias else {}
    out = np.array(attention(q, mx.array(scores)[None, :, :, None], v, scale=1.0, **extra))
    weights = 1 / (1 + np.exp(np.clip(np.float64(scores[:, 0]) - scores[:, 1], -700, 700)))
    want = 1 + 2 * np.broadcast_to(weights[:, None, None], (len(scores), 2, 1))
    np.testing.assert_allclose(out[0], want, rtol=2e-7)


def test_no_finite_score_is_nan_and_none_far_below_the_largest_counts():
    """At each power of two, and between: near 2^46 the rounding to an integer is off by 2^23."""
    far = (
        (-(2.0 ** np.arange(8, 127))[:, None] * np.linspace(1, 2, 64, endpoint=False)).astype(np.float32).reshape(-1, 1)
    )
    k = mx.array(np.concatenate([np.zeros((1, 1), np.float32), far]))[None, None]
    v = mx.concatenate([mx.full((1, 1, 1, 1), 3.0), mx.full((1, 1, len(far), 1), 1e30)], axis=2)
    got = np.array(attention(mx.ones((1, 1, 2, 1)), k, v, scale=1.0))
    assert np.array_equal(got, np.full((1, 1, 2, 1), 3.0))


def test_an_infinite_score_is_not_taken_for_a_finite_one():
    q, k, v = map(mx.array, qkv(1, 1, 4, 5, 8))
    k[0, 0, 2, 0] = INF
    assert mx.isnan(attention(q, k, v, scale=1.0)).any().item()


@pytest.mark.parametrize("masked", [0, 1])
def test_the_largest_scores_are_safe_beside_a_mask(masked):
    k = mx.array([5e37, -5e37, 5e37]).reshape(1, 1, 3, 1)
    mask = mx.where(mx.arange(3)[None] == masked, -INF, 0.0)
    got = attention(mx.ones((1, 1, 2, 1)), k, mx.array([1.0, 2.0, 4.0]).reshape(1, 1, 3, 1), scale=1.0, bias=mask)
    assert np.array_equal(np.array(got), np.full((1, 1, 2, 1), 2.5 if masked else 4.0))


@pytest.mark.parametrize("by_query", [False, True])
@pytest.mark.parametrize("queries", [2**6, 2**6 - 1])
def test_from_many_scores_on_each_stream_has_half_of_the_heads(queries, by_query, monkeypatch):
    divided = []
    monkeypatch.setattr(module, "halves", lambda f, *arrays, axis: divided.append(axis) or f(*arrays))
    q, k, v = map(mx.array, qkv(1, 4, queries, 2**8, 4))  # at most 2^16 scores
    attention(q, k, v, scale=0.5, bias=mx.zeros((queries, 2**8)) if by_query else None)
    assert divided == ([1] if queries == 2**6 else [])


@pytest.mark.parametrize("frames", [2, 7, 64, 501])
def test_weights_of_columns_have_a_sum_as_exact_as_torchs(frames):
    q, k, _ = qkv(1, 2, frames, frames, 16)
    total = attention(mx.array(q), mx.array(k), mx.ones((1, 2, frames, 64)), scale=0.25)
    one = torch_attention(q, k, np.ones((1, 2, frames, 64), np.float32), 0.25)
    assert rms(np.array(total) - 1) < 1.3 * rms(one - 1) + 2**-25


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_head_linear_is_a_linear_whose_heads_are_not_copied(batch, bias):
    layer = HeadLinear(24, 32, bias=bias)
    x = mx.array(np.random.default_rng(8).normal(size=(batch, 7, 24)).astype(np.float32))
    got = layer(x)
    want = np.float64(x) @ np.float64(layer.weight).T + (np.float64(layer.bias) if bias else 0)
    assert got.shape == (batch, 7, 32)
    np.testing.assert_allclose(np.array(got), want, rtol=0, atol=1e-6)
    strides = memoryview(got).strides
    assert strides[1] == got.itemsize and strides[2] == 7 * got.itemsize  # frames are next to each other


@pytest.mark.parametrize("lowest", [-1e10, -INF, float(np.finfo(np.float32).min)])
@pytest.mark.parametrize("queries", [1, 7])
def test_a_mask_of_keys_is_as_no_keys_and_one_of_all_as_none(queries, lowest):
    q, k, v = map(mx.array, qkv(2, 4, queries, 9, 16))
    mask = mx.where(mx.arange(9) < 6, 0.0, lowest).reshape(1, 1, 1, 9)
    got = attention(q, k, mx.where((mx.arange(9) < 6)[:, None], v, 1e30), scale=0.25, bias=mask)
    want = attention(q, k[:, :, :6], v[:, :, :6], scale=0.25)
    np.testing.assert_allclose(np.array(got), np.array(want), rtol=0, atol=4e-7)
    plain = attention(q, k, v, scale=0.25)
    assert mx.array_equal(attention(q, k, v, scale=0.25, bias=mx.zeros((1, 1, 1, 9))), plain).item()
    assert mx.isfinite(attention(q, k, v, scale=0.25, bias=mx.full((1, 9), lowest))).all().item()
