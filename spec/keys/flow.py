"""Keys of the flow: speech tokens to mel.

Upstream: `chatterbox/models/s3gen/flow.py`, `transformer/upsample_encoder.py`, `decoder.py`.
"""

from __future__ import annotations

from spec.config import DecoderConfig, EncoderConfig, FlowConfig
from spec.keys.key import Key, Keys, weight_and_bias


def flow_keys(config: FlowConfig) -> Keys:
    """The 1121 `flow.` keys (at full size)."""
    encoder = config.encoder
    yield Key("flow.input_embedding.weight", (encoder.vocab_size, encoder.width))
    yield from weight_and_bias("flow.spk_embed_affine_layer", config.mel_bins, config.speaker_width)
    yield from encoder_keys("flow.encoder", encoder)
    yield from weight_and_bias("flow.encoder_proj", config.mel_bins, encoder.width)
    yield from estimator_keys("flow.decoder.estimator", config)


def encoder_keys(at: str, config: EncoderConfig) -> Keys:
    width = config.width
    for embed in ("embed", "up_embed"):
        yield from weight_and_bias(f"{at}.{embed}.out.0", width, width)
        yield from weight_and_bias(f"{at}.{embed}.out.1", width)
    yield from weight_and_bias(f"{at}.after_norm", width)
    yield from weight_and_bias(f"{at}.pre_lookahead_layer.conv1", width, width, config.lookahead + 1)
    yield from weight_and_bias(f"{at}.pre_lookahead_layer.conv2", width, width, 3)
    yield from weight_and_bias(f"{at}.up_layer.conv", width, width, 2 * config.stride + 1)
    for stack, blocks in (("encoders", config.blocks), ("up_encoders", config.up_blocks)):
        for block in range(blocks):
            yield from conformer_keys(f"{at}.{stack}.{block}", config)


def conformer_keys(at: str, config: EncoderConfig) -> Keys:
    width = config.width
    for bias in ("pos_bias_u", "pos_bias_v"):
        yield Key(f"{at}.self_attn.{bias}", (config.heads, width // config.heads))
    for linear in ("linear_q", "linear_k", "linear_v", "linear_out"):
        yield from weight_and_bias(f"{at}.self_attn.{linear}", width, width)
    yield Key(f"{at}.self_attn.linear_pos.weight", (width, width))
    yield from weight_and_bias(f"{at}.feed_forward.w_1", config.linear_units, width)
    yield from weight_and_bias(f"{at}.feed_forward.w_2", width, config.linear_units)
    yield from weight_and_bias(f"{at}.norm_ff", width)
    yield from weight_and_bias(f"{at}.norm_mha", width)


def estimator_keys(at: str, config: FlowConfig) -> Keys:
    decoder = config.decoder
    width = decoder.width
    yield from weight_and_bias(f"{at}.time_mlp.linear_1", decoder.time_width, config.decoder_in)
    yield from weight_and_bias(f"{at}.time_mlp.linear_2", decoder.time_width, decoder.time_width)
    if config.meanflow:
        yield Key(f"{at}.time_embed_mixer.weight", (decoder.time_width, 2 * decoder.time_width))
    yield from unet_block_keys(f"{at}.down_blocks.0", decoder, config.decoder_in)
    yield from weight_and_bias(f"{at}.down_blocks.0.2", width, width, 3)
    for block in range(decoder.mid_blocks):
        yield from unet_block_keys(f"{at}.mid_blocks.{block}", decoder, width)
    yield from unet_block_keys(f"{at}.up_blocks.0", decoder, 2 * width)
    yield from weight_and_bias(f"{at}.up_blocks.0.2", width, width, 3)
    yield from conv_block_keys(f"{at}.final_block", width, width)
    yield from weight_and_bias(f"{at}.final_proj", config.mel_bins, width, 1)


def unet_block_keys(at: str, config: DecoderConfig, width_in: int) -> Keys:
    width, inner = config.width, config.heads * config.head_width
    yield from conv_block_keys(f"{at}.0.block1", width_in, width)
    yield from conv_block_keys(f"{at}.0.block2", width, width)
    yield from weight_and_bias(f"{at}.0.mlp.1", width, config.time_width)
    yield from weight_and_bias(f"{at}.0.res_conv", width, width_in, 1)
    for block in range(config.transformer_blocks):
        part = f"{at}.1.{block}"
        for linear in ("to_q", "to_k", "to_v"):
            yield Key(f"{part}.attn1.{linear}.weight", (inner, width))
        yield from weight_and_bias(f"{part}.attn1.to_out.0", width, inner)
        yield from weight_and_bias(f"{part}.norm1", width)
        yield from weight_and_bias(f"{part}.norm3", width)
        yield from weight_and_bias(f"{part}.ff.net.0.proj", 4 * width, width)
        yield from weight_and_bias(f"{part}.ff.net.2", width, 4 * width)


def conv_block_keys(at: str, width_in: int, width: int) -> Keys:
    yield from weight_and_bias(f"{at}.block.0", width, width_in, 3)
    yield from weight_and_bias(f"{at}.block.2", width)
