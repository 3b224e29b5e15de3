"""Loading the flow on both sides: every parameter is its tensor, in the layout of the side."""

import importlib

import mlx.core as mx
import numpy as np
import pytest
import torch
from mlx.utils import tree_flatten
from safetensors.torch import load_file, save_file

from parity.base.draws import integers
from spec.config import TINY

SIDES = ["reference", "mlx_impl"]
FILE = "s3gen.safetensors"
LINEAR = "flow.encoder_proj.weight"
CONV = "flow.encoder.pre_lookahead_layer.conv1.weight"
TIME = "flow.decoder.estimator.down_blocks.0.0.mlp.1.weight"

# Upstream's spelling and ours, one pair for each rule by which names change, and one that changes in nothing.
SPELLINGS = {
    "flow.input_embedding.weight": "input_embedding.weight",
    "flow.encoder.embed.out.0.bias": "encoder.embed.linear.bias",
    "flow.encoder.up_embed.out.1.weight": "encoder.up_embed.norm.weight",
    "flow.encoder.encoders.1.self_attn.pos_bias_v": "encoder.encoders.1.self_attn.pos_bias_v",
    "flow.decoder.estimator.time_mlp.linear_1.weight": "decoder.time_mlp.linear_1.weight",
    "flow.decoder.estimator.down_blocks.0.0.block1.block.0.weight": "decoder.down_blocks.0.resnet.block1.conv.weight",
    "flow.decoder.estimator.down_blocks.0.0.block2.block.2.bias": "decoder.down_blocks.0.resnet.block2.norm.bias",
    TIME: "decoder.down_blocks.0.resnet.time_proj.weight",
    "flow.decoder.estimator.mid_blocks.1.1.0.attn1.to_out.0.bias": (
        "decoder.mid_blocks.1.transformer_blocks.0.attn1.to_out.bias"
    ),
    "flow.decoder.estimator.mid_blocks.1.1.1.ff.net.0.proj.weight": (
        "decoder.mid_blocks.1.transformer_blocks.1.ff.proj_in.weight"
    ),
    "flow.decoder.estimator.mid_blocks.0.1.1.ff.net.2.weight": (
        "decoder.mid_blocks.0.transformer_blocks.1.ff.proj_out.weight"
    ),
    "flow.decoder.estimator.up_blocks.0.2.weight": "decoder.up_blocks.0.conv.weight",
    "flow.decoder.estimator.final_block.block.2.weight": "decoder.final_block.norm.weight",
}


def parameters(flow) -> dict[str, np.ndarray]:
    """The parameters of either side's flow by name, as they lie in memory."""
    if isinstance(flow, torch.nn.Module):
        return {name: parameter.numpy() for name, parameter in flow.named_parameters()}
    return {name: np.array(parameter) for name, parameter in tree_flatten(flow.parameters())}


def is_conv(name: str, tensor: torch.Tensor) -> bool:
    """Whether a parameter is a Conv1d weight: the only ones with three axes."""
    return name.endswith(".weight") and tensor.ndim == 3


def test_every_parameter_is_its_tensor_in_the_layout_of_the_side(weights, tiny_checkpoint, tensors):
    loaded = parameters(weights.load_flow(tiny_checkpoint, TINY))
    assert len(loaded) == len(tensors) == 263
    convolutions = 0
    for key, tensor in tensors.items():
        name = weights.parameter_name(key.removeprefix("flow."))
        expected = tensor.numpy()
        if weights.__name__ == "mlx_impl.weights" and is_conv(name, tensor):
            expected = expected.transpose(0, 2, 1)  # (out, in, k) to (out, k, in)
        convolutions += is_conv(name, tensor)
        assert loaded[name].dtype == np.float32
        assert np.array_equal(loaded[name], expected), name
    assert convolutions == 3 + 4 * 3 + 2 + 2  # encoder; four U-Net blocks; ends of the outer ones; end of the decoder


