"""Benchmarks of the flow on both sides: `tox -e bench`, with `-- --size full` for the real dimensions.

Each result is compared with the other side's before it is timed: a fast wrong answer is not a result.
"""

import numpy as np
import pytest

from parity.axes import permute
from parity.contract import load
from parity.side import make_case, make_side, resolve


@pytest.fixture(scope="module")
def flow(request):
    """Both sides on one case, and the state before each stage in the reference's axes."""
    contract = load(request.config.getoption("--contract"))
    case = make_case(contract, f"{request.config.getoption('--size')}-flow")
    checkpoint = request.config.getoption("--checkpoint") or resolve(contract.checkpoints)(case)
    sides = {name: make_side(contract, name, checkpoint, case, "float32") for name in ("reference", "candidate")}
    states = {"encoder": dict(case.inputs)}
    states["ode"] = sides["reference"].run("encoder", None, states["encoder"])
    return contract, sides, states


@pytest.mark.parametrize("side", ["reference", "candidate"])
@pytest.mark.parametrize(("stage", "result", "index"), [("encoder", "mu", None), ("ode", "x", 4)])
def test_stage(benchmark, flow, side, stage, result, index):
    contract, sides, states = flow
    axes = contract.state[result]
    expected = sides["reference"].run(stage, index, states[stage])[result]
    if side == "reference":
        state = states[stage]
    else:
        expected = permute(expected, axes, contract.candidate_axes(axes))
        state = {
            name: permute(array, contract.state[name], contract.candidate_axes(contract.state[name]))
            for name, array in states[stage].items()
        }
    got = sides[side].run(stage, index, state)[result]
    error = np.sqrt(np.mean((got - expected) ** 2) / np.mean(expected**2))
    assert error < 1e-5
    benchmark.extra_info |= {"relative_rmse": float(error)}
    benchmark.pedantic(sides[side].run, args=(stage, index, state), rounds=5, warmup_rounds=1)
