"""The table of names and layouts: total, exact, injective and invertible, for every naming."""

import importlib
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlx.utils import tree_flatten

from mlx_impl.convert.inventory import FILE_OF
from mlx_impl.convert.version import VERSION
from mlx_impl.weights.stored.layout import MLX as MLX_LAYOUT
from mlx_impl.weights.stored.layout import PYTORCH, permutation, permuted
from mlx_impl.weights.stored.mapping import COMMUNITY, MLX, SCHEMES, SWIFT, TABLE, UPSTREAM, Scheme
from mlx_impl.weights.stored.mapping.rule import LAYER, NAMINGS, rule, templates, within_limits
from mlx_impl.weights.stored.mapping.template import Template
from spec.config import CHATTERBOX_SIZES, multilingual
from spec.keys import FILES, TURBO_FILES
from spec.turbo import T3_SIZES, turbo

FULL = CHATTERBOX_SIZES["full"]
MULTILINGUAL = multilingual(FULL)
ONE_T3 = [file for file in FILES if file != "t3_mtl23ls_v2"]  # the keys of the other are the same, in another shape
KEYS = {file: list(FILES[file](FULL)) for file in ONE_T3}
ALL = [key for keys in KEYS.values() for key in keys]

TURBO = list(TURBO_FILES["t3_turbo_v1"](turbo("turbo", "full")))
MIXER = "flow.decoder.estimator.time_embed_mixer.weight"  # the one key that a mean flow has besides

MODULES = {  # of each stage, the class that has its parameters
    "flow": ("flow", "Flow", "flow"),
    "vocoder": ("vocoder", "Vocoder", "vocoder"),
    "tokenizer": ("conditioning.s3tokenizer", "S3Tokenizer", "tokenizer"),
    "speaker_encoder": ("conditioning.speaker_encoder", "CAMPPlus", "speaker_encoder"),
    "voice_encoder": ("conditioning.voice_encoder", "VoiceEncoder", "voice_encoder"),
    "t3": ("t3.model", "T3", "t3"),
}


def parameters(keys):
    """Each parameter that keys fill, with the keys in the order of its parts."""
    filled = {}
    for key in keys:
        parameter, part = UPSTREAM.find(key.name)
        assert part == len(filled.setdefault(parameter, []))
        filled[parameter].append(key)
    return filled


PARAMETERS = parameters(ALL)


def own_parameters(config):
    """Name and shape of every parameter of this side's modules, behind the name of their stage."""
    found = {}
    for stage, (module, name, field) in MODULES.items():
        made = getattr(importlib.import_module(f"mlx_impl.{module}"), name)(getattr(config, field))
        found |= {f"{stage}.{path}": parameter.shape for path, parameter in tree_flatten(made.parameters())}
    return found


def test_total_every_published_key_has_exactly_one_rule():
    assert {file: len(keys) for file, keys in KEYS.items()} == {"s3gen": 2490, "ve": 16, "t3_cfg": 292}
    assert all(len(UPSTREAM.all(key.name)) == 1 for key in ALL)
    assert [key.name for key in FILES["t3_mtl23ls_v2"](FULL)] == [key.name for key in KEYS["t3_cfg"]]
    assert all(len(UPSTREAM.all(key.name)) == 1 for key in TURBO)
    meanflow = [key.name for key in TURBO_FILES["s3gen_meanflow"](turbo("turbo", "full"))]
    assert sorted({*meanflow} ^ {key.name for key in KEYS["s3gen"]}) == [MIXER]
    used = {UPSTREAM.find(name)[0].rule for name in (MIXER, *(key.name for key in (*ALL, *TURBO)))}
    assert used == set(TABLE), "a rule that no published key needs"


def test_what_becomes_of_the_keys_of_s3gen():
    kinds = Counter(UPSTREAM.find(key.name)[0].leaf.operation for key in KEYS["s3gen"])
    assert kinds == {"rename": 2490 - 122 - 164, "drop": 122, "fold": 164}
    s3gen = [parameter for parameter in PARAMETERS if FILE_OF[parameter.stage] == "s3gen" and MLX.keys(parameter)]
    assert len(s3gen) == 2286
    assert sum(parameter.stage != "tokenizer" for parameter in s3gen) == 2182


