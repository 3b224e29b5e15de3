"""Logits to a token: guidance, repetition penalty, temperature, min-p, top-p, and a draw by inverse CDF, in that order.

Upstream: the loop of `chatterbox/models/t3/t3.py` (`T3.inference`) with `RepetitionPenaltyLogitsProcessor`,
`MinPLogitsWarper` and `TopPLogitsWarper` of transformers. Its `multinomial` is replaced: the uniform number is given.

Cumulative sums are made on the host, in double: MLX adds float32 one after the other, and has no double on a GPU.
"""

from __future__ import annotations

from collections.abc import Sequence

import mlx.core as mx
import numpy as np

from mlx_impl.ode import Observe, unobserved
from mlx_impl.ops.evaluation import evaluated
from mlx_impl.ops.summation import softmax
from spec.config import SamplingConfig

NOT_FINITE = "the guided logits hold NaN or infinite values, expected numbers; are weights and voice right?"


def guide(logits: mx.array, guidance: float) -> mx.array:
    """Logits `(2, V)`, conditional and unconditional -> guided `(1, V)`."""
    conditional, unconditional = logits[0:1], logits[1:2]
    return conditional + guidance * (conditional - unconditional)


def penalize(logits: mx.array, previous: Sequence[int], penalty: float) -> mx.array:
    """Logits `(1, V)` with those of previous tokens lowered once, however often they occurred."""
    seen = np.zeros(logits.shape, dtype=bool)
    seen[0, list(previous)] = True
    return mx.where(mx.array(seen), mx.where(logits < 0, logits * penalty, logits / penalty), logits)


def cut_min_p(scores: mx.array, min_p: float) -> mx.array:
    """Scores `(1, V)`, -inf where the probability is below `min_p` times the highest."""
    if min_p == 0:
        return scores
    probabilities = softmax(scores)
    cut = min_p * mx.max(probabilities)
    return mx.where(probabilities < cut, -mx.inf, scores)


def cut_top_p(scores: mx.array, top_p: float) -> mx.array:
    """Scores `(1, V)`, -inf where the least probable tokens stay within 1 - `top_p` together."""
    if top_p == 1:
        return scores
    order = np.array(mx.argsort(scores, axis=-1))
    ascending = np.take_along_axis(_double(softmax(scores)), order, axis=-1)
    cumulative = np.cumsum(ascending, axis=-1)
    removed = cumulative <= 1 - top_p
    removed[:, -1] = False  # the most probable token always stays
    cut = np.zeros_like(removed)
    np.put_along_axis(cut, order, removed, axis=-1)
    return mx.where(mx.array(cut), -mx.inf, scores)


def staying(scores: mx.array) -> mx.array:
    """How many tokens of `(1, V)` the cuts have left so far, `(1,)`."""
    return (scores > -mx.inf).sum(axis=-1)


def draw(probabilities: mx.array, uniform: float) -> int:
    """The token in whose interval of the cumulative probabilities `(1, V)` the uniform number falls.

    Summed in double, and scaled by the sum, so that every number below 1 falls into some token's interval.
    """
    if not 0 <= uniform < 1:
        raise ValueError(f"the uniform number is {uniform}, expected one from 0 to below 1; draw it again")
    wide = _double(probabilities)[0]
    edges = np.cumsum(wide) / wide.sum()
    token = int((edges <= uniform).sum())
    return min(token, int(np.flatnonzero(wide).max()))  # the last edge may have rounded to just below 1


def sample(
    logits: mx.array,
    previous: Sequence[int],
    config: SamplingConfig,
    uniform: float | None,
    observe: Observe = unobserved,
) -> int:
    """Logits `(2, V)` and all tokens so far, the start token too -> the next token, the most likely if no `uniform`.

    Raises `ValueError` for logits that are not finite: NaN has no highest, and would be token 0 unnoticed.
    """
    guided = observe("t3.guided_logits", guide(logits, config.guidance))
    finite = mx.isfinite(guided).all()
    scores = observe("t3.penalized", penalize(guided, previous, config.repetition_penalty))
    scores = observe("t3.scores", scores / config.temperature)
    if uniform is None:
        chosen = mx.argmax(scores[0])
    else:
        scores = cut_min_p(scores, config.min_p)
        observe("t3.min_p", staying(scores))
        scores = cut_top_p(scores, config.top_p)
        observe("t3.top_p", staying(scores))
        number = observe("t3.uniform", mx.array([uniform]))
        chosen = softmax(scores)
    finite, chosen = evaluated(finite, chosen)
    if not finite.item():
        raise ValueError(NOT_FINITE)
    return chosen.item() if uniform is None else draw(chosen, number.item())


def _double(array: mx.array) -> np.ndarray:
    return np.array(array, dtype=np.float64)
