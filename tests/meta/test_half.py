"""The reference in half precision, as a port in it is timed against: what is half there, and what must not be."""

import pytest
import torch

from tests.bench import half, plan
from tests.bench.measure import Comparison
from tests.bench.torch_side import TorchSide
from tests.bench.works import WORKS

NETWORKS = (torch.nn.Linear, torch.nn.Conv1d, torch.nn.ConvTranspose1d)
WORK = {"flow": ("encoder", "ODE, 10 steps"), "vocoder": ("vocoder",), "t3": ("T3 prefill", "T3 decode step")}
FLOAT32 = {  # what is computed in float32 beside the networks
    "flow": ("encoder.positions", "encoder.up_positions", "decoder.time_embeddings"),
    "vocoder": ("f0_predictor.classifier", "source", "generator.stft", "generator.istft"),
    "t3": (),
}


@pytest.fixture(scope="module")
def bench():
    return plan.bench_of("tiny", None)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize(("stage", "name"), [(stage, name) for stage, names in WORK.items() for name in names])
def test_networks_are_half_and_the_rest_is_not(bench, stage, name, dtype):
    work, side = WORKS[name], TorchSide("cpu", dtype=dtype)
    place = bench.place(work, work.lengths["tiny"][0], side, dtype)
    model, seen = place.models[stage], {}

    def watch(path):
        def hook(module, given, result):
            values = [value for value in (*given, result) if isinstance(value, torch.Tensor)]
            seen[path] = {value.dtype for value in values if value.is_floating_point()}

        return hook

    part = half.STAGES[stage].part
    networks = {
        f"{part}.{path}".strip("."): module
        for path, module in model.get_submodule(part).named_modules()
        if isinstance(module, NETWORKS)
    }
    watched = networks | {path: model.get_submodule(path) for path in FLOAT32[stage]}
    handles = [module.register_forward_hook(watch(path), prepend=True) for path, module in watched.items()]
    try:
        task = work.build(place)
        results = task.result(side.run(task.call))
    finally:
        for handle in handles:
            handle.remove()
    assert {path for path in networks if path in seen}, "no network has run"
    for path, dtypes in seen.items():
        assert dtypes == {torch.float32 if path in FLOAT32[stage] else getattr(torch, dtype)}, path
    assert all(str(result.dtype) == "float32" for result in results)


def test_a_port_in_half_is_timed_against_half_and_checked_against_float32(bench):
    comparison = Comparison(bench, WORKS["encoder"], 8, "cpu", "bfloat16")
    task, _, error, _ = comparison.checked(comparison.reference)
    assert {weight.dtype for module in task.modules for weight in module.parameters()} == {torch.bfloat16}
    assert 1e-3 < error <= comparison.bound
    expected = bench.place(WORKS["encoder"], 8, TorchSide("cpu"), "bfloat16").models["flow"]
    assert {weight.dtype for weight in expected.parameters()} == {torch.float32}


def test_a_stage_without_networks_in_half_stays_as_it_is():
    model = torch.nn.Linear(2, 2)
    assert half.in_half(model, "conditioner", torch.bfloat16) is model and model.weight.dtype == torch.float32