@pytest.mark.parametrize("config", [FULL, MULTILINGUAL, CHATTERBOX_SIZES["tiny"]], ids=["full", "multilingual", "tiny"])
def test_exact_every_parameter_of_this_side_is_filled_in_its_shape(config):
    filled = {}
    for parameter, keys in parameters(key for file in ONE_T3 for key in FILES[file](config)).items():
        shape = keys[-1].shape
        order = permutation(parameter.leaf.layout, PYTORCH, MLX_LAYOUT, len(shape))
        filled |= {name: permuted(shape, order) for name in MLX.keys(parameter)}
    assert filled == own_parameters(config)


@pytest.mark.parametrize(("model", "size"), [(model, size) for model in T3_SIZES for size in T3_SIZES[model]])
def test_exact_every_parameter_of_turbo_is_filled_in_its_shape(model, size):
    config, filled = turbo(model, size), {}
    for parameter, keys in parameters(TURBO_FILES["t3_turbo_v1"](config)).items():
        order = permutation(parameter.leaf.layout, PYTORCH, MLX_LAYOUT, len(keys[-1].shape))
        filled |= {name: permuted(keys[-1].shape, order) for name in MLX.keys(parameter)}
    made = importlib.import_module("mlx_impl.turbo").TurboT3(config.t3)
    assert filled == {f"t3.{path}": parameter.shape for path, parameter in tree_flatten(made.parameters())}
    flow = tree_flatten(importlib.import_module("mlx_impl.flow").Flow(config.flow).parameters())
    (name,) = MLX.keys(UPSTREAM.find(MIXER)[0])
    assert (name, (4 * config.flow.decoder.width, 8 * config.flow.decoder.width)) in {
        (f"flow.{path}", parameter.shape) for path, parameter in flow
    }


def test_the_weights_of_gpt2_alone_are_transposed_for_mlx():
    for parameter, keys in parameters(TURBO).items():
        swapped = permutation(parameter.leaf.layout, PYTORCH, MLX_LAYOUT, len(keys[-1].shape)) == (1, 0)
        assert swapped == bool(re.search(r"c_(attn|fc|proj)\.weight$", keys[-1].name))


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=str)
def test_injective_and_invertible(scheme):
    names = [(name, parameter, part) for parameter in PARAMETERS for part, name in enumerate(scheme.keys(parameter))]
    assert len({name for name, _, _ in names}) == len(names)
    for name, parameter, part in names:
        assert scheme.all(name) == [(parameter, part)]


def test_what_a_naming_does_not_hold_is_named_by_a_rule():
    def left_out(scheme):
        return {parameter for parameter in PARAMETERS if not scheme.keys(parameter)}

    dropped = {parameter for parameter in PARAMETERS if parameter.leaf.operation == "drop"}
    constants = {parameter for parameter in dropped if parameter.stage == "voice_encoder"}
    assert left_out(UPSTREAM) == set()
    assert left_out(MLX) == left_out(SWIFT) == dropped
    assert len(dropped) == 122 + 2
    tokenizer = {parameter for parameter in PARAMETERS if parameter.stage == "tokenizer"}
    assert left_out(COMMUNITY) == (dropped - constants) | tokenizer


def test_every_rule_has_a_reason():
    assert all(each.why and each.stage in FILE_OF for each in TABLE)
    assert all(leaf.reason for leaves in LAYER.values() for leaf in leaves)


