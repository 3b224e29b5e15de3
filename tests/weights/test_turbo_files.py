"""Checkpoints of Turbo and Nano through the converter and the auditor: there, back, spoiled, and beside others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mlx_impl.convert import command
from mlx_impl.convert.audit import audit
from mlx_impl.convert.conversion import Request, convert
from mlx_impl.weights.stored.foreign import Quantization
from mlx_impl.weights.stored.mapping import SCHEMES
from mlx_impl.weights.turbo import load_turbo
from spec import synthetic
from spec.config import CHATTERBOX_SIZES
from spec.files.checkpoint import contents_of, family_of, size_of
from spec.turbo import turbo

FLOW = "s3gen_meanflow.safetensors"
MIXER = "flow.decoder.estimator.time_embed_mixer.weight"
MODELS = ["turbo", "nano"]


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A directory of each model as published; with Turbo's, as there, a flow that it does not read."""
    folder = tmp_path_factory.mktemp("published")
    for model in MODELS:
        synthetic.write(folder / model, turbo(model, "tiny"), synthetic.turbo_names(turbo(model, "tiny")))
    synthetic.write(folder / "turbo", CHATTERBOX_SIZES["tiny"], ["s3gen"])
    return folder


@pytest.mark.parametrize("model", MODELS)
def test_a_directory_is_converted_and_nothing_is_wrong_with_it(published, tmp_path, model):
    source, said = published / model, []
    written = {file.name for file in convert(source, tmp_path / "out", Request(), say=said.append)}
    unread = {"s3gen.safetensors"} if model == "turbo" else set()
    assert written == {path.name for path in source.iterdir()} - unread
    assert said == [f"not needed: {name} (upstream reads {FLOW} with t3_turbo_v1)" for name in unread]
    report = audit(tmp_path / "out", source)
    assert report.problems == []
    assert (
        report.compared == report.tensors == sum(len(load_file(tmp_path / "out" / n)) for n in written if "safe" in n)
    )
    config = turbo(model, "tiny").t3
    made, other = (load_turbo(folder, config).backbone for folder in (tmp_path / "out", source))
    assert np.array_equal(np.array(made.h[0].attn.c_attn.weight), np.array(other.h[0].attn.c_attn.weight))
    assert size_of(tmp_path / "out") == "tiny"


@pytest.mark.parametrize("model", MODELS)
def test_the_way_back_is_exact(published, tmp_path, model):
    """But for weight norm, whose parts are made again of the whole."""
    source = published / model
    convert(source, tmp_path / "out", Request())
    convert(tmp_path / "out", tmp_path / "back", Request(SCHEMES["upstream"]))
    for name in (FLOW, turbo(model, "tiny").t3.file, "ve.safetensors"):
        first, again = (load_file(folder / name) for folder in (source, tmp_path / "back"))
        assert first.keys() == again.keys()
        for key, value in first.items():
            assert np.allclose(again[key], value, rtol=1e-6, atol=0) or ".parametrizations." in key or "bias_" in key
    assert audit(tmp_path / "back", source).problems == []


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request(SCHEMES["swift"]), "the naming swift has no flow.decoder.estimator.time_embed_mixer"),
        (Request(SCHEMES["mlx-community"]), "it has neither Turbo nor Nano; take --target mlx or upstream"),
        (Request(quantization=Quantization(4)), "Turbo's and Nano's linear layers lie otherwise"),
    ],
    ids=["swift", "mlx-community", "quantised"],
)
def test_what_others_have_not_got_is_refused(published, tmp_path, request_, message):
    with pytest.raises(ValueError, match=message):
        convert(published / "nano", tmp_path / "out", request_)
    assert not (tmp_path / "out").exists()


def spoiled(source: Path, folder: Path, name: str, change) -> Path:
    """A file with its tensors changed, under its own name."""
    tensors = load_file(source / name)
    change(tensors)
    folder.mkdir()
    save_file(tensors, folder / name)
    return folder / name


SPOILED = {
    "no mixer": (FLOW, lambda t: t.pop(MIXER), ("missing key", f"{MIXER} is missing")),
    "turned": (
        "t3_nano_v1.safetensors",
        lambda t: t.update({"tfmr.h.0.attn.c_attn.weight": t["tfmr.h.0.attn.c_attn.weight"].T.copy()}),
        ("wrong layout", "tfmr.h.0.attn.c_attn.weight has shape (144, 48), expected (48, 144)"),
    ),
    "a Llama's key": (
        "t3_nano_v1.safetensors",
        lambda t: t.update({"emotion_adv_fc.weight": np.zeros((4, 1), np.float32)}),
        ("unknown key", "emotion_adv_fc.weight"),
    ),
    "no positions": (
        "t3_nano_v1.safetensors",
        lambda t: t.pop("tfmr.wpe.weight"),
        ("missing key", "tfmr.wpe.weight is missing"),
    ),
}


@pytest.mark.parametrize("what", SPOILED)
def test_what_is_wrong_is_found(published, tmp_path, what):
    name, change, (kind, text) = SPOILED[what]
    assert audit(published / "nano" / name).problems == []
    problems = audit(spoiled(published / "nano", tmp_path / "spoiled", name, change)).problems
    assert [problem.kind for problem in problems] == [kind]
    assert text in problems[0].text


def test_a_value_that_differs_from_its_source_is_found(published, tmp_path):
    def change(tensors):
        tensors["tfmr.h.0.mlp.c_fc.weight"][3, 5] += 1

    file = spoiled(published / "nano", tmp_path / "spoiled", "t3_nano_v1.safetensors", change)
    problems = audit(file, published / "nano").problems
    assert [(problem.kind, problem.key) for problem in problems] == [("other values", "tfmr.h.0.mlp.c_fc.weight")]


def test_the_commands_take_both_models(published, tmp_path, capsys):
    for model in MODELS:
        assert command.main(["convert", str(published / model), str(tmp_path / model)]) == 0
        assert command.main(["audit", str(tmp_path / model), "--against", str(published / model)]) == 0
        assert "PASS nothing is wrong" in capsys.readouterr().out


def test_two_flows_in_one_directory_are_each_compared_with_their_own(published, tmp_path):
    both = tmp_path / "both"
    synthetic.write(both, CHATTERBOX_SIZES["tiny"])
    for path in (published / "nano").iterdir():
        if not (both / path.name).exists():
            (both / path.name).symlink_to(path)
    found = contents_of(both)
    assert found.unneeded.keys() == set()
    assert {family_of(file) for file in found.t3} == {"chatterbox", "nano"}
    convert(both, tmp_path / "out", Request())
    for name in ("s3gen.safetensors", FLOW, "t3_cfg.safetensors", "t3_nano_v1.safetensors"):
        report = audit(tmp_path / "out" / name, both)
        assert report.passed, report.problems
        assert report.compared == report.tensors
