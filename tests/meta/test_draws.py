"""parity.base.draws: the same numbers everywhere and in any order; and no side draws any of its own."""

from __future__ import annotations

import random
from dataclasses import replace

import mlx.core as mx
import numpy as np
import pytest
import torch

from fixtures import cases
from parity.base.draws import generator, integers, normal, uniform
from parity.capture.runner import Runner
from parity.contract.implementation import make_side
from tests.meta import toy
from tests.meta.draw_detector import draws


def test_the_values_are_these_on_every_machine():
    expected = ["-0x1.7d10920000000p-1", "0x1.1413ae0000000p+0", "-0x1.73d1440000000p-3", "-0x1.ba4ef60000000p+0"]
    assert [value.hex() for value in normal("tiny", "flow_noise", (4,)).tolist()] == expected
    expected = ["0x1.4d90a40000000p-2", "0x1.aad6e00000000p-1", "0x1.99c8900000000p-4", "0x1.c0c0260000000p-1"]
    assert [value.hex() for value in uniform("tiny", "flow_noise", (4,)).tolist()] == expected
    assert integers("tiny", "tokens", (8,), 6561).tolist() == [4751, 4526, 5174, 1120, 2169, 193, 2641, 3262]
    assert generator("tiny", "tokens").bit_generator.random_raw(2).tolist() == [
        12727665994557359080,
        3151750561148440652,
    ]


def test_a_draw_depends_on_its_name_and_case_alone():
    first, second = normal("case", "a", (5,)), normal("case", "b", (5,))
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, normal("other", "a", (5,)))
    np.random.random(3)  # noqa: NPY002 - whatever happens to global generators
    np.testing.assert_array_equal(normal("case", "b", (5,)), second)
    np.testing.assert_array_equal(normal("case", "a", (5,)), first)


def test_case_and_name_do_not_run_together():
    assert not np.array_equal(normal("ab", "c", (5,)), normal("a", "bc", (5,)))


def test_the_distributions():
    n, u, i = normal("d", "n", (200, 500)), uniform("d", "u", (200, 500)), integers("d", "i", (200, 500), 7)
    assert (n.dtype, u.dtype, i.dtype) == (np.float32, np.float32, np.int64)
    assert n.shape == u.shape == i.shape == (200, 500)
    assert abs(n.mean()) < 0.016  # five standard errors
    assert abs(n.std() - 1) < 0.012
    assert abs(u.mean() - 0.5) < 0.005
    assert u.min() >= 0
    assert u.max() < 1
    assert np.unique(i).tolist() == list(range(7))


DRAWS = {
    "torch": lambda: torch.randn(2),
    "torch by a generator of its own": lambda: torch.rand(2, generator=torch.Generator()),
    "torch like": lambda: torch.randn_like(torch.zeros(2)),
    "torch in place": lambda: torch.zeros(2).normal_(),
    "torch multinomial": lambda: torch.multinomial(torch.ones(3), 1),
    "torch bernoulli": lambda: torch.bernoulli(torch.full((2,), 0.5)),
    "torch dropout": lambda: torch.nn.Dropout(0.5)(torch.ones(2)),
    "torch seed": lambda: torch.manual_seed(0),
    "mlx": lambda: mx.random.normal((2,)),
    "mlx by a key of its own": lambda: mx.random.uniform(shape=(2,), key=mx.array([0, 1], dtype=mx.uint32)),
    "mlx categorical": lambda: mx.random.categorical(mx.zeros((3,))),
    "mlx seed": lambda: mx.random.seed(1),
    "numpy": lambda: np.random.rand(2),  # noqa: NPY002
    "numpy by a generator of its own": lambda: np.random.default_rng(0).random(2),
    "numpy by a legacy generator": lambda: np.random.RandomState(0).rand(2),
    "numpy by a bit generator": lambda: np.random.Generator(np.random.PCG64(0)).random(2),
    "python": lambda: random.random(),
}


@pytest.mark.parametrize("name", DRAWS)
def test_the_detector_finds_a_draw(name):
    with torch.random.fork_rng(), draws() as found:
        DRAWS[name]()
    assert any(name.split()[0] in what for what in found)


def test_the_detector_finds_nothing_in_arithmetic():
    with draws() as found:
        x = torch.ones(1, 2, 3, 4)
        torch.nn.functional.scaled_dot_product_attention(x, x, x)
        torch.nn.Dropout(0.5).eval()(x @ x.mT)
        mx.eval(mx.softmax(mx.ones((3, 3)) @ mx.ones((3, 3))))
        np.linalg.svd(np.eye(3))
    assert found == []


def run_through(contract, side, checkpoint, case) -> list[str]:
    """What a side draws in a run of all of its segments."""
    runner = Runner(contract, side, make_side(contract, side, checkpoint, case, "float32"))
    state = case.inputs
    drawn = []
    for segment in contract.segments(case.dims, case.segments):
        runner.side.root(segment.name)  # a new model has random weights until it is loaded
        with draws() as found:
            state = runner.run(segment, state, lambda tap, array: None)
        drawn += found
    return drawn


@pytest.mark.parametrize("side", ["reference", "candidate"])
def test_the_pipeline_draws_nothing(flow_contract, side):
    case = cases.load("tiny")
    assert run_through(flow_contract, side, cases.synthetic_checkpoint(case), case) == []


@pytest.mark.parametrize(
    ("framework", "what"), [("torch", "torch aten.randn.default"), ("mlx", "mlx.core.random.normal")]
)
def test_a_side_that_draws_is_found_out(toy_contract, toy_checkpoint, framework, what):
    layouts = toy_contract.layouts if framework == "mlx" else {}
    side = {"factory": f"tests.meta.toy:{framework}_candidate", "framework": framework}
    contract = replace(toy_contract, sides={"candidate": side}, layouts=layouts)
    assert run_through(contract, "candidate", toy_checkpoint, toy.load("tiny")) == []
    assert run_through(contract, "candidate", toy_checkpoint, toy.load("draws")) == [what, f"state of {framework}"]
