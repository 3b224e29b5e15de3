"""The compound operations of `mx.fast` agree with MLX's, and a wrong argument of each is rejected."""

from __future__ import annotations

from collections.abc import Callable

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.exact.operations import fast
from parity.exact.operations.reductions import softmax
from tests.exact.bounds import within
from tests.exact.operations.real import real
from tests.exact.operations.strategies import few, many, normals, shapes

Definition = Callable[..., np.ndarray]
EPSILONS = [1e-6, 1e-5, 1e-3]


def norms(definition: Definition, actual: np.ndarray, x: np.ndarray, *weights: np.ndarray) -> float:
    """A norm's own bound: it sums as many terms as the last axis has, and all of its terms have one sign."""
    found = definition(*(each.astype(np.float64) for each in (x, *weights)))
    return within(actual, definition, [x, *weights], terms=x.shape[-1], total=np.abs(found))


@given(st.data())
@few
def test_rms_norm(data: st.DataObject) -> None:
    x = data.draw(normals(shapes(1, 3, 5), 10.0 ** data.draw(st.integers(-4, 3))))
    eps = data.draw(st.sampled_from(EPSILONS))
    norms(lambda x: fast.rms_norm(x, None, eps), real(mx.fast.rms_norm, x, None, eps), x)
    weight = data.draw(normals((x.shape[-1],)))
    norms(lambda x, w: fast.rms_norm(x, w, eps), real(mx.fast.rms_norm, x, weight, eps), x, weight)


@given(st.data())
@few
def test_layer_norm(data: st.DataObject) -> None:
    """The bound of what is subtracted: the mean's rounding, over the root of the variance."""
    x = data.draw(normals(shapes(1, 3, 5), 10.0 ** data.draw(st.integers(-1, 3))))
    eps = data.draw(st.sampled_from(EPSILONS))
    weight, bias = data.draw(normals((x.shape[-1],))), data.draw(normals((x.shape[-1],)))
    spread = np.sqrt(x.astype(np.float64).var(-1, keepdims=True) + eps)
    size = (np.abs(x).max(-1, keepdims=True) / spread + 1) * (np.abs(weight) + np.abs(bias))
    for arguments in [(None, None), (weight, None), (weight, bias)]:
        given_ = [each for each in arguments if each is not None]

        def definition(x: np.ndarray, *rest: np.ndarray) -> np.ndarray:
            return fast.layer_norm(x, *(*rest, None, None)[:2], eps)

        total = size if given_ else np.abs(x).max(-1, keepdims=True) / spread + 1
        actual = real(mx.fast.layer_norm, x, *arguments, eps)
        within(actual, definition, [x, *given_], terms=x.shape[-1], total=total)


@pytest.mark.parametrize("eps", [2e-5, 1.1e-5])
def test_a_wrong_epsilon_is_rejected(eps: float) -> None:
    """On inputs whose variance is near it."""
    x = (np.random.default_rng(0).standard_normal((2, 8)) * 3e-3).astype(np.float32)
    actual = real(mx.fast.rms_norm, x, None, 1e-5)
    norms(lambda x: fast.rms_norm(x, None, 1e-5), actual, x)
    with pytest.raises(AssertionError, match="times the bound"):
        norms(lambda x: fast.rms_norm(x, None, eps), actual, x)


@given(st.data())
@many
def test_rope(data: st.DataObject) -> None:
    """The angle is itself a number in single precision: MLX rounds it, its frequency and its position."""
    half = data.draw(st.integers(1, 4))
    width = 2 * half + data.draw(st.integers(0, 3))
    batch, steps = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 6))
    middle = data.draw(shapes(0, 2, 2))
    x = data.draw(normals((batch, *middle, steps, width)))
    traditional, scale = data.draw(st.booleans()), data.draw(st.sampled_from([1.0, 0.5]))
    offset = data.draw(st.sampled_from([0, 7, np.array([3], np.int32), np.arange(batch, dtype=np.int32) * 5]))
    freqs = data.draw(st.sampled_from([None, np.linspace(0.5, 20, half).astype(np.float32)]))
    base = 10_000.0 if freqs is None else None
    named = {"traditional": traditional, "base": base, "scale": scale, "offset": offset, "freqs": freqs}
    actual = real(mx.fast.rope, x, 2 * half, **named)
    found = fast.rope(x.astype(np.float64), 2 * half, **named)
    farthest = (steps + float(np.max(offset))) * scale * (1.0 if freqs is None else 2.0)
    pair = 2 * np.abs(x).max(-1, keepdims=True)
    # Four roundings: the frequency (its exponential included), the product, the cosine and the sum.
    within(actual, lambda: found, [], terms=4, total=pair * (1 + farthest))


