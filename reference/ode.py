"""Noise to mel: Euler steps along a cosine time grid, with classifier-free guidance; or along a mean flow, without.

Upstream: `chatterbox/models/s3gen/flow_matching.py` (`CausalConditionalCFM.forward`, `solve_euler`, `basic_euler`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

Observe = Callable[[str, Tensor], Tensor]


def unobserved(name: str, value: Tensor) -> Tensor:
    """The observer of a plain run: every value goes on as it is."""
    return value


@dataclass(frozen=True)
class Conditions:
    """What the velocity depends on besides state and time: `mu`, `cond (B, C, M)`, `speaker (B, C)`, `mask (B, M)`."""

    mu: Tensor
    speaker: Tensor
    cond: Tensor
    mask: Tensor | None

    def guided(self) -> Conditions:
        """The guided batch: B items, then the same B with mu, speaker and cond zero. Both halves keep the mask."""
        return Conditions(
            mu=torch.cat([self.mu, torch.zeros_like(self.mu)]),
            speaker=torch.cat([self.speaker, torch.zeros_like(self.speaker)]),
            cond=torch.cat([self.cond, torch.zeros_like(self.cond)]),
            mask=None if self.mask is None else torch.cat([self.mask, self.mask]),
        )


def euler_step(
    decoder: Callable[..., Tensor],
    x: Tensor,
    t: Tensor,
    t_next: Tensor,
    guided: Conditions,
    guidance: float,
    observe: Observe = unobserved,
) -> Tensor:
    """One step: state `x (B, C, M)` at time `t` -> state at `t_next`. Times are 0-d.

    With guidance 0 the result is the conditional branch's step; the unconditional branch is computed all the same.
    """
    velocity = decoder(torch.cat([x, x]), guided.mask, guided.mu, t.repeat(2 * len(x)), guided.speaker, guided.cond)
    velocity = observe("ode.velocity", velocity)
    conditional, unconditional = velocity.chunk(2)
    velocity = observe("ode.guided_velocity", (1.0 + guidance) * conditional - guidance * unconditional)
    return observe("ode.state", x + (t_next - t) * velocity)


def solve_euler(
    decoder: Callable[..., Tensor], noise: Tensor, time_grid: Tensor, conditions: Conditions, guidance: float
) -> Tensor:
    """Noise `(B, C, M)` at t = 0 -> mel `(B, C, M)` at t = 1, over `time_grid (steps + 1,)`."""
    guided, x = conditions.guided(), noise
    for t, t_next in pairwise(time_grid):
        x = euler_step(decoder, x, t, t_next, guided, guidance)
    return x


def mean_step(
    decoder: Callable[..., Tensor],
    x: Tensor,
    t: Tensor,
    t_next: Tensor,
    conditions: Conditions,
    observe: Observe = unobserved,
) -> Tensor:
    """One step of a mean flow: state `x (B, C, M)` at time `t` -> state at `t_next`. Times are 0-d.

    The decoder is told both times, and gives the velocity that leads from one to the other. There is no guidance.
    """
    velocity = decoder(x, conditions.mask, conditions.mu, torch.stack([t, t_next]), conditions.speaker, conditions.cond)
    return observe("ode.state", x + (t_next - t) * observe("ode.velocity", velocity))


def solve_meanflow(decoder: Callable[..., Tensor], noise: Tensor, time_grid: Tensor, conditions: Conditions) -> Tensor:
    """Noise `(B, C, M)` at t = 0 -> mel `(B, C, M)` at t = 1, over `time_grid (steps + 1,)`."""
    x = noise
    for t, t_next in pairwise(time_grid):
        x = mean_step(decoder, x, t, t_next, conditions)
    return x


def mean_grid(steps: int, dtype: type[np.floating] = np.float32) -> np.ndarray:
    """Time grid of a mean flow, `(steps + 1,)`, from 0 to 1 in equal steps. Raises `ValueError` for less than one."""
    if steps < 1:
        raise ValueError(f"the ODE needs at least 1 step, got {steps}")
    return torch.linspace(0, 1, steps + 1, dtype=torch.float64 if dtype == np.float64 else torch.float32).numpy()
