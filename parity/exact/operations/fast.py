"""The compound operations of `mx.fast`: normalisation, rotary positions, attention, cross entropy, the delta rule."""

from __future__ import annotations

import numpy as np

from parity.base.errors import InputError
from parity.exact.operations.cores import MUCH, each
from parity.exact.operations.reductions import logsumexp, softmax
from parity.exact.operations.special import rsqrt


def rms_norm(x: np.ndarray, weight: np.ndarray | None, eps: float) -> np.ndarray:
    """x / √(mean x² + eps) over the last axis, times weight."""
    normal = x * rsqrt(np.mean(np.square(x), axis=-1, keepdims=True) + eps)
    return np.asarray(normal if weight is None else normal * weight)


def layer_norm(x: np.ndarray, weight: np.ndarray | None, bias: np.ndarray | None, eps: float) -> np.ndarray:
    """(x - mean) / √(variance + eps) over the last axis, times weight, plus bias."""
    centred = x - np.mean(x, axis=-1, keepdims=True)
    normal = centred * rsqrt(np.mean(np.square(centred), axis=-1, keepdims=True) + eps)
    scaled = normal if weight is None else normal * weight
    return np.asarray(scaled if bias is None else scaled + bias)


def rope(
    x: np.ndarray,
    dims: int,
    traditional: bool,
    base: float | None,
    scale: float,
    offset: np.ndarray | int,
    freqs: np.ndarray | None = None,
    forward: bool = True,
) -> np.ndarray:
    """Rotate pairs among the first `dims` of the last axis of x (B, ..., T, D) by scale · (offset + t) / frequency.

    Frequencies are `freqs` (dims / 2), or base^(2i / dims). `traditional` pairs neighbours, else each value of the
    first half with one of the second. `offset` is a number, or one of each entry of the first axis. Not `forward`
    rotates back.
    """
    half = dims // 2
    if freqs is None:
        if base is None:
            raise InputError("rope takes its frequencies from a base or from freqs, got neither; give one of them")
        freqs = base ** (np.arange(half) / half)
    start = np.asarray(offset, np.float64).reshape(-1)
    start = start.reshape(-1, *(1,) * (x.ndim - 2)) if start.size > 1 else start
    angle = ((np.arange(x.shape[-2]) + start) * scale)[..., None] / np.asarray(freqs, np.float64)
    cosine, sine = np.cos(angle), np.sin(angle) if forward else -np.sin(angle)
    first, second = (slice(0, dims, 2), slice(1, dims, 2)) if traditional else (slice(0, half), slice(half, dims))
    turned = np.array(x)
    turned[..., first] = x[..., first] * cosine - x[..., second] * sine
    turned[..., second] = x[..., first] * sine + x[..., second] * cosine
    return turned


def attention(
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    scale: float,
    mask: np.ndarray | None = None,
    sinks: np.ndarray | None = None,
    causal: bool = False,
) -> np.ndarray:
    """softmax(scale · q kᵀ + mask) v. q (B, H, T, D), k (B, G, S, D), v (B, G, S, E), H a multiple of G: (B, H, T, E).

    A boolean mask is true where a query sees a key, another one is added; both broadcast to (B, H, T, S). `causal`: the
    last query sees every key, one before it one fewer. `sinks` (H) are scores that take part in the softmax alone. A
    query that a boolean or causal mask leaves without a key sees all alike, as on MLX's CPU; without a key because of
    -∞ in an added mask, NaN.
    """
    queries, keys, repeats = q.shape[2], k.shape[2], q.shape[1] // k.shape[1]
    if not queries:
        return np.empty((*q.shape[:3], v.shape[3]))
    if causal:
        mask = np.arange(keys) <= np.arange(queries)[:, None] + (keys - queries)

    def grouped(heads: np.ndarray, axis: int) -> np.ndarray:
        return heads.reshape(*heads.shape[:axis], k.shape[1], repeats, *heads.shape[axis + 1 :])

    queried = grouped(q * scale, 1)
    seen = None if mask is None else grouped(np.broadcast_to(mask, (*q.shape[:3], keys)), 1)
    sink = None if sinks is None else grouped(sinks, 0)[..., None, None]
    out = np.empty((*queried.shape[:-1], v.shape[3]))

    def attend(place: tuple[int, ...]) -> None:
        """The heads of one entry and one group; of all, where the place is ()."""
        # All queries of a group in one product: np.dot lets other threads run meanwhile, np.matmul does not.
        product = np.dot if place else np.matmul
        scores = product(_flat(queried[place]), k[place].swapaxes(-1, -2)).reshape(*queried[place].shape[:-1], keys)
        if seen is not None:
            scores = _masked(scores, seen[place])
        if sink is not None:
            shown = np.broadcast_to(sink[place[1:]], (*scores.shape[:-1], 1))
            scores = np.concatenate([shown, scores], -1)
        shares = softmax(scores)[..., scores.shape[-1] - keys :]
        out[place] = product(_flat(shares), v[place]).reshape(out[place].shape)

    multiplications = 2 * q.size * keys
    if multiplications < MUCH:
        attend(())
    else:  # group by group, so that the scores of all heads never stand in memory at once
        each(attend, np.ndindex(k.shape[:2]), multiplications)
    return out.reshape(*q.shape[:3], v.shape[3])


def _flat(x: np.ndarray) -> np.ndarray:
    """(..., repeats, T, width) as (..., repeats · T, width)."""
    return x.reshape(*x.shape[:-3], -1, x.shape[-1])


def _masked(scores: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The lowest finite number, not -∞, where a boolean mask hides: scores of a query without a key are all alike."""
    return np.where(mask, scores, np.finfo(np.float32).min) if mask.dtype == np.bool_ else scores + mask


def cross_entropy(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """log Σ exp(logits) - logits[target] over the last axis; targets have the shape without it."""
    chosen = np.take_along_axis(logits, targets.astype(np.int64)[..., None], -1)[..., 0]
    return np.asarray(logsumexp(logits, -1) - chosen)


def gated_delta_update(
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    gamma: np.ndarray,
    beta: np.ndarray,
    initial_state: np.ndarray | None = None,
    mask: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The gated delta rule: at every step S ← gamma · S, S ← S + beta · (v - S k) kᵀ, output S q.

    q, k (B, T, G, D), v (B, T, H, E), gamma and beta (B, T, H), H a multiple of G, the state S (B, H, E, D), 0 at first
    unless given. Where the mask (B, T) is false the output is 0 and the state stays. Returns outputs (B, T, H, E) and
    the last state.
    """
    batch, steps, heads, width = v.shape
    q, k = (np.repeat(each, heads // each.shape[2], axis=2) for each in (q, k))
    state = np.zeros((batch, heads, width, k.shape[-1])) if initial_state is None else initial_state
    outputs = np.zeros(v.shape)
    for step in range(steps):
        decayed = state * gamma[:, step, :, None, None]
        missing = (v[:, step] - (decayed @ k[:, step, ..., None])[..., 0]) * beta[:, step, :, None]
        moved = decayed + missing[..., None] * k[:, step, :, None, :]
        output = (moved @ q[:, step, ..., None])[..., 0]
        if mask is not None:
            seen = mask[:, step, None, None]
            output, moved = np.where(seen, output, 0), np.where(seen[..., None], moved, state)
        outputs[:, step], state = output, moved
    return outputs, state