def test_turning_back_and_faulty_turns() -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 8)).astype(np.float32)
    right = {"traditional": False, "base": 100.0, "scale": 1.0, "offset": 2}
    actual = real(mx.fast.rope, x, 6, **right)
    turned = fast.rope(x.astype(np.float64), 6, **right)
    within(actual, lambda: turned, [], terms=4, total=40.0)
    np.testing.assert_allclose(fast.rope(turned, 6, **right, forward=False), x, atol=1e-12)
    for fault in ({"traditional": True}, {"base": 100.1}, {"offset": 1}, {"scale": 0.99}):
        with pytest.raises(AssertionError, match="times the bound"):
            within(actual, lambda fault=fault: fast.rope(x, 6, **{**right, **fault}), [], terms=4, total=40.0)


def attended(actual: np.ndarray, q: np.ndarray, k: np.ndarray, v: np.ndarray, scale: float, **rest: object) -> float:
    """An error of a score moves weights by as much, twice over: once above and once below the fraction bar."""
    q, k, v = (each.astype(np.float64) for each in (q, k, v))
    found = fast.attention(q, k, v, scale, **rest)
    repeats = q.shape[1] // k.shape[1]
    score = (np.abs(q) @ np.abs(np.swapaxes(np.repeat(k, repeats, 1), -1, -2))).max() * abs(scale)
    total = fast.attention(q, k, np.abs(v), scale, **rest) * (1 + 2 * score)
    return within(actual, lambda: found, [], terms=q.shape[-1] + k.shape[2], total=total)


@given(st.data())
@many
def test_attention(data: st.DataObject) -> None:
    groups, repeats = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    batch, queries, keys = (data.draw(st.integers(1, most)) for most in (2, 5, 6))
    heads = groups * repeats
    q = data.draw(normals((batch, heads, queries, 4)))
    k = data.draw(normals((batch, groups, keys, 4)))
    v = data.draw(normals((batch, groups, keys, 3)))
    sinks = data.draw(st.sampled_from([None, np.linspace(-1, 1, heads).astype(np.float32)]))
    shape = data.draw(st.sampled_from([(queries, keys), (batch, 1, queries, keys), (batch, heads, queries, keys)]))
    seen = data.draw(normals(shape)) > data.draw(st.sampled_from([-0.5, 0.5, 9.0]))
    kind = data.draw(st.sampled_from(["none", "causal", "boolean", "added"]))
    mask = {"none": None, "causal": "causal", "boolean": seen, "added": data.draw(normals(shape))}[kind]
    actual = real(mx.fast.scaled_dot_product_attention, q, k, v, scale=0.7, mask=mask, sinks=sinks)
    given_ = None if isinstance(mask, str) else mask
    attended(actual, q, k, v, 0.7, mask=given_, sinks=sinks, causal=kind == "causal")


def test_attention_group_by_group_is_attention_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Much of it goes to the cores in pieces: masks and sinks are those of the piece's own heads."""
    q, k, v = (
        np.random.default_rng(i).standard_normal((2, n, t, 4)) for i, (n, t) in enumerate(((6, 3), (2, 5), (2, 5)))
    )
    seen = np.random.default_rng(3).standard_normal((2, 6, 3, 5))
    given_ = {"mask": seen, "sinks": np.linspace(-1, 1, 6)}
    at_once = fast.attention(q, k, v, 0.7, **given_)
    monkeypatch.setattr(fast, "MUCH", 0)
    np.testing.assert_allclose(fast.attention(q, k, v, 0.7, **given_), at_once, rtol=1e-14)
    given_["mask"] = seen[::-1]
    assert not np.allclose(fast.attention(q, k, v, 0.7, **given_), at_once)


def test_a_query_without_a_key() -> None:
    """Hidden by a boolean mask it sees all keys alike, and with sinks none; hidden by -∞ it is NaN."""
    q, k, v = (np.random.default_rng(i).standard_normal((1, 2, 3, 4)).astype(np.float32) for i in range(3))
    hidden = np.zeros((3, 3), bool)
    for mask, sinks in [
        (hidden, None),
        (hidden, np.zeros(2, np.float32)),
        (np.full((3, 3), -np.inf, np.float32), None),
    ]:
        actual = real(mx.fast.scaled_dot_product_attention, q, k, v, scale=1.0, mask=mask, sinks=sinks)
        np.testing.assert_allclose(actual, fast.attention(q, k, v, 1.0, mask=mask, sinks=sinks), atol=1e-6)
    assert np.allclose(fast.attention(q, k, v, 1.0, mask=hidden), v.mean(2, keepdims=True))


