"""Keys of T3: text tokens to speech tokens.

Upstream: `chatterbox/models/t3/t3.py`, `modules/cond_enc.py`, `perceiver.py`; the layers are those of the package
transformers' `LlamaModel`.
"""

from __future__ import annotations

from spec.config import T3Config
from spec.keys.key import Key, Keys, weight_and_bias


def t3_keys(config: T3Config) -> Keys:
    """The 292 keys of `t3_cfg.safetensors` (at full size)."""
    width = config.width
    yield Key("tfmr.embed_tokens.weight", (config.unused_vocab_size, width))
    for block in range(config.blocks):
        yield from llama_keys(f"tfmr.layers.{block}", config)
    yield Key("tfmr.norm.weight", (width,))
    yield from conditioning_keys("cond_enc", config)
    yield Key("text_emb.weight", (config.text_vocab_size, width))
    yield Key("speech_emb.weight", (config.speech_vocab_size, width))
    yield Key("text_pos_emb.emb.weight", (config.text_positions, width))
    yield Key("speech_pos_emb.emb.weight", (config.speech_positions, width))
    yield Key("text_head.weight", (config.text_vocab_size, width))
    yield Key("speech_head.weight", (config.speech_vocab_size, width))


def llama_keys(at: str, config: T3Config) -> Keys:
    width = config.width
    for linear in ("q_proj", "k_proj", "v_proj", "o_proj"):
        yield Key(f"{at}.self_attn.{linear}.weight", (width, width))
    for linear in ("gate_proj", "up_proj"):
        yield Key(f"{at}.mlp.{linear}.weight", (config.mlp_width, width))
    yield Key(f"{at}.mlp.down_proj.weight", (width, config.mlp_width))
    for norm in ("input_layernorm", "post_attention_layernorm"):
        yield Key(f"{at}.{norm}.weight", (width,))


def conditioning_keys(at: str, config: T3Config) -> Keys:
    """Speaker, exaggeration, and a perceiver whose one attention block is used twice, across and then on itself."""
    width = config.width
    yield from weight_and_bias(f"{at}.spkr_enc", width, config.speaker_width)
    yield Key(f"{at}.emotion_adv_fc.weight", (width, 1))
    yield Key(f"{at}.perceiver.pre_attention_query", (1, config.perceiver_queries, width))
    yield from weight_and_bias(f"{at}.perceiver.attn.norm", width)
    for linear in ("to_q", "to_k", "to_v", "proj_out"):
        yield from weight_and_bias(f"{at}.perceiver.attn.{linear}", width, width)
