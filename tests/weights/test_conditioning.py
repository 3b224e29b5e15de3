"""Loading conditioning on both sides: all keys are accounted for, parameters are their tensors, the rest is refused."""

import importlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from mlx.utils import tree_flatten
from safetensors.torch import load_file, save_file

from spec import synthetic
from spec.config import CHATTERBOX_SIZES

SIDES = ["reference", "mlx_impl"]
CONFIG = CHATTERBOX_SIZES["tiny"]
S3GEN, VE = "s3gen.safetensors", "ve.safetensors"

# Each model: its file, the prefix of its keys, its keys at tiny and at full size, those not read, and at full size the
# parameters.
MODELS = {
    "tokenizer": (S3GEN, "tokenizer.", 40, 104, 0, 104),
    "speaker_encoder": (S3GEN, "speaker_encoder.", 217, 937, 122, 815),
    "voice_encoder": (VE, "", 16, 16, 2, 11),
}

# Upstream's spelling and ours, one pair for each rule by which names change.
SPELLINGS = {
    "tokenizer": {
        "_mel_filters": "log_mel.filters",
        "window": "log_mel.window",
        "encoder.conv2.bias": "encoder.conv2.bias",
        "encoder.blocks.1.attn.fsmn_block.weight": "encoder.blocks.1.attn.memory.conv.weight",
        "encoder.blocks.0.attn_ln.bias": "encoder.blocks.0.attn_ln.bias",
        "encoder.blocks.0.mlp.0.weight": "encoder.blocks.0.mlp.proj_in.weight",
        "encoder.blocks.1.mlp.2.bias": "encoder.blocks.1.mlp.proj_out.bias",
        "encoder.blocks.1.mlp_ln.weight": "encoder.blocks.1.mlp_ln.weight",
        "quantizer._codebook.project_down.weight": "quantizer.project_down.weight",
    },
    "speaker_encoder": {
        "head.conv1.weight": "head.conv1.weight",
        "head.bn2.running_var": "head.norm2.running_var",
        "head.layer1.1.bn1.weight": "head.blocks.1.norm1.weight",
        "head.layer2.0.conv2.weight": "head.blocks.2.conv2.weight",
        "head.layer2.0.shortcut.0.weight": "head.blocks.2.shortcut.conv.weight",
        "head.layer1.0.shortcut.1.bias": "head.blocks.0.shortcut.norm.bias",
        "xvector.tdnn.linear.weight": "tdnn.conv.weight",
        "xvector.tdnn.nonlinear.batchnorm.bias": "tdnn.norm.bias",
        "xvector.block2.tdnnd3.nonlinear1.batchnorm.running_mean": "blocks.1.layers.2.norm1.running_mean",
        "xvector.block1.tdnnd1.linear1.weight": "blocks.0.layers.0.conv1.weight",
        "xvector.block1.tdnnd2.nonlinear2.batchnorm.weight": "blocks.0.layers.1.norm2.weight",
        "xvector.block3.tdnnd1.cam_layer.linear_local.weight": "blocks.2.layers.0.cam.conv.weight",
        "xvector.block3.tdnnd1.cam_layer.linear1.bias": "blocks.2.layers.0.cam.conv1.bias",
        "xvector.block3.tdnnd1.cam_layer.linear2.weight": "blocks.2.layers.0.cam.conv2.weight",
        "xvector.transit2.nonlinear.batchnorm.weight": "transits.1.norm.weight",
        "xvector.transit3.linear.weight": "transits.2.conv.weight",
        "xvector.out_nonlinear.batchnorm.running_var": "norm.running_var",
        "xvector.dense.linear.weight": "dense.conv.weight",
        "xvector.dense.nonlinear.batchnorm.running_mean": "dense.norm.running_mean",
    },
    "voice_encoder": {
        "lstm.weight_ih_l0": "encoder.lstm.0.weight_ih",
        "lstm.weight_hh_l2": "encoder.lstm.2.weight_hh",
        "lstm.bias_l1": "encoder.lstm.1.bias",
        "proj.weight": "encoder.proj.weight",
    },
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    synthetic.write(folder, CONFIG, files=["s3gen", "ve"])
    return folder


@pytest.fixture(params=SIDES)
def weights(request):
    """The side's module."""
    return importlib.import_module(f"{request.param}.weights.conditioning")


def load(weights, folder: Path, model: str):
    return getattr(weights, f"load_{model}")(folder, getattr(CONFIG, model))


def parameters(model) -> dict[str, np.ndarray]:
    if isinstance(model, torch.nn.Module):
        return {name: parameter.detach().numpy() for name, parameter in model.named_parameters()}
    return {name: np.array(parameter) for name, parameter in tree_flatten(model.parameters())}


def tensors(folder: Path, model: str) -> dict[str, np.ndarray]:
    """What the file holds for a model, by key without prefix: step counts and unused keys too."""
    file, prefix = MODELS[model][:2]
    stored = load_file(folder / file)
    return {key.removeprefix(prefix): t.numpy() for key, t in stored.items() if key.startswith(prefix)}


def expected_parameters(weights, folder: Path, model: str) -> dict[str, np.ndarray]:
    """Every parameter in PyTorch's layout, from the keys alone."""
    stored = tensors(folder, model)
    if model == "voice_encoder":
        for layer in range(CONFIG.voice_encoder.layers):
            stored[f"lstm.bias_l{layer}"] = stored.pop(f"lstm.bias_ih_l{layer}") + stored.pop(f"lstm.bias_hh_l{layer}")
    name = getattr(weights, f"{model}_parameter_name")
    return {
        name(key): array
        for key, array in stored.items()
        if not key.endswith("num_batches_tracked") and not key.startswith("similarity")
    }


@pytest.mark.parametrize("model", MODELS)
def test_every_parameter_is_its_tensor_in_the_layout_of_the_side(weights, tiny, model):
    loaded, expected = parameters(load(weights, tiny, model)), expected_parameters(weights, tiny, model)
    assert loaded.keys() == expected.keys()
    assert len(tensors(tiny, model)) == MODELS[model][2]
    ranks = Counter()
    for name, array in expected.items():
        if weights.__name__.startswith("mlx_impl") and array.ndim > 2:
            array = np.moveaxis(array, 1, -1)
        assert np.array_equal(loaded[name], array), name
        ranks[array.ndim] += 1
    assert ranks[3] > 0 or model == "voice_encoder"
    assert (ranks[4] > 0) == (model == "speaker_encoder")


@pytest.mark.parametrize("model", MODELS)
def test_names_change_as_written_down(weights, tiny, model):
    expected = expected_parameters(weights, tiny, model)
    for key, name in SPELLINGS[model].items():
        assert getattr(weights, f"{model}_parameter_name")(key) == name
        assert name in expected


@pytest.mark.parametrize("model", MODELS)
def test_all_keys_at_full_size_are_parameters_of_both_sides(model):
    _, prefix, _, keys, dropped, count = MODELS[model]
    from spec import keys as published_keys

    config = getattr(CHATTERBOX_SIZES["full"], model)
    published = [key.name.removeprefix(prefix) for key in getattr(published_keys, f"{model}_keys")(config)]
    assert len(published) == keys
    read = [key for key in published if not key.endswith("num_batches_tracked") and not key.startswith("similarity")]
    assert len(published) - len(read) == dropped
    read = {key.replace("bias_ih", "bias").replace("bias_hh", "bias") for key in read}
    names = []
    for side in SIDES:
        weights = importlib.import_module(f"{side}.weights.conditioning")
        names.append({getattr(weights, f"{model}_parameter_name")(key) for key in read})
        kind = {"tokenizer": "S3Tokenizer", "speaker_encoder": "CAMPPlus", "voice_encoder": "VoiceEncoder"}[model]
        with torch.device("meta"):
            made = getattr(weights, kind)(config)
        own = dict(made.named_parameters()) if side == "reference" else dict(tree_flatten(made.parameters()))
        assert names[-1] == own.keys()
    assert names[0] == names[1]
    assert len(names[0]) == count


def test_models_are_ready_for_inference(weights, tiny):
    conditioner = weights.load_conditioner(tiny, CONFIG)
    assert not conditioner.training
    assert not any(module.training for module in conditioner.modules())


def test_biases_are_summed_in_double_for_a_double_model(tiny):
    weights = importlib.import_module("reference.weights.conditioning")
    model = weights.load_voice_encoder(tiny, CONFIG.voice_encoder, torch.float64)
    stored = tensors(tiny, "voice_encoder")
    wide = stored["lstm.bias_ih_l0"].astype(np.float64) + stored["lstm.bias_hh_l0"]
    assert np.array_equal(model.encoder.lstm[0].bias.numpy(), wide)
    assert not np.array_equal(wide, wide.astype(np.float32))


WRONG = {  # model, what changes in its file, and what the error must say
    "missing": ("tokenizer", {"tokenizer.window": None}, r"missing: the key that fills log_mel\.window"),
    "unknown": ("tokenizer", {"tokenizer.extra": torch.ones(1)}, r"unknown: tokenizer\.extra"),
    "filters of another size": (
        "tokenizer",
        {"tokenizer._mel_filters": torch.ones(80, 201)},
        r"tokenizer\._mel_filters has shape \(80, 201\), expected \(128, 201\)",
    ),
    "no statistics": (
        "speaker_encoder",
        {"speaker_encoder.head.bn1.running_var": None},
        r"missing: the key that fills head\.norm1\.running_var",
    ),
    "kernel in MLX's layout": (
        "speaker_encoder",
        {"speaker_encoder.head.layer1.0.conv1.weight": torch.ones(8, 3, 3, 8)},
        r"conv1\.weight has shape \(8, 3, 3, 8\), expected \(8, 8, 3, 3\)",
    ),
    "NaN statistics": (
        "speaker_encoder",
        {"speaker_encoder.head.bn1.running_mean": torch.full((8,), torch.nan)},
        "head.bn1.running_mean holds NaN",
    ),
    "integers": (
        "speaker_encoder",
        {"speaker_encoder.head.bn1.running_mean": torch.ones(8, dtype=torch.int64)},
        "head.bn1.running_mean has dtype I64, expected F32",
    ),
    "one bias of two": (
        "voice_encoder",
        {"lstm.bias_hh_l1": None},
        r"missing: the key that fills encoder\.lstm\.1\.bias",
    ),
    "biases of two sizes": (
        "voice_encoder",
        {"lstm.bias_hh_l1": torch.ones(1)},
        r"missing: .*encoder\.lstm\.1\.bias|lstm\.bias_hh_l1 has shape \(1,\), expected \(128,\)",
    ),
    "a layer too many": ("voice_encoder", {"lstm.weight_ih_l3": torch.ones(1)}, r"unknown: lstm\.weight_ih_l3"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_tensors_are_refused_by_name(weights, tiny, tmp_path, what):
    model, change, message = WRONG[what]
    file = MODELS[model][0]
    changed = {key: tensor for key, tensor in (load_file(tiny / file) | change).items() if tensor is not None}
    save_file(changed, tmp_path / file)
    with pytest.raises(ValueError, match=message) as error:
        load(weights, tmp_path, model)
    assert str(tmp_path / file) in str(error.value)


@pytest.mark.parametrize("model", MODELS)
def test_a_missing_file_is_refused(weights, tmp_path, model):
    with pytest.raises(ValueError, match=r"no such file"):
        load(weights, tmp_path, model)
