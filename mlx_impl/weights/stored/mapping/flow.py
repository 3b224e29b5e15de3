"""The flow's layers by every naming. Upstream names a U-Net block's parts by place, this side by what they are."""

from __future__ import annotations

from collections.abc import Iterator

from mlx_impl.weights.stored.mapping.rule import SAME, Rule, rule, under

PARTS = "a position in a Sequential or ModuleList, spelt as the attribute of a module"


def conformer() -> Iterator[Rule]:
    for projection, name in (("q", "query"), ("k", "key"), ("v", "value"), ("out", "out")):
        yield rule("linear", f"self_attn.linear_{projection}", swift=f"self_attn.{name}Proj")
    yield rule("linear", "self_attn.linear_pos")
    yield rule("tensor", "self_attn.pos_bias_u")
    yield rule("tensor", "self_attn.pos_bias_v")
    yield rule("linear", "feed_forward.w_1")
    yield rule("linear", "feed_forward.w_2")
    yield rule("norm", "norm_ff")
    yield rule("norm", "norm_mha")


def encoder() -> Iterator[Rule]:
    for embed in ("embed", "up_embed"):
        linear, norm = f"{embed}.linear", f"{embed}.norm"
        yield rule("linear", f"{embed}.out.0", linear, linear, linear)
        yield rule("norm", f"{embed}.out.1", norm, norm, norm)
    yield rule("norm", "after_norm", swift="afterNorm")
    yield rule("conv1d", "pre_lookahead_layer.conv1", swift="preLookaheadLayer.conv1")
    yield rule("conv1d", "pre_lookahead_layer.conv2", swift="preLookaheadLayer.conv2")
    yield rule("conv1d", "up_layer.conv", swift="upLayer.conv")
    for stack, swift in (("encoders", "encoders"), ("up_encoders", "upEncoders")):
        same = f"{stack}.{{i}}."
        yield from under((same, same, f"{swift}.{{i}}.", f"{stack}_{{i}}."), conformer(), PARTS)


def conv_block(upstream: str, mlx: str, swift: str = SAME) -> Iterator[Rule]:
    """A causal convolution, a norm and Mish; the convolution is wrapped in the other ports."""
    swift = mlx if swift == SAME else swift
    yield rule("conv1d", f"{upstream}.block.0", f"{mlx}.conv", f"{swift}.conv.conv", f"{mlx}.conv.conv")
    yield rule("norm", f"{upstream}.block.2", f"{mlx}.norm", f"{swift}.norm", f"{mlx}.norm")


def transformer() -> Iterator[Rule]:
    for letter, name in (("q", "query"), ("k", "key"), ("v", "value")):
        swift, community = f"attention.{name}Proj", f"attn.{name}_proj"
        yield rule("linear", f"attn1.to_{letter}", swift=swift, community=community)
    yield rule("linear", "attn1.to_out.0", "attn1.to_out", "attention.outProj", "attn.out_proj")
    yield rule("norm", "norm1")
    yield rule("norm", "norm3", swift="norm2")
    yield rule("linear", "ff.net.0.proj", "ff.proj_in", "ff.layers.0", "ff.layers.0")
    yield rule("linear", "ff.net.2", "ff.proj_out", "ff.layers.1", "ff.layers.1")


def unet_block() -> Iterator[Rule]:
    yield from conv_block("0.block1", "resnet.block1")
    yield from conv_block("0.block2", "resnet.block2")
    yield rule("linear", "0.mlp.1", "resnet.time_proj", "resnet.mlpLinear", "resnet.mlp_linear")
    yield rule("conv1d", "0.res_conv", "resnet.res_conv", "resnet.resConv", "resnet.res_conv")
    prefixes = ("1.{j}.", "transformer_blocks.{j}.", "transformers.{j}.", "transformer_{j}.")
    yield from under(prefixes, transformer(), PARTS)


def estimator() -> Iterator[Rule]:
    yield rule("linear", "time_mlp.linear_1", swift="timeMLP.linear1")
    yield rule("linear", "time_mlp.linear_2", swift="timeMLP.linear2")
    mixer = "time_embed_mixer", "time_mixer", None, None
    yield rule("linear", *mixer, why="of Turbo and Nano, which the other ports of this table are not")
    for stack, last in (("down_blocks", "downsample"), ("mid_blocks", None), ("up_blocks", "upsample")):
        same = f"{stack}.{{i}}."
        yield from under((same, same, same, f"{stack}_{{i}}."), unet_block(), PARTS)
        if last is not None:
            swift = last.replace("sample", "Layer")
            yield rule("conv1d", f"{same}2", f"{same}conv", f"{same}{swift}.conv", f"{stack}_{{i}}.{last}.conv", PARTS)
    yield from conv_block("final_block", "final_block", "finalBlock")
    yield rule("conv1d", "final_proj", swift="finalConv")


def flow() -> Iterator[Rule]:
    yield rule("embedding", "input_embedding", swift="inputEmbedding")
    yield rule("linear", "spk_embed_affine_layer", swift="spkEmbedAffine")
    yield rule("linear", "encoder_proj", swift="encoderProj")
    yield from under(("encoder.",) * 4, encoder(), PARTS)
    whole = "decoder.estimator."
    # The Swift port strips the estimator's prefix; the solver around it is no module on this side.
    yield from under((whole, "decoder.", "", whole), estimator(), PARTS)


RULES = tuple(under(("flow.", "flow.", "", "s3gen.flow."), flow(), "named alike", "flow"))
