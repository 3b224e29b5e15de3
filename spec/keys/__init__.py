"""Keys, shapes and dtypes of the published checkpoint files, in upstream's own naming, for a configuration.

Upstream: the state dicts of `S3Token2Wav` (`chatterbox/models/s3gen/s3gen.py`), `VoiceEncoder` and `T3`. Here each
stage has a file.
"""

from __future__ import annotations

from collections.abc import Callable

from spec.config import ChatterboxConfig, multilingual
from spec.keys.flow import flow_keys
from spec.keys.key import Key, Keys
from spec.keys.speaker_encoder import speaker_encoder_keys
from spec.keys.t3 import t3_keys
from spec.keys.tokenizer import tokenizer_keys
from spec.keys.turbo import turbo_t3_keys
from spec.keys.vocoder import vocoder_keys
from spec.keys.voice_encoder import voice_encoder_keys
from spec.keys.watermark import watermark_keys
from spec.turbo import TurboConfig

__all__ = [
    "FILES",
    "TURBO_FILES",
    "Key",
    "Keys",
    "flow_keys",
    "s3gen_keys",
    "speaker_encoder_keys",
    "t3_keys",
    "tokenizer_keys",
    "turbo_t3_keys",
    "vocoder_keys",
    "voice_encoder_keys",
    "watermark_keys",
]


def s3gen_keys(config: ChatterboxConfig) -> Keys:
    """The 2490 keys of `s3gen.safetensors` (at full size)."""
    yield from tokenizer_keys(config.tokenizer)
    yield from speaker_encoder_keys(config.speaker_encoder)
    yield from flow_keys(config.flow)
    yield from vocoder_keys(config.vocoder)


# The files of the published directory, without their suffix, and the keys in each: the multilingual model has a T3 of
# its own and shares the others.
FILES: dict[str, Callable[[ChatterboxConfig], Keys]] = {
    "s3gen": s3gen_keys,
    "ve": lambda config: voice_encoder_keys(config.voice_encoder),
    "t3_cfg": lambda config: t3_keys(config.t3),
    "t3_mtl23ls_v2": lambda config: t3_keys(multilingual(config).t3),
}
# Of Turbo and Nano, which have a voice encoder as above.
TURBO_FILES: dict[str, Callable[[TurboConfig], Keys]] = {
    "s3gen_meanflow": s3gen_keys,
    "t3_turbo_v1": lambda config: turbo_t3_keys(config.t3),
    "t3_nano_v1": lambda config: turbo_t3_keys(config.t3),
}