def test_no_queries_attend_to_nothing() -> None:
    """A window that is empty, as a port that splits at equal places makes one."""
    empty = np.zeros((1, 2, 0, 4), np.float32)
    actual = real(mx.fast.scaled_dot_product_attention, empty, empty, empty, scale=1.0)
    assert actual.shape == fast.attention(empty, empty, empty, 1.0).shape == (1, 2, 0, 4)


def test_faulty_attention_is_rejected() -> None:
    q, k, v = (np.random.default_rng(i).standard_normal((1, 4, 5, 8)).astype(np.float32) for i in range(3))
    k, v = k[:, :2], v[:, :2]
    actual = real(mx.fast.scaled_dot_product_attention, q, k[:, :, :4], v[:, :, :4], scale=0.3, mask="causal")
    attended(actual, q, k[:, :, :4], v[:, :, :4], 0.3, causal=True)
    for fault in ({"scale": 0.3003}, {"causal": False}):
        with pytest.raises(AssertionError, match="times the bound"):
            attended(actual, q, k[:, :, :4], v[:, :, :4], **{"scale": 0.3, "causal": True, **fault})


@given(st.data())
@few
def test_cross_entropy(data: st.DataObject) -> None:
    logits = data.draw(normals(shapes(2, 3, 5), 5.0))
    targets = np.random.default_rng(0).integers(0, logits.shape[-1], logits.shape[:-1]).astype(np.int32)
    within(
        real(mx.fast.cross_entropy, logits, targets),
        lambda x: fast.cross_entropy(x, targets),
        [logits],
        terms=logits.shape[-1],
        total=1 + np.abs(logits).max(),
    )
    chosen = np.take_along_axis(softmax(logits), targets[..., None], -1)[..., 0]
    np.testing.assert_allclose(fast.cross_entropy(logits, targets), -np.log(chosen), atol=1e-4)


@given(st.data())
@few
def test_the_delta_rule(data: st.DataObject) -> None:
    batch, steps, heads, repeats = (data.draw(st.integers(1, most)) for most in (2, 5, 2, 2))
    q, k = (data.draw(normals((batch, steps, heads, 4), 0.5)) for _ in range(2))
    v = data.draw(normals((batch, steps, heads * repeats, 3)))
    gamma, beta = (1 / (1 + np.exp(-data.draw(normals((batch, steps, heads * repeats))))) for _ in range(2))
    state = data.draw(st.sampled_from([None, np.full((batch, heads * repeats, 3, 4), 0.25, np.float32)]))
    mask = data.draw(st.sampled_from([None, data.draw(normals((batch, steps))) > 0]))
    actual = real(mx.fast.gated_delta_update, q, k, v, gamma, beta, initial_state=state, mask=mask)
    doubles = [each.astype(np.float64) for each in (q, k, v, gamma, beta)]
    found = fast.gated_delta_update(*doubles, initial_state=state, mask=mask)
    size = np.abs(v).max() * max(1.0, np.abs(k).max(), np.abs(q).max()) ** (2 * steps)
    for one, other in zip(actual, found, strict=True):
        within(one, lambda other=other: other, [], terms=4 * steps, total=size)


def test_a_faulty_delta_rule_layer_norm_and_entropy_are_rejected() -> None:
    random = np.random.default_rng(0)
    q, k, v = (random.standard_normal((1, 3, 2, 4)).astype(np.float32) * 0.5 for _ in range(3))
    rates = random.random((2, 1, 3, 2)).astype(np.float32)
    actual = real(mx.fast.gated_delta_update, q, k, v, *rates)[0]
    within(actual, lambda: fast.gated_delta_update(q, k, v, *rates)[0], [], terms=12, total=2.0)
    fault = fast.gated_delta_update(q, k, v, rates[0], rates[1] * 1.001)[0]
    with pytest.raises(AssertionError, match="times the bound"):
        within(actual, lambda: fault, [], terms=12, total=2.0)

    x, weight = q[0, 0], np.full(4, 2.0, np.float32)
    with pytest.raises(AssertionError, match="times the bound"):
        within(real(mx.fast.layer_norm, x, weight, None, 1e-5), lambda x: fast.layer_norm(x, weight, None, 2e-5), [x])

    targets = np.array([0, 3], np.int32)
    actual = real(mx.fast.cross_entropy, x, targets)
    within(actual, lambda x: fast.cross_entropy(x, targets), [x], terms=4, total=2.0)
    with pytest.raises(AssertionError, match="times the bound"):
        within(actual, lambda x: fast.cross_entropy(x, targets[::-1]), [x], terms=4, total=2.0)
