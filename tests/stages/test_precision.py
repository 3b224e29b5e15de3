"""Candidates of less precision: judged by what rounding the weights does to the reference, on both sides alike."""

import importlib
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
import torch

from fixtures import cases
from parity import contract as contracts
from parity.base.draws import normal
from parity.base.errors import InputError
from parity.base.metrics import rms, rmse
from parity.contract import LOCAL
from parity.run.verify import Verifier
from parity.show.terminal import describe

CONTRACT = contracts.load(Path("fixtures/contract.toml"))
SIDES = ("reference", "mlx_impl")
# Of the tiny case: how far the wave is from the reference's, relative, at most; quantised T3 says the same tokens.
LOOSEST = {"float16-weights": 0.2, "float16": 0.2, "bfloat16-weights": 1.0, "bfloat16": 1.0, "8bit": 1e-3, "4bit": 1e-3}


def verify(name: str, case: str = "tiny"):
    given = cases.load(case)
    return Verifier(CONTRACT, given, cases.synthetic_checkpoint(given), precision=CONTRACT.precision(name)).run()


@pytest.mark.parametrize("name", CONTRACT.precisions)
def test_pipeline_parity_of_precision(name):
    report = verify(name)
    assert not report.failures, "\n".join(map(describe, report.failures[:5]))
    assert report.passed
    assert len(report.verdicts) == report.expected
    assert report.precision == report.as_dict()["precision"] == name
    assert len(report.swaps) == 8
    t3 = [v for v in report.verdicts if v.tap.startswith("t3.logits")]
    assert min(v.relative for v in t3 if v.mode == "accumulated") > 1e-5, "the candidate's weights were not rounded"
    (wave,) = [v for v in report.select("vocoder.wave") if v.mode == "accumulated"]
    assert wave.relative < LOOSEST[name]


@pytest.mark.parametrize("name", CONTRACT.precisions)
def test_a_fault_is_found_in_any_precision(name, monkeypatch):
    backbone = importlib.import_module("mlx_impl.t3.backbone")
    right = backbone.LlamaMLP.__call__
    monkeypatch.setattr(backbone.LlamaMLP, "__call__", lambda self, x: right(self, x) * 2)
    report = verify(name, "tiny-t3")
    assert not report.passed
    assert (report.first_failure.mode, report.first_failure.tap) == (LOCAL, "t3.backbone.layers.0.mlp")


def test_weights_that_are_rounded_less_than_promised_are_seen(monkeypatch):
    """A candidate in float32 is nearer to the truth than its floor says: what it claims to be shows in the logits."""
    pipeline = importlib.import_module("mlx_impl.pipeline")
    monkeypatch.setattr(pipeline, "round_weights", lambda model, to: None)
    report = verify("bfloat16-weights", "tiny-t3")
    assert max(v.relative for v in report.verdicts if v.tap.startswith("t3.logits")) < 1e-5


@pytest.mark.parametrize("bits", [4, 8])
def test_codes_stand_for_the_same_values_on_both_sides(bits):
    """Of MLX's own quantiser, over weights of any sign, constant groups and groups of zeros among them."""
    weight = normal("precision", "weight", (24, 256)) * np.float32(0.1)
    weight[0, :64], weight[1, 64:128], weight[2, :64] = 0, 0.25, np.abs(weight[2, :64])
    weight[3, :64] = -np.abs(weight[3, :64]) - 1
    theirs = importlib.import_module("reference.weights.rounding")._quantized(torch.from_numpy(weight), bits).numpy()
    ours = np.array(mx.dequantize(*mx.quantize(mx.array(weight), 64, bits), 64, bits))
    assert rmse(theirs, ours) <= 1e-7 * rms(ours)
    assert 0.01 / 2**bits < rmse(theirs, weight) / rms(weight) < 3 / 2**bits


@pytest.mark.parametrize("side", SIDES)
def test_only_t3s_linear_layers_are_quantised(side):
    case = cases.load("tiny")
    module = importlib.import_module(f"{side}.pipeline")

    def weights(segment: str, to: dict) -> dict:
        model = module.Pipeline(cases.synthetic_checkpoint(case), dict(case.options) | to).root(segment)
        if side == "reference":
            return {name: parameter.numpy() for name, parameter in model.named_parameters()}
        return {name: np.array(value) for name, value in mlx_utils().tree_flatten(model.parameters())}

    before, after = (weights("t3_step", to) for to in ({}, {"weights": "4bit"}))
    changed = {name for name in before if name not in after or not np.array_equal(before[name], after[name])}
    assert "t3.backbone.layers.1.mlp.down_proj.weight" in changed
    assert "t3.speech_head.weight" in changed
    assert not [name for name in changed if "embedding" in name or "norm" in name or "positions" in name]
    before, after = (weights("ode", to) for to in ({}, {"weights": "4bit"}))
    assert all(np.array_equal(before[name], after[name]) for name in before)


def mlx_utils():
    return importlib.import_module("mlx.utils")


@pytest.mark.parametrize("side", SIDES)
def test_unknown_roundings_are_refused(side):
    case = cases.load("tiny-t3")
    pipeline = importlib.import_module(f"{side}.pipeline").Pipeline
    made = pipeline(cases.synthetic_checkpoint(case), dict(case.options) | {"weights": "3bit"})
    with pytest.raises(ValueError, match="weights '3bit': expected one of float16, bfloat16, 4bit, 8bit"):
        made.root("t3_step")


def test_an_unknown_precision_is_refused():
    with pytest.raises(InputError, match="no precision 'int3'; expected one of float32, float16-weights, "):
        CONTRACT.precision("int3")


@pytest.mark.parametrize(("to", "arguments"), [("bfloat16", ["--dtype", "bfloat16"]), ("4bit", ["--quantize", "4"])])
def test_a_converted_checkpoint_is_what_rounding_gives(tmp_path, to, arguments):
    case = cases.load("tiny")
    checkpoint = cases.synthetic_checkpoint(case)
    command = importlib.import_module("mlx_impl.convert.command")
    assert command.main(["convert", str(checkpoint), str(tmp_path / "out"), *arguments]) == 0
    pipeline = importlib.import_module("mlx_impl.pipeline").Pipeline

    def parameters(folder: Path, options: dict, segment: str) -> dict[str, np.ndarray]:
        model = pipeline(folder, dict(case.options) | options).root(segment)
        return {name: np.array(value) for name, value in mlx_utils().tree_flatten(model.parameters())}

    for segment in ("prompt", "t3_step", "ode", "wave"):
        converted = parameters(tmp_path / "out", {}, segment)
        rounded = parameters(checkpoint, {"weights": to}, segment)
        assert converted.keys() == rounded.keys()
        for name, value in rounded.items():
            assert np.array_equal(converted[name], value), name
