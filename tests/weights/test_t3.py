"""Loading T3 on both sides: every key of its file fills one parameter, under the name that is written down."""

import importlib
from dataclasses import replace

import mlx.core as mx
import numpy as np
import pytest
import torch
from mlx.utils import tree_flatten
from safetensors.torch import load_file, save_file

from spec import synthetic
from spec.config import CHATTERBOX_SIZES, ENGLISH_T3, multilingual
from spec.keys import t3_keys

TINY, FULL = CHATTERBOX_SIZES["tiny"], CHATTERBOX_SIZES["full"]
SIDES = ["reference", "mlx_impl"]

# Upstream's spelling and ours, one pair for each rule by which names change, and two that hardly change.
SPELLINGS = {
    "tfmr.layers.1.self_attn.q_proj.weight": "backbone.layers.1.self_attn.q_proj.weight",
    "tfmr.norm.weight": "backbone.norm.weight",
    "tfmr.embed_tokens.weight": "backbone.embed_tokens.weight",
    "text_emb.weight": "text_embedding.weight",
    "speech_emb.weight": "speech_embedding.weight",
    "text_pos_emb.emb.weight": "text_positions.weight",
    "speech_pos_emb.emb.weight": "speech_positions.weight",
    "cond_enc.spkr_enc.bias": "conditioning.speaker_proj.bias",
    "cond_enc.emotion_adv_fc.weight": "conditioning.emotion_proj.weight",
    "cond_enc.perceiver.pre_attention_query": "conditioning.perceiver.queries",
    "cond_enc.perceiver.attn.proj_out.bias": "conditioning.perceiver.attn.proj_out.bias",
    "speech_head.weight": "speech_head.weight",
    "text_head.weight": "text_head.weight",
}


@pytest.fixture(params=SIDES)
def weights(request):
    return importlib.import_module(f"{request.param}.weights.t3")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("t3")
    synthetic.write(folder, TINY, files=["t3_cfg"])
    return folder


def parameters(model) -> dict[str, np.ndarray]:
    if isinstance(model, torch.nn.Module):
        return {name: parameter.numpy() for name, parameter in model.named_parameters()}
    return {name: np.array(parameter) for name, parameter in tree_flatten(model.parameters())}


def test_every_parameter_is_its_tensor(weights, checkpoint):
    tensors = load_file(checkpoint / ENGLISH_T3)
    loaded = parameters(weights.load_t3(checkpoint, TINY.t3))
    assert len(loaded) == len(tensors) == 40
    for key, tensor in tensors.items():
        assert np.array_equal(loaded[weights.parameter_name(key)], tensor.numpy()), key  # no layout differs: all linear


def test_all_292_keys_of_the_full_size_have_their_parameter():
    reference, ours = (importlib.import_module(f"{side}.weights.t3") for side in SIDES)
    t3 = importlib.import_module("reference.t3").T3
    with torch.device("meta"):
        shapes = {name: tuple(parameter.shape) for name, parameter in t3(FULL.t3).named_parameters()}
    mirrored = importlib.import_module("mlx_impl.t3").T3(FULL.t3)  # lazy: nothing is allocated
    assert {name: parameter.shape for name, parameter in tree_flatten(mirrored.parameters())} == shapes
    keys = list(t3_keys(FULL.t3))
    assert len(keys) == len(shapes) == 292
    assert {reference.parameter_name(key.name): key.shape for key in keys} == shapes
    assert all(ours.parameter_name(key.name) == reference.parameter_name(key.name) for key in keys)


def test_names_change_as_written_down(weights):
    for key, name in SPELLINGS.items():
        assert weights.parameter_name(key) == name


def test_t3_is_ready_for_inference_in_the_dtype_asked_for(weights, checkpoint):
    framework = torch if weights.__name__.startswith("reference") else mx
    model = weights.load_t3(checkpoint, TINY.t3, framework.float16)
    assert not model.training
    assert model.backbone.layers[1].mlp.up_proj.weight.dtype == framework.float16


def test_multilingual_model_has_a_file_of_its_own(weights, checkpoint, tmp_path):
    config = multilingual(TINY).t3
    with pytest.raises(ValueError, match=rf"{config.file}: no such file"):
        weights.load_t3(checkpoint, config)
    synthetic.write(tmp_path, TINY, files=["t3_mtl23ls_v2"])
    assert parameters(weights.load_t3(tmp_path, config))["text_embedding.weight"].shape == (2454, 64)


def test_heads_that_the_multilingual_model_lacks_are_refused():
    assert multilingual(FULL).t3.watched_heads == ((12, 15), (13, 11), (9, 2))
    for wrong in ((2, 0), (-1, 0), (0, 4)):
        assert replace(TINY.t3, watched_heads=(wrong,)).watched_heads == (wrong,)  # the English one is not watched
        with pytest.raises(
            ValueError, match=rf"head {wrong[1]} of layer {wrong[0]}, expected one of 4 heads in 2 layers"
        ):
            replace(multilingual(TINY).t3, watched_heads=((1, 1), wrong))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("text_head.weight"), r"missing: the key that fills text_head\.weight"),
        (lambda t: t.update(extra=torch.ones(1)), "unknown: extra"),
        (
            lambda t: t.update({"tfmr.norm.weight": torch.ones(63)}),
            r"tfmr\.norm\.weight has shape \(63,\), expected \(64,\)",
        ),
    ],
)
def test_another_file_is_refused_by_name(weights, checkpoint, tmp_path, change, message):
    tensors = load_file(checkpoint / ENGLISH_T3)
    change(tensors)
    save_file(tensors, tmp_path / ENGLISH_T3)
    with pytest.raises(ValueError, match=message):
        weights.load_t3(tmp_path, TINY.t3)


def test_another_size_is_refused(weights, checkpoint):
    with pytest.raises(ValueError, match=r"is it of another size\?"):
        weights.load_t3(checkpoint, replace(TINY.t3, blocks=3))
