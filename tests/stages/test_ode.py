"""The ODE on each side alone: the order of Euler's method, the times it meets, guidance and its two branches."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

import mlx_impl.ode
from parity.base.draws import normal
from parity.base.metrics import rms, rmse
from spec.config import TINY, time_grid

STEPS = 10
BATCH, FRAMES = 2, 6


@pytest.fixture(scope="module")
def given() -> dict[str, np.ndarray]:
    shapes = dict.fromkeys(("noise", "mu", "cond"), (BATCH, TINY.mel_bins, FRAMES))
    return {name: normal("ode", name, shape) for name, shape in (shapes | {"speaker": (BATCH, TINY.mel_bins)}).items()}


@pytest.fixture
def conditions(side, given):
    mask = np.ones((BATCH, FRAMES), np.float32)
    mask[1, 4:] = 0
    own = [side.own(given[name]) for name in ("mu", "speaker", "cond")]
    return side.module("ode").Conditions(*own, side.own(mask))


class ToyDecoder:
    """Velocity mu - x + t, which has a closed solution; remembers what it was called with."""

    def __init__(self, side):
        self.side, self.calls = side, []

    def __call__(self, x, mask, mu, t, speaker, cond):
        self.calls.append([self.side.common(value) for value in (x, mask, mu, t, speaker, cond)])
        return mu - x + t[:, None, None]

    def times(self) -> np.ndarray:
        """`(steps, 2B)`."""
        return np.stack([call[3] for call in self.calls])


def exact(given: dict[str, np.ndarray], guidance: float) -> np.ndarray:
    """The state at t = 1. Guidance leaves -x + t as it is, both branches have it, and scales mu."""
    target = (1 + guidance) * given["mu"].astype(np.float64)
    return target + (given["noise"] - target + 1) / math.e


def orders(side, given, conditions, guidance: float, solution: np.ndarray) -> list[float]:
    """The observed order of convergence to `solution` from 10 to 20, 20 to 40 and 40 to 80 steps."""
    errors = [
        rmse(side.solve(given["noise"], time_grid(steps), conditions, guidance, ToyDecoder(side)), solution)
        for steps in (10, 20, 40, 80)
    ]
    return [math.log2(coarse / fine) for coarse, fine in pairwise(errors)]


def test_error_falls_with_the_first_power_of_the_step(side, given, conditions):
    observed = orders(side, given, conditions, 0.7, exact(given, 0.7))
    assert all(abs(order - 1) < 0.1 for order in observed), observed
    assert abs(observed[-1] - 1) < abs(observed[0] - 1)


def test_convergence_to_another_solution_is_rejected(side, given, conditions):
    assert max(orders(side, given, conditions, 0.7, exact(given, 0.6))) < 0.5


@pytest.mark.parametrize("steps", [1, 7, STEPS, 20])
def test_decoder_is_called_at_the_neighbours_of_the_grid(side, given, conditions, steps):
    decoder, grid = ToyDecoder(side), time_grid(steps)
    side.solve(given["noise"], grid, conditions, 0.7, decoder)
    assert np.array_equal(decoder.times(), np.repeat(grid[:-1, None], 2 * BATCH, axis=1))


def pytorch_grid(steps: int) -> np.ndarray:
    """As upstream writes it."""
    return (1 - torch.cos(torch.linspace(0, 1, steps + 1) * 0.5 * torch.pi)).numpy()


def test_grid_is_pytorchs_bit_for_bit_at_the_default_steps_and_within_a_rounding_elsewhere():
    assert time_grid(STEPS).dtype == np.float32
    assert np.array_equal(time_grid(STEPS), pytorch_grid(STEPS))
    assert not np.array_equal(time_grid(STEPS), time_grid(STEPS, np.float64))
    assert max(np.abs(time_grid(steps) - pytorch_grid(steps)).max() for steps in range(1, 101)) <= 2**-24


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_grid_rises_from_exactly_0_to_exactly_1(dtype):
    for steps in range(1, 101):
        grid = time_grid(steps, dtype)
        assert grid.dtype == dtype
        assert grid.shape == (steps + 1,)
        assert grid[0] == 0
        assert abs(grid[-1] - 1) <= (0 if dtype == np.float32 else 2**-53)  # cos(pi / 2) is 6e-17 in double
        assert (np.diff(grid) > 0).all()


def test_steps_of_the_grid_are_exact_differences():
    """Every point is a multiple of 2**-24, so float32 loses nothing: neither in a step nor in adding the steps up."""
    for steps in range(1, 101):
        grid = time_grid(steps)
        assert not np.modf(grid.astype(np.float64) * 2**24)[0].any()
        assert np.array_equal(np.diff(grid), np.diff(grid.astype(np.float64)))


def test_grid_of_an_accumulated_ramp_is_another():
    """What the equality with PyTorch's grid rejects: 0.1 added ten times is not the ramp."""
    ramp = np.cumsum(np.full(STEPS + 1, 0.1, np.float32), dtype=np.float32) - np.float32(0.1)
    accumulated = (1 - torch.cos(torch.from_numpy(ramp) * 0.5 * torch.pi)).numpy()
    assert np.allclose(accumulated, pytorch_grid(STEPS), atol=1e-6)
    assert not np.array_equal(accumulated, pytorch_grid(STEPS))