def test_names_change_as_written_down(weights, tiny_checkpoint, tensors):
    loaded = parameters(weights.load_flow(tiny_checkpoint, TINY))
    for key, name in SPELLINGS.items():
        assert weights.parameter_name(key.removeprefix("flow.")) == name
        assert np.array_equal(np.sort(loaded[name].ravel()), np.sort(tensors[key].numpy().ravel()))


def test_both_sides_fill_the_same_parameter_from_each_key(tensors):
    reference, ours = (importlib.import_module(f"{side}.weights") for side in SIDES)
    for key in tensors:
        bare = key.removeprefix("flow.")
        assert reference.parameter_name(bare) == ours.parameter_name(bare)


def test_flow_is_ready_for_inference(weights, tiny_checkpoint):
    flow = weights.load_flow(tiny_checkpoint, TINY)
    assert not flow.training
    assert not any(module.training for module in flow.modules())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_parameters_are_rounded_to_the_dtype_asked_for(weights, tiny_checkpoint, dtype, tensors):
    framework = torch if weights.__name__ == "reference.weights" else mx
    flow = weights.load_flow(tiny_checkpoint, TINY, getattr(framework, dtype))
    weight = flow.encoder_proj.weight
    assert weight.dtype == getattr(framework, dtype)
    wide = weight.float().numpy() if framework is torch else np.array(weight.astype(mx.float32))
    assert np.array_equal(wide, tensors[LINEAR].to(getattr(torch, dtype)).float().numpy())


def test_keys_of_other_stages_are_not_read(weights, tmp_path, tensors):
    others = {"mel2wav.broken": torch.tensor([float("nan")]), "tokenizer.count": torch.tensor(3)}
    save_file(tensors | others, tmp_path / FILE)
    loaded = parameters(weights.load_flow(tmp_path, TINY))
    assert np.array_equal(loaded["encoder_proj.weight"], tensors[LINEAR].numpy())


def test_layout_follows_the_kind_of_a_parameter_where_its_shape_fits_both(square, square_config):
    flow = importlib.import_module("mlx_impl.weights").load_flow(square, square_config)
    loaded, tensors = parameters(flow), load_file(square / FILE)
    for key, name in {
        CONV: "encoder.pre_lookahead_layer.conv1.weight",
        "flow.decoder.estimator.down_blocks.0.2.weight": "decoder.down_blocks.0.conv.weight",
    }.items():
        stored = tensors[key].numpy()
        assert stored.shape in ((4, 4, 4), (3, 3, 3))
        assert np.array_equal(loaded[name], stored.transpose(0, 2, 1))
        assert not np.array_equal(loaded[name], stored)
    for key, name in {
        "flow.encoder.embed.out.0.weight": "encoder.embed.linear.weight",
        "flow.decoder.estimator.mid_blocks.0.1.0.attn1.to_q.weight": (
            "decoder.mid_blocks.0.transformer_blocks.0.attn1.to_q.weight"
        ),
    }.items():
        stored = tensors[key].numpy()
        assert stored.shape in ((4, 4), (3, 3))
        assert np.array_equal(loaded[name], stored)
        assert not np.array_equal(loaded[name], stored.T)


def test_both_sides_compute_the_same_where_shapes_fit_both(square, square_config):
    tokens = integers("square", "tokens", (1, 9), square_config.encoder.vocab_size)
    reference, ours = (importlib.import_module(f"{side}.weights").load_flow(square, square_config) for side in SIDES)
    theirs, _ = reference.encode(torch.from_numpy(tokens), [9], finalize=True)
    mu, _ = ours.encode(mx.array(tokens), [9], finalize=True)
    np.testing.assert_allclose(np.array(mu).swapaxes(1, 2), theirs.numpy(), atol=1e-5)

    conv = ours.encoder.pre_lookahead_layer.conv1
    conv.weight = conv.weight.swapaxes(1, 2)  # fits, and is wrong
    mu, _ = ours.encode(mx.array(tokens), [9], finalize=True)
    assert np.abs(np.array(mu).swapaxes(1, 2) - theirs.numpy()).max() > 0.01
