"""Loading the vocoder on both sides: weight norm is folded, every key is used, layouts follow the kind of a layer."""

import importlib
from dataclasses import replace
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
import torch
from mlx.utils import tree_flatten
from safetensors.torch import load_file, save_file

from parity.base.draws import normal
from spec import synthetic
from spec.config import CHATTERBOX_SIZES
from spec.keys import vocoder_keys

CONFIG = CHATTERBOX_SIZES["tiny"].vocoder
FILE = "s3gen.safetensors"
PREFIX = "mel2wav."
G, V = ".parametrizations.weight.original0", ".parametrizations.weight.original1"

# Upstream's spelling of a layer and ours.
SPELLINGS = {
    "conv_pre": "generator.conv_pre",
    "conv_post": "generator.conv_post",
    "ups.1": "generator.levels.1.up",
    "source_downs.2": "generator.levels.2.source_down",
    "source_resblocks.0.convs2.1": "generator.levels.0.source_resblock.units.1.conv2",
    "resblocks.4.convs1.2": "generator.levels.1.resblocks.1.units.2.conv1",
    "resblocks.8.activations2.0": "generator.levels.2.resblocks.2.units.0.activation2",
    "m_source.l_linear": "source.linear",
    "f0_predictor.condnet.0": "f0_predictor.convs.0",
    "f0_predictor.condnet.8": "f0_predictor.convs.4",
    "f0_predictor.classifier": "f0_predictor.classifier",
}


@pytest.fixture(params=["reference", "mlx_impl"])
def side(request):
    """The `weights.vocoder` module of a side."""
    return importlib.import_module(f"{request.param}.weights.vocoder")


@pytest.fixture(scope="module")
def tensors(tiny_checkpoint: Path) -> dict[str, torch.Tensor]:
    """What the tiny checkpoint holds for the vocoder."""
    stored = load_file(tiny_checkpoint / FILE)
    return {key: tensor for key, tensor in stored.items() if key.startswith(PREFIX)}


def parameters(vocoder) -> dict[str, np.ndarray]:
    """By name, in PyTorch's layout."""
    if isinstance(vocoder, torch.nn.Module):
        return {name: parameter.numpy() for name, parameter in vocoder.named_parameters()}
    found = {name: np.array(parameter) for name, parameter in tree_flatten(vocoder.parameters())}
    for name, array in found.items():
        if array.ndim == 3:
            found[name] = array.transpose((2, 0, 1) if name.endswith(".up.weight") else (0, 2, 1))
    return found


def expected_parameters(tensors, name_of) -> dict[str, np.ndarray]:
    """The checkpoint's tensors by our names, weight norm folded in float64."""
    folded = {}
    for key, tensor in tensors.items():
        base = key.removeprefix(PREFIX).removesuffix(G)
        if key.endswith(V):
            continue
        array = tensor.double().numpy()
        if key.endswith(G):
            v = tensors[PREFIX + base + V].double().numpy()
            base, array = f"{base}.weight", array * v / np.sqrt((v * v).sum(axis=(1, 2), keepdims=True))
        folded[name_of(base)] = array
    return folded


def test_every_key_is_used_and_every_weight_is_folded(side, tiny_checkpoint, tensors):
    assert len(tensors) == 328 == sum(1 for _ in vocoder_keys(CONFIG))
    loaded = parameters(side.load_vocoder(tiny_checkpoint, CONFIG))
    expected = expected_parameters(tensors, side.vocoder_parameter_name)
    assert loaded.keys() == expected.keys()
    assert len(loaded) == 328 - 82
    for name, array in expected.items():
        assert loaded[name].dtype == np.float32
        np.testing.assert_allclose(loaded[name], array, rtol=4e-7, atol=0, err_msg=name)


def test_names_change_as_written_down(side):
    for key, name in SPELLINGS.items():
        leaf = "alpha" if "activation" in key else "weight"
        assert side.vocoder_parameter_name(f"{key}.{leaf}") == f"{name}.{leaf}"


