"""Keys of Turbo's and Nano's T3: text tokens to speech tokens.

Upstream: `chatterbox/models/t3/t3.py` with the settings of `tts_turbo.py`; the layers are those of the package
transformers' `GPT2Model`, whose linear layers keep their weights as (in, out).
"""

from __future__ import annotations

from spec.keys.key import Key, Keys, weight_and_bias
from spec.turbo import TurboT3Config


def turbo_t3_keys(config: TurboT3Config) -> Keys:
    """The 299 keys of `t3_turbo_v1.safetensors`; `t3_nano_v1.safetensors` has 155 (at full size)."""
    width = config.width
    yield Key("tfmr.wte.weight", (config.unread_vocab_size, width))
    yield Key("tfmr.wpe.weight", (config.positions, width))
    for block in range(config.blocks):
        yield from gpt2_keys(f"tfmr.h.{block}", config)
    yield from weight_and_bias("tfmr.ln_f", width)
    yield from weight_and_bias("cond_enc.spkr_enc", width, config.speaker_width)
    yield Key("text_emb.weight", (config.text_vocab_size, width))
    yield Key("speech_emb.weight", (config.speech_vocab_size, width))
    yield Key("text_head.weight", (config.text_vocab_size, width))
    yield from weight_and_bias("speech_head", config.speech_vocab_size, width)


def gpt2_keys(at: str, config: TurboT3Config) -> Keys:
    width = config.width
    layers = {"attn.c_attn": (width, 3 * width), "attn.c_proj": (width, width)}
    layers |= {"mlp.c_fc": (width, config.mlp_width), "mlp.c_proj": (config.mlp_width, width)}
    for name, (inputs, outputs) in layers.items():
        yield Key(f"{at}.{name}.weight", (inputs, outputs))
        yield Key(f"{at}.{name}.bias", (outputs,))
    for norm in ("ln_1", "ln_2"):
        yield from weight_and_bias(f"{at}.{norm}", width)
