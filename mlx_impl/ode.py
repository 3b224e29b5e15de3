"""Noise to mel: Euler steps along a cosine time grid, with classifier-free guidance; or along a mean flow, without.

Upstream: `chatterbox/models/s3gen/flow_matching.py` (`CausalConditionalCFM.forward`, `solve_euler`, `basic_euler`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import mlx.core as mx
import numpy as np

from mlx_impl.ops.evaluation import started

Observe = Callable[[str, mx.array], mx.array]


def unobserved(name: str, value: mx.array) -> mx.array:
    """The observer of a plain run: every value goes on as it is."""
    return value


@dataclass(frozen=True)
class Conditions:
    """What the velocity depends on besides state and time: `mu`, `cond (B, M, C)`, `speaker (B, C)`, `mask (B, M)`."""

    mu: mx.array
    speaker: mx.array
    cond: mx.array
    mask: mx.array | None

    def guided(self) -> Conditions:
        """The guided batch: B items, then the same B with mu, speaker and cond zero. Both halves keep the mask."""
        return Conditions(
            mu=mx.concatenate([self.mu, mx.zeros_like(self.mu)]),
            speaker=mx.concatenate([self.speaker, mx.zeros_like(self.speaker)]),
            cond=mx.concatenate([self.cond, mx.zeros_like(self.cond)]),
            mask=None if self.mask is None else mx.concatenate([self.mask, self.mask]),
        )


def time_grid(steps: int, dtype: type[np.floating] = np.float32) -> np.ndarray:
    """Cosine time grid of the ODE, `(steps + 1,)`, from 0 to 1, increasing: 1 - cos(pi/2 i/steps).

    Angle and cosine are rounded to `dtype`, as upstream's are: the decoder multiplies t by 1000 before a sine, so that
    a grid rounded only once is another one to it. Raises `ValueError` for less than one step.
    """
    if steps < 1:
        raise ValueError(f"the ODE needs at least 1 step, got {steps}")
    angle = dtype(np.pi / 2) * (np.arange(steps + 1) / steps).astype(dtype)
    return dtype(1) - np.cos(angle.astype(np.float64)).astype(dtype)


def euler_step(
    decoder: Callable[..., mx.array],
    x: mx.array,
    t: mx.array,
    t_next: mx.array,
    guided: Conditions,
    guidance: float,
    observe: Observe = unobserved,
) -> mx.array:
    """One step: state `x (B, M, C)` at time `t` -> state at `t_next`. Times are 0-d.

    With guidance 0 the result is the conditional branch's step; the unconditional branch is computed all the same.
    """
    both = mx.concatenate([x, x])
    velocity = decoder(both, guided.mask, guided.mu, mx.repeat(t, 2 * len(x)), guided.speaker, guided.cond)
    velocity = observe("ode.velocity", velocity)
    conditional, unconditional = velocity.split(2)
    velocity = observe("ode.guided_velocity", (1.0 + guidance) * conditional - guidance * unconditional)
    return observe("ode.state", x + (t_next - t) * velocity)


def solve_euler(
    decoder: Callable[..., mx.array], noise: mx.array, time_grid: mx.array, conditions: Conditions, guidance: float
) -> mx.array:
    """Noise `(B, M, C)` at t = 0 -> mel `(B, M, C)` at t = 1, over `time_grid (steps + 1,)`."""
    guided, x = conditions.guided(), noise
    for t, t_next in pairwise(time_grid):
        x = started(euler_step(decoder, x, t, t_next, guided, guidance))
    return x


def mean_step(
    decoder: Callable[..., mx.array],
    x: mx.array,
    t: mx.array,
    t_next: mx.array,
    conditions: Conditions,
    observe: Observe = unobserved,
) -> mx.array:
    """One step of a mean flow: state `x (B, M, C)` at time `t` -> state at `t_next`. Times are 0-d.

    The decoder is told both times, and gives the velocity that leads from one to the other. There is no guidance.
    """
    velocity = decoder(x, conditions.mask, conditions.mu, mx.stack([t, t_next]), conditions.speaker, conditions.cond)
    return observe("ode.state", x + (t_next - t) * observe("ode.velocity", velocity))


def solve_meanflow(
    decoder: Callable[..., mx.array], noise: mx.array, time_grid: mx.array, conditions: Conditions
) -> mx.array:
    """Noise `(B, M, C)` at t = 0 -> mel `(B, M, C)` at t = 1, over `time_grid (steps + 1,)`."""
    x = noise
    for t, t_next in pairwise(time_grid):
        x = started(mean_step(decoder, x, t, t_next, conditions))
    return x


def mean_grid(steps: int, dtype: type[np.floating] = np.float32) -> np.ndarray:
    """Time grid of a mean flow, `(steps + 1,)`, from 0 to 1 in equal steps. Raises `ValueError` for less than one."""
    if steps < 1:
        raise ValueError(f"the ODE needs at least 1 step, got {steps}")
    return (np.arange(steps + 1) / steps).astype(dtype)