def test_float64_is_folded_in_float64(tiny_checkpoint, tensors):
    weights = importlib.import_module("reference.weights.vocoder")
    loaded = parameters(weights.load_vocoder(tiny_checkpoint, CONFIG, torch.float64))
    for name, array in expected_parameters(tensors, weights.vocoder_parameter_name).items():
        np.testing.assert_allclose(loaded[name], array, rtol=1e-14, atol=0, err_msg=name)


def test_norm_is_over_all_axes_but_the_first_for_transposed_convolutions_too(side, tiny_checkpoint, tensors):
    up = parameters(side.load_vocoder(tiny_checkpoint, CONFIG))["generator.levels.0.up.weight"]
    g = tensors[f"{PREFIX}ups.0{G}"].numpy()[:, 0, 0]
    assert up.shape == (64, 32, 16)  # (in, out, k)
    np.testing.assert_allclose(np.sqrt((up.astype(np.float64) ** 2).sum(axis=(1, 2))), g, rtol=1e-6)


def test_vocoder_is_ready_for_inference(side, tiny_checkpoint):
    vocoder = side.load_vocoder(tiny_checkpoint, CONFIG)
    assert not vocoder.training
    assert not any(module.training for module in vocoder.modules())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: {f"ups.0{G}": None}, r"missing: the key that fills generator\.levels\.0\.up\.weight"),
        (lambda t: {f"ups.0{V}": None}, r"unknown: mel2wav\.ups\.0\.parametrizations\.weight\.original0"),
        (
            lambda t: {f"ups.0{G}": t[f"ups.0{G}"].reshape(1, -1, 1).contiguous()},
            r"ups\.0.*: g has shape \(1, 64",
        ),
        (lambda t: {f"ups.0{V}": t[f"ups.0{V}"].mT.contiguous()}, r"shape \(64, 16, 32\), expected \(64, 32, 16\)"),
        (lambda t: {"ups.3.bias": torch.ones(3)}, r"unknown: mel2wav\.ups\.3\.bias"),
        (lambda t: {"f0_predictor.condnet.1.bias": torch.ones(3)}, r"unknown: mel2wav\.f0_predictor\.condnet\.1\.bias"),
        (lambda t: {"resblocks.9.convs1.0.bias": torch.ones(8)}, r"unknown: mel2wav\.resblocks\.9\.convs1\.0\.bias"),
        (
            lambda t: {"conv_pre.weight": torch.ones(64, 80, 7)},
            r"conv_pre\.weight is stored as well|unknown: .*conv_pre\.weight",
        ),
        (lambda t: {f"conv_pre{V}": torch.zeros(64, 80, 7)}, r"conv_pre.*: a channel of v is 0"),
    ],
)
def test_wrong_files_are_refused(side, tmp_path, tensors, change, message):
    bare = {key.removeprefix(PREFIX): tensor for key, tensor in tensors.items()}
    changed = {key: tensor for key, tensor in (bare | change(bare)).items() if tensor is not None}
    save_file({PREFIX + key: tensor for key, tensor in changed.items()}, tmp_path / FILE)
    with pytest.raises(ValueError, match=message):
        side.load_vocoder(tmp_path, CONFIG)


def test_layout_follows_the_kind_of_a_layer_where_its_shape_fits_both(tmp_path):
    """A transposed convolution of 16 channels with a kernel of 16: (in, out, k) and (k, out, in) have one shape."""
    config = replace(CONFIG, width=16)
    synthetic.write(tmp_path, replace(CHATTERBOX_SIZES["tiny"], vocoder=config), files=["s3gen"])
    theirs, ours = (
        importlib.import_module(f"{name}.weights.vocoder").load_vocoder(tmp_path, config).generator.levels[0].up
        for name in ("reference", "mlx_impl")
    )
    x = normal("square", "x", (1, 16, 9))
    expected = theirs(torch.from_numpy(x)).numpy()
    rows = mx.array(np.ascontiguousarray(x.swapaxes(1, 2)))
    np.testing.assert_allclose(np.array(ours(rows)).swapaxes(1, 2), expected, atol=1e-5)
    ours.weight = ours.weight.swapaxes(1, 2)  # fits, and is wrong
    assert np.abs(np.array(ours(rows)).swapaxes(1, 2) - expected).max() > 0.01
