"""The reference's flow against upstream's own: same checkpoint, same noise, at every shared module and ODE step.

Turbo's flow, too, whose decoder is told two times of each step, and which is solved without guidance.
"""

import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fixtures import cases
from fixtures.cases import turbo
from fixtures.cases.flow import CASES, FlowCase, build
from parity.base.metrics import rms, rmse
from parity.capture.runner import Runner
from parity.capture.torch import instrument, to_numpy
from parity.capture.trace import keep
from parity.contract import load
from parity.contract.implementation import make_side
from reference.weights import parameter_name
from tests.upstream.upstream_loader import build_s3gen, double_precision, inject_noise

CONTRACT, TURBO = (load(Path("fixtures") / name) for name in ("contract.toml", "turbo.toml"))
BOUND = {"float32": 1e-6, "float64": 1e-12}
CASE = CASES["full-flow-short"]
BATCH = FlowCase("full", prompt=6, tokens=(12, 7))

# Only the reference has these as a module's output: upstream makes them inline, or calls a list of modules in turn.
NOT_SHARED = re.compile(r"^(mu|speaker|cond|ode\..*|encoder\.(up_)?positions|decoder\.\w+_blocks\.\d+)$")


def checkpoint(case) -> Path:
    own = turbo if case.options["config"].flow.meanflow else cases
    return own.synthetic_checkpoint(case)


def ours(path: str) -> str:
    """The reference's path of an upstream module."""
    return parameter_name(path + ".").rstrip(".")


def run_upstream(case, dtype: str) -> tuple[dict[str, list[np.ndarray]], np.ndarray]:
    """Every module output of upstream's flow, in order of calls, by the reference's path; and the mel `(B, C, M)`."""
    seen: dict[str, list[np.ndarray]] = defaultdict(list)
    inputs, finalize = case.inputs, case.options["finalize"]
    width = torch.float64 if dtype == "float64" else torch.float32
    prompt = inputs["prompt_mel"].shape[1] // 2

    def observe(path, value):
        first = value[0] if isinstance(value, tuple) else value
        if isinstance(first, torch.Tensor):
            seen[ours(path)].append(to_numpy(first))
        return value

    def run():
        config = case.options["config"].flow
        model = build_s3gen(config.meanflow)
        model.load_state_dict(load_file(checkpoint(case) / config.file), strict=True)
        flow = model.flow.to(width)
        tokens = torch.from_numpy(inputs["tokens"])
        lengths = torch.from_numpy(inputs["lengths"])
        paths = [path for path, _ in flow.named_modules() if path not in ("", "decoder")]  # its decoder is the ODE
        with inject_noise(inputs["x"].astype(dtype)), instrument(flow, paths, observe):
            mel, _ = flow.inference(
                token=tokens[:, prompt:],
                token_len=lengths - prompt,
                prompt_token=tokens[:, :prompt],
                prompt_token_len=torch.full((len(tokens),), prompt),
                prompt_feat=torch.from_numpy(inputs["prompt_mel"]).to(width),
                prompt_feat_len=None,
                embedding=torch.from_numpy(inputs["embedding"]).to(width),
                finalize=finalize,
                n_timesteps=case.dims["steps"],
                meanflow=config.meanflow,
            )
        return mel.numpy()

    if dtype == "float64":
        with double_precision():
            return seen, run()
    return seen, run()


def run_reference(case, dtype: str) -> tuple[dict[str, list[np.ndarray]], np.ndarray]:
    contract = TURBO if case.options["config"].flow.meanflow else CONTRACT
    runner = Runner(contract, "reference", make_side(contract, "reference", checkpoint(case), case, dtype))
    seen: dict[str, list[np.ndarray]] = defaultdict(list)
    state = case.inputs
    for segment in contract.segments(case.dims, case.segments):
        trace: dict[str, np.ndarray] = {}
        state = runner.run(segment, state, keep(trace))
        for tap in segment.taps:
            seen[tap.path].append(trace[tap.name])
    return seen, state["x"][:, :, case.inputs["prompt_mel"].shape[1] :]


def errors_of(mine, theirs) -> dict[str, float]:
    """The relative RMSE of every shared tap, by its path and call."""
    errors = {}
    for path, values in mine.items():
        if NOT_SHARED.match(path):
            continue
        assert path in theirs, f"upstream has no module for {path}"
        assert len(values) == len(theirs[path]), path
        for call, (value, expected) in enumerate(zip(values, theirs[path], strict=True)):
            if path == "encoder.up_layer":  # upstream hands it on channels-first
                expected = expected.swapaxes(1, 2)
            assert value.shape == expected.shape, path
            errors[f"{path}[call={call}]"] = rmse(value, expected) / rms(expected)
    return errors


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("lengths", [CASE, BATCH], ids=["one", "batch"])
def test_flow_equals_upstream(lengths, dtype):
    case = build("upstream", lengths)
    theirs, their_mel = run_upstream(case, dtype)
    mine, my_mel = run_reference(case, dtype)
    errors = {"mel": rmse(my_mel, their_mel) / rms(their_mel)} | errors_of(mine, theirs)
    worst = max(errors, key=errors.__getitem__)
    print(f"{len(errors)} shared taps, {dtype}: worst {worst} {errors[worst]:.1e}")
    assert len(errors) > 4000
    assert errors[worst] <= BOUND[dtype], worst


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("lengths", [CASE, BATCH], ids=["one", "batch"])
def test_turbo_flow_equals_upstream(lengths, dtype):
    case = turbo.build_flow("upstream", turbo.MeanflowCase(lengths))
    theirs, their_mel = run_upstream(case, dtype)
    mine, my_mel = run_reference(case, dtype)
    errors = errors_of(mine, theirs)
    errors["mel"] = rmse(my_mel, their_mel) / rms(their_mel)
    worst = max(errors, key=errors.__getitem__)
    print(f"Turbo, {len(errors)} shared taps, {dtype}: worst {worst} {errors[worst]:.1e}")
    assert "decoder.time_mixer[call=1]" in errors
    assert len(errors) > 800
    assert errors[worst] <= BOUND[dtype], worst