@pytest.mark.parametrize("steps", [0, -1])
def test_grid_of_no_step_is_refused(steps):
    with pytest.raises(ValueError, match=f"at least 1 step, got {steps}"):
        time_grid(steps)


def test_unconditional_branch_has_no_condition_and_keeps_the_mask(side, given, conditions):
    decoder = ToyDecoder(side)
    side.solve(given["noise"], time_grid(1), conditions, 0.7, decoder)
    (x, mask, mu, _, speaker, cond), *rest = decoder.calls
    assert not rest
    for name, value in (("mu", mu), ("speaker", speaker), ("cond", cond)):
        conditional, unconditional = np.split(value, 2)
        assert np.array_equal(conditional, given[name])
        assert unconditional.shape == given[name].shape
        assert not unconditional.any()
    for value, expected in ((x, given["noise"]), (mask, side.common(conditions.mask))):
        assert np.array_equal(value, np.concatenate([expected, expected]))


def step(side, given, conditions, guidance: float, branch: int) -> tuple[np.ndarray, np.ndarray]:
    """One step of the real decoder: the next state, and the state that one branch's velocity alone would give."""
    seen = {}

    def observe(name, value):
        seen[name] = value
        return value

    t, t_next = side.own(np.float32(0.25)), side.own(np.float32(0.5))
    arguments = side.own(given["noise"]), t, t_next, conditions.guided(), guidance, observe
    state = side.common(side.module("ode").euler_step(side.flow.decoder, *arguments))
    velocity = np.split(side.common(seen["ode.velocity"]), 2)[branch]
    return state, given["noise"] + np.float32(0.25) * velocity


def test_guidance_0_is_the_conditional_branch_and_minus_1_the_other(side, given, conditions):
    for guidance, branch in ((0.0, 0), (-1.0, 1)):
        state, alone = step(side, given, conditions, guidance, branch)
        assert np.array_equal(state, alone)
    state, alone = step(side, given, conditions, 0.7, 0)
    assert rmse(state, alone) > 0.01 * rms(alone)


def test_guidance_pushes_away_from_the_unconditional_branch(side, given, conditions):
    state, conditional = step(side, given, conditions, 0.7, 0)
    _, unconditional = step(side, given, conditions, 0.7, 1)
    expected = 1.7 * conditional.astype(np.float64) - 0.7 * unconditional
    assert rmse(state, expected) < 1e-6 * rms(expected)


def test_conditional_branch_sees_nothing_of_the_other(side, given, conditions):
    """Half of the guided batch is what the decoder gives for it alone."""
    _, alone = step(side, given, conditions, 0.0, 0)
    times = side.own(np.full(BATCH, 0.25, np.float32))
    arguments = conditions.mask, conditions.mu, times, conditions.speaker, conditions.cond
    velocity = side.common(side.flow.decoder(side.own(given["noise"]), *arguments))
    assert rmse(alone, given["noise"] + np.float32(0.25) * velocity) < 1e-6 * rms(alone)


@pytest.mark.parametrize("steps", range(1, 30))
def test_the_port_has_the_same_times_by_its_own_way(steps):
    ours = mlx_impl.ode.time_grid(steps)
    assert ours.dtype == np.float32
    assert np.abs(ours.astype(np.float64) - time_grid(steps)).max() <= 2 * 2**-24
    np.testing.assert_allclose(mlx_impl.ode.time_grid(steps, np.float64), time_grid(steps, np.float64), atol=4e-16)
    assert (ours[0], ours[-1]) == (0, 1)
    with pytest.raises(ValueError, match="at least 1 step, got 0"):
        mlx_impl.ode.time_grid(0)


def test_the_port_has_the_same_times_to_the_bit_by_default():
    assert np.array_equal(mlx_impl.ode.time_grid(STEPS), time_grid(STEPS))
