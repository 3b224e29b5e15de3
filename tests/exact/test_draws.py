"""`draws=` of `parity.compare`: inputs in the place of what random calls give, on both sides."""

from __future__ import annotations

import sys
from pathlib import Path

import mlx.core as mx
import mlx.nn
import numpy as np
import pytest
import torch

import parity
from parity.cli import BROKEN, PASS, main

RANDOM = np.random.default_rng(0)
GIVEN = {
    "x": RANDOM.standard_normal((2, 3, 50), np.float32),
    "noise": RANDOM.standard_normal((2, 3, 50), np.float32),
    "u": RANDOM.random((2, 3, 50), np.float32),
}

MODULE = '''
import mlx.core as mx
import torch


def reference(x):
    """(B, C, T)"""
    return x + torch.randn_like(x)


def asks_for_a_value(x):
    noise = mx.random.normal(x.shape)
    return x + noise if mx.max(noise).item() < 1e9 else x


def adds_one_by_one(x):
    noise = mx.random.normal(x.shape)
    total = mx.zeros(x.shape[:2])
    for step in range(x.shape[2]):
        total = total + (x + noise)[:, :, step]
    return total


def adds(x):
    return (x + torch.randn(x.shape)).sum(2)
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "drawing_sides.py").write_text(MODULE)
    np.savez(tmp_path / "x.npz", x=GIVEN["x"], noise=GIVEN["noise"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "drawing_sides", raising=False)
    return tmp_path


def given(*names: str) -> dict[str, np.ndarray]:
    return {name: GIVEN[name] for name in names}


KEY = mx.random.key(3)
NORMAL = lambda x: x * mx.random.normal(x.shape)  # noqa: E731
SCALED = lambda x: x * mx.random.normal(x.shape, loc=1.0, scale=0.5)  # noqa: E731
UNIFORM = lambda x: x * mx.random.uniform(shape=x.shape)  # noqa: E731
BETWEEN = lambda x: x * mx.random.uniform(-1, 2, x.shape)  # noqa: E731


@pytest.mark.parametrize(
    ("reference", "candidate", "draw"),
    [
        (lambda x: x * torch.randn(x.shape), NORMAL, "noise"),
        (lambda x: x * torch.randn(2, 3, 50, dtype=torch.float32, generator=torch.Generator()), NORMAL, "noise"),
        (lambda x: x * torch.randn_like(x), lambda x: x * mx.random.normal(x.shape, mx.float32, key=KEY), "noise"),
        (lambda x: x * torch.empty_like(x).normal_(1, 0.5), SCALED, "noise"),
        (lambda x: x * torch.normal(1.0, 0.5, x.shape), SCALED, "noise"),
        (lambda x: x * torch.normal(torch.ones_like(x), 0.5), SCALED, "noise"),
        (lambda x: x * torch.distributions.Normal(1.0, 0.5 * torch.ones_like(x)).sample(), SCALED, "noise"),
        (lambda x: x * torch.rand(x.shape), UNIFORM, "u"),
        (lambda x: x * torch.rand_like(x), UNIFORM, "u"),
        (lambda x: x * torch.empty_like(x).uniform_(-1, 2), BETWEEN, "u"),
    ],
)
def test_normal_and_uniform_numbers(reference, candidate, draw):
    found = parity.compare(reference, candidate, given("x", draw), draws=[draw])
    assert found.passed, str(found)
    kind = "uniform" if draw == "u" else "normal"
    assert f"{draw} stands for {kind} numbers that are drawn" in found.proof.notes
    with pytest.raises(parity.NoProgram, match="draws at random"):
        parity.compare(reference, candidate, given("x"))


def test_several_draws_in_their_order_and_the_last_first():
    def reference(x):
        return torch.randn_like(x) * x + torch.rand_like(x)

    def candidate(x):
        scale = mx.random.normal(x.shape)
        return scale * x + mx.random.uniform(shape=x.shape)

    assert parity.compare(reference, candidate, given("u", "noise", "x"), draws=["noise", "u"]).passed
    with pytest.raises(parity.InputError, match=r"noise stands for uniform numbers of .*: give numbers"):
        parity.compare(reference, candidate, given("u", "noise", "x"), draws=["u", "noise"])


def test_another_scale_is_a_departure():
    found = parity.compare(lambda x: x * torch.randn_like(x) * 0.5, NORMAL, given("x", "noise"), draws=["noise"])
    assert not found.passed and len(found.departures) == 1


def test_two_torch_models_in_place_and_out():
    def reference(x):
        noise = torch.randn_like(x)
        noise.mul_(2).add_(x)
        return noise

    candidate = torch.nn.Module()
    candidate.forward = lambda x: x + 2 * torch.normal(0.0, 1.0, x.shape)
    assert parity.compare(reference, candidate, given("x", "noise"), draws="noise").passed


class Noisy(mlx.nn.Module):
    """Channels last, and its noise too."""

    def __call__(self, x: mx.array) -> mx.array:
        return x * 2 + mx.random.normal(x.shape)


def test_the_port_draws_in_its_own_layout():
    sets = [given("x", "noise"), {name: array[..., :37] for name, array in given("x", "noise").items()}]
    found = parity.compare(lambda x: x * 2 + torch.randn_like(x), Noisy(), sets, draws=["noise"])
    assert found.passed
    axes = ["x: b c t -> b t c", "noise: b c t -> b t c"]
    found = parity.compare(lambda x: x * 2 + torch.randn_like(x), Noisy(), sets, axes=axes, draws=["noise"])
    assert found.passed and found.proof.layout["noise"] == (0, 2, 1)


def test_a_side_that_takes_its_noise():
    assert parity.compare(
        lambda x: x + torch.randn_like(x), lambda x, noise: x + noise, given("x", "noise"), draws=["noise"]
    ).passed
    assert parity.compare(
        lambda noise, x: x + noise,
        lambda x: x + mx.random.normal(x.shape),
        given("noise", "x"),
        draws=["noise"],
        call=(None, lambda model, arrays: model(arrays["x"])),
    ).passed


def test_the_stand_in_and_rounding_at_random(folder):
    found = parity.compare("drawing_sides:reference", "drawing_sides:asks_for_a_value", Path("x.npz"), draws=["noise"])
    assert found.passed and found.proof.source == "standin"
    x = np.random.default_rng(0).standard_normal((2, 40, 512)).astype(np.float32) + 5
    sets = {"x": x, "noise": np.random.default_rng(1).standard_normal(x.shape).astype(np.float32)}
    for source in ("graph", "standin"):
        names = "drawing_sides:adds", "drawing_sides:adds_one_by_one"
        found = parity.compare(*names, sets, source=source, draws=["noise"])
        assert found.passed and found.verdicts[0].word == "rounding"


def test_the_command_line(folder, capsys):
    line = ["compare", "drawing_sides:reference", "drawing_sides:asks_for_a_value", "--inputs", "x.npz", "--exact"]
    assert main([*line, "--draws", "noise"]) == PASS
    assert main(line) == BROKEN
    assert "the inputs have noise besides" in capsys.readouterr().err
    assert main(["compare", "golden", "dumps", "--draws", "noise"]) == BROKEN
    assert "--draws is for two models" in capsys.readouterr().err


DRAWN = lambda x: x * torch.randn_like(x)  # noqa: E731


@pytest.mark.parametrize(
    ("reference", "candidate", "draws", "said"),
    [
        (lambda x: DRAWN(DRAWN(x)), NORMAL, ["noise"], r"randn_like at .*test_draws.py:\d+ draws normal .*no draw"),
        (DRAWN, lambda x: NORMAL(NORMAL(x)), ["noise"], r"mx.random.normal at .*test_draws.py:\d+ draws .*no draw"),
        (DRAWN, UNIFORM, ["noise"], r"mx.random.uniform at .* draws uniform numbers .*; as noise .* draws normal ones"),
        (lambda x: torch.randn(50) * x, NORMAL, ["noise"], r"shape \(50,\); the draw noise has \(2, 3, 50\)"),
        (DRAWN, lambda x: x * mx.random.normal((50,)), ["noise"], r"shape \(50,\); the draw noise has"),
        (DRAWN, NORMAL, ["nose"], "draws name 'nose'; expected some of x, noise, each once"),
        (DRAWN, NORMAL, ["noise", "noise"], "draws name 'noise'; expected"),
        (lambda x: torch.bernoulli(x.abs() % 1), NORMAL, ["noise"], "aten.bernoulli at .* draws at random.*draws="),
        (DRAWN, lambda x: mx.random.gumbel(x.shape) * x, ["noise"], "make the noise an argument"),
    ],
)
def test_draws_that_do_not_fit(reference, candidate, draws, said):
    with pytest.raises(parity.InputError, match=said):
        parity.compare(reference, candidate, given("x", "noise"), draws=draws)


def test_a_draw_that_nothing_takes_fails():
    found = parity.compare(DRAWN, lambda x: x * 2, given("x", "noise"), draws=["noise"])
    assert not found.passed and "the port's output does not depend on noise" in str(found)
    found = parity.compare(lambda x: x * 2, lambda x: x * 2, given("x", "noise"), draws=["noise"])
    assert not found.passed and found.first == "the reference's output does not depend on noise"


def test_a_draw_that_is_made_and_read_by_neither():
    def draws_and_forgets(x):
        mx.random.normal(x.shape)
        return x * 2

    found = parity.compare(lambda x: x * 2, draws_and_forgets, given("x", "noise"), draws=["noise"])
    assert found.passed and "noise is drawn, and neither reads it" in found.proof.notes
    found = parity.compare(lambda x: x + torch.randn_like(x), draws_and_forgets, given("x", "noise"), draws=["noise"])
    assert not found.passed and "the port's output does not depend on noise" in str(found)


def test_random_calls_are_what_they_were():
    normal, uniform = mx.random.normal, mx.random.uniform
    parity.compare(DRAWN, NORMAL, given("x", "noise"), draws=["noise"])
    assert mx.random.normal is normal and mx.random.uniform is uniform
    assert not torch.equal(torch.randn(3), torch.randn(3))