SWIFT_NAMES = {
    "flow.decoder.estimator.down_blocks.0.0.block1.block.0.weight": "down_blocks.0.resnet.block1.conv.conv.weight",
    "flow.decoder.estimator.mid_blocks.3.0.block2.block.2.bias": "mid_blocks.3.resnet.block2.norm.bias",
    "flow.decoder.estimator.final_proj.weight": "finalConv.weight",
    "flow.decoder.estimator.final_block.block.0.bias": "finalBlock.conv.conv.bias",
    "flow.decoder.estimator.mid_blocks.9.1.3.attn1.to_q.weight": (
        "mid_blocks.9.transformers.3.attention.queryProj.weight"
    ),
    "flow.decoder.estimator.up_blocks.0.1.0.attn1.to_out.0.bias": "up_blocks.0.transformers.0.attention.outProj.bias",
    "flow.decoder.estimator.up_blocks.0.1.0.ff.net.0.proj.weight": "up_blocks.0.transformers.0.ff.layers.0.weight",
    "flow.decoder.estimator.up_blocks.0.1.0.norm3.weight": "up_blocks.0.transformers.0.norm2.weight",
    "flow.decoder.estimator.up_blocks.0.2.weight": "up_blocks.0.upLayer.conv.weight",
    "flow.decoder.estimator.down_blocks.0.0.mlp.1.weight": "down_blocks.0.resnet.mlpLinear.weight",
    "flow.decoder.estimator.down_blocks.0.0.res_conv.weight": "down_blocks.0.resnet.resConv.weight",
    "flow.decoder.estimator.time_mlp.linear_1.weight": "timeMLP.linear1.weight",
    "flow.input_embedding.weight": "inputEmbedding.weight",
    "flow.spk_embed_affine_layer.bias": "spkEmbedAffine.bias",
    "flow.encoder_proj.weight": "encoderProj.weight",
    "flow.encoder.up_encoders.3.self_attn.linear_v.weight": "encoder.upEncoders.3.self_attn.valueProj.weight",
    "flow.encoder.pre_lookahead_layer.conv1.weight": "encoder.preLookaheadLayer.conv1.weight",
    "flow.encoder.after_norm.weight": "encoder.afterNorm.weight",
    "mel2wav.conv_pre.bias": "vocoder.convPre.bias",
    "mel2wav.resblocks.8.activations1.2.alpha": "vocoder.resblocks.8.acts1.2.alpha",
    "mel2wav.source_resblocks.1.convs2.0.bias": "vocoder.sourceResBlocks.1.convs2.0.bias",
    "mel2wav.f0_predictor.condnet.8.bias": "vocoder.f0Predictor.convs.4.bias",
    "mel2wav.m_source.l_linear.weight": "vocoder.mSource.linear.weight",
    "tfmr.layers.29.self_attn.o_proj.weight": "layers.29.selfAttn.oProj.weight",
    "text_pos_emb.emb.weight": "textPosEmb.embedding.weight",
    "cond_enc.spkr_enc.weight": "speakerProj.weight",
}
COMMUNITY_NAMES = {
    "flow.decoder.estimator.down_blocks.0.0.block1.block.0.weight": (
        "s3gen.flow.decoder.estimator.down_blocks_0.resnet.block1.conv.conv.weight"
    ),
    "flow.decoder.estimator.mid_blocks.11.1.3.attn1.to_out.0.bias": (
        "s3gen.flow.decoder.estimator.mid_blocks_11.transformer_3.attn.out_proj.bias"
    ),
    "flow.decoder.estimator.up_blocks.0.2.weight": "s3gen.flow.decoder.estimator.up_blocks_0.upsample.conv.weight",
    "flow.encoder.up_encoders.3.norm_ff.bias": "s3gen.flow.encoder.up_encoders_3.norm_ff.bias",
    "mel2wav.f0_predictor.condnet.8.bias": "s3gen.mel2wav.f0_predictor.condnet.4.bias",
    "mel2wav.ups.2.parametrizations.weight.original1": "s3gen.mel2wav.ups.2.weight",
    "speaker_encoder.xvector.block2.tdnnd24.nonlinear1.batchnorm.bias": (
        "s3gen.speaker_encoder.blocks.1.layers.23.nonlinear1.0.bias"
    ),
    "speaker_encoder.head.layer2.0.shortcut.0.weight": "s3gen.speaker_encoder.head.layer2.0.shortcut.0.weight",
    "lstm.weight_ih_l2": "ve.lstm.layers.2.Wx",
    "lstm.bias_hh_l0": "ve.lstm.layers.0.bias",
    "similarity_weight": "ve.similarity_weight",
    "tfmr.layers.29.mlp.up_proj.weight": "t3.tfmr.model.layers.29.mlp.up_proj.weight",
    "cond_enc.perceiver.pre_attention_query": "t3.cond_enc.perceiver.pre_attention_query",
}


