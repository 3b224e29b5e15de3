"""The layers of conditioning by every naming. The Swift port takes an encoded voice: upstream's names there."""

from __future__ import annotations

from collections.abc import Iterator

from mlx_impl.weights.stored.mapping.rule import Rule, rule, under

PARTS = "a position in a Sequential, or an abbreviation, spelt as the attribute of a module"
OWN_FILE = "the community keeps the tokenizer in a file of its own"
COUNTED = "upstream counts from one"


def tokenizer() -> Iterator[Rule]:
    yield rule("tensor", "_mel_filters", "log_mel.filters")
    yield rule("tensor", "window", "log_mel.window")
    yield rule("conv1d", "encoder.conv1")
    yield rule("conv1d", "encoder.conv2")
    yield from under(("encoder.blocks.{i}.",) * 4, tokenizer_block(), PARTS)
    yield rule("linear", "quantizer._codebook.project_down", "quantizer.project_down")


def tokenizer_block() -> Iterator[Rule]:
    for layer in ("query", "key", "value", "out"):
        yield rule("linear", f"attn.{layer}")
    yield rule("conv1d", "attn.fsmn_block", "attn.memory.conv")
    yield rule("norm", "attn_ln")
    yield rule("linear", "mlp.0", "mlp.proj_in")
    yield rule("linear", "mlp.2", "mlp.proj_out")
    yield rule("norm", "mlp_ln")


def batch_norm(upstream: str, mlx: str, community: str) -> Rule:
    return rule("batch norm", upstream, mlx, community=community)


def head() -> Iterator[Rule]:
    for half in "12":
        yield rule("conv2d", f"conv{half}")
        yield batch_norm(f"bn{half}", f"norm{half}", f"bn{half}")
    # Two blocks to a layer; this side has them in one list.
    block = "layer{i+1}.{j}."
    yield from under((block, "blocks.{2i+j}.", block, block), head_block(), COUNTED)


def head_block() -> Iterator[Rule]:
    for half in "12":
        yield rule("conv2d", f"conv{half}")
        yield batch_norm(f"bn{half}", f"norm{half}", f"bn{half}")
    yield rule("conv2d", "shortcut.0", "shortcut.conv")
    yield batch_norm("shortcut.1", "shortcut.norm", "shortcut.1")


def unit() -> Iterator[Rule]:
    """A layer and the norm behind it."""
    yield rule("conv1d", "linear", "conv")
    yield batch_norm("nonlinear.batchnorm", "norm", "nonlinear.0")


def dense_layer() -> Iterator[Rule]:
    yield batch_norm("nonlinear1.batchnorm", "norm1", "nonlinear1.0")
    yield rule("conv1d", "linear1", "conv1")
    yield batch_norm("nonlinear2.batchnorm", "norm2", "nonlinear2.0")
    yield rule("conv1d", "cam_layer.linear_local", "cam.conv")
    yield rule("conv1d", "cam_layer.linear1", "cam.conv1")
    yield rule("conv1d", "cam_layer.linear2", "cam.conv2")


def xvector() -> Iterator[Rule]:
    yield from under(("tdnn.",) * 4, unit(), PARTS)
    layer, ours = "block{i+1}.tdnnd{j+1}.", "blocks.{i}.layers.{j}."
    yield from under((layer, ours, layer, ours), dense_layer(), COUNTED)
    transit, ours = "transit{i+1}.", "transits.{i}."
    yield from under((transit, ours, transit, ours), unit(), COUNTED)
    yield batch_norm("out_nonlinear.batchnorm", "norm", "out_nonlinear.0")
    yield from under(("dense.",) * 4, unit(), PARTS)


def speaker_encoder() -> Iterator[Rule]:
    yield from under(("head.",) * 4, head(), PARTS)
    yield from under(("xvector.", "", "xvector.", ""), xvector(), PARTS)


def voice_encoder() -> Iterator[Rule]:
    unused = "a constant of the loss, of no use after training"
    for name in ("similarity_weight", "similarity_bias"):
        yield rule("loss", name, mlx=None, swift=None, why=unused)
    for theirs, community in (("weight_ih", "Wx"), ("weight_hh", "Wh")):
        ours = f"encoder.lstm.{{i}}.{theirs}"
        yield rule("tensor", f"lstm.{theirs}_l{{i}}", ours, community=f"lstm.layers.{{i}}.{community}")
    summed = ("lstm.*_l{i}", "encoder.lstm.{i}.bias", "lstm.bias_l{i}", "lstm.layers.{i}.bias")
    yield rule("two biases", *summed)
    yield rule("linear", "proj", "encoder.proj")


RULES = (
    *under(("tokenizer.", "tokenizer.", "tokenizer.", None), tokenizer(), OWN_FILE, "tokenizer"),
    *under(
        ("speaker_encoder.", "speaker_encoder.", "speaker_encoder.", "s3gen.speaker_encoder."),
        speaker_encoder(),
        PARTS,
        "speaker_encoder",
    ),
    *under(("", "voice_encoder.", "", "ve."), voice_encoder(), PARTS, "voice_encoder"),
)