@pytest.mark.parametrize(("scheme", "names"), [(SWIFT, SWIFT_NAMES), (COMMUNITY, COMMUNITY_NAMES)], ids=str)
def test_other_ports_names_as_they_are_written_down(scheme, names):
    for upstream, theirs in names.items():
        parameter, _ = UPSTREAM.find(upstream)
        assert scheme.keys(parameter) == (theirs,)
        assert scheme.find(theirs)[0] == parameter


def test_the_swift_port_transposes_linear_layers_and_no_embedding():
    for parameter, keys in PARAMETERS.items():
        order = permutation(parameter.leaf.layout, PYTORCH, SWIFT.layout, len(keys[-1].shape))
        if len(keys[-1].shape) == 2:
            assert (order == (1, 0)) == (parameter.rule.kind == "linear"), keys[-1].name
        else:
            assert order == permutation(parameter.leaf.layout, PYTORCH, MLX_LAYOUT, len(keys[-1].shape))


@given(st.sampled_from(TABLE), st.sampled_from(NAMINGS), st.tuples(*[st.integers(0, 10**6)] * 3))
def test_a_rename_and_its_inverse_are_the_identity(each, naming, numbers):
    for _, _, template in templates(each, naming):
        read = template.read(template.fill(numbers))
        if within_limits(each, numbers):
            assert template.fill(read) == template.fill(numbers)
            used = {variable for factor in template.numbers for variable in factor[1:3] if variable is not None}
            assert all(read[variable] == numbers[variable] for variable in used)


@given(st.sampled_from([key.name for key in ALL]), st.data())
def test_a_mutated_key_is_another_parameter_or_none(name, data):
    """Never the same one: two keys that fill one parameter are two spellings of one tensor."""
    at = data.draw(st.integers(0, len(name)))
    letter = data.draw(st.sampled_from("0123456789._ab"))
    for changed in (name[:at] + letter + name[at:], name[:at] + name[at + 1 :], name[:at] + letter + name[at + 1 :]):
        found = UPSTREAM.find(changed)
        assert changed == name or found is None or found != UPSTREAM.find(name)


@pytest.mark.parametrize(
    ("text", "numbers", "name"),
    [
        ("a.{i}.b", (12, 0, 0), "a.12.b"),
        ("a.{i+1}", (0, 0, 0), "a.1"),
        ("a.{2i}.b", (3, 0, 0), "a.6.b"),
        ("a.{3i+j}.{k}", (2, 1, 5), "a.7.5"),
        ("a.{2i+j+1}", (2, 1, 0), "a.6"),
    ],
)
def test_templates(text, numbers, name):
    assert Template(text).fill(numbers) == name
    assert Template(text).read(name) == numbers


@pytest.mark.parametrize(
    ("text", "name"),
    [("a.{i}", "a.01"), ("a.{i}", "a."), ("a.{i}", "a.-1"), ("a.{i+1}", "a.0"), ("a.{2i}", "a.3"), ("a.{i}", "a.1.b")]
    + [("{i}.{i}", "1.2"), ("a.{i}", "a.٣"), ("a.{i}", "a.1\n")],
)
def test_names_that_are_none_of_a_template(text, name):
    assert Template(text).read(name) is None


def test_a_wrong_table_is_seen():
    """What the tests above look for, in a table that has it."""
    twice = Scheme("twice", "upstream", PYTORCH, [rule("norm", "a.{i}"), rule("norm", "a.{j}")])
    assert len(twice.all("a.1.weight")) == 2
    table = [rule("norm", "a.{i}", "b")]
    lossy = Scheme("lossy", "mlx", PYTORCH, table)
    parameter, _ = Scheme("lossy", "upstream", PYTORCH, table).find("a.1.weight")
    assert lossy.keys(parameter) == ("b.weight",)
    assert lossy.find("b.weight")[0].numbers != parameter.numbers
    assert UPSTREAM.find("speaker_encoder.head.layer1.2.conv1.weight") is None  # it would be that of layer2.0
    assert re.fullmatch(r"[0-9a-f]{12}", VERSION)
