"""Keys of the S3 tokenizer: 16 kHz voice to speech tokens. Its window and its mel filters are stored too.

Upstream: `chatterbox/models/s3tokenizer/s3tokenizer.py` and the package s3tokenizer's `model_v2.py`.
"""

from __future__ import annotations

from spec.config import TokenizerConfig
from spec.keys.key import Key, Keys, weight_and_bias


def tokenizer_keys(config: TokenizerConfig) -> Keys:
    """The 104 `tokenizer.` keys (at full size)."""
    width = config.width
    yield Key("tokenizer._mel_filters", (config.mel_bins, config.n_fft // 2 + 1))
    yield Key("tokenizer.window", (config.n_fft,))
    yield from weight_and_bias("tokenizer.encoder.conv1", width, config.mel_bins, 3)
    yield from weight_and_bias("tokenizer.encoder.conv2", width, width, 3)
    for block in range(config.blocks):
        yield from block_keys(f"tokenizer.encoder.blocks.{block}", config)
    yield from weight_and_bias("tokenizer.quantizer._codebook.project_down", config.digits, width)


def block_keys(at: str, config: TokenizerConfig) -> Keys:
    width = config.width
    for linear in ("query", "value", "out"):
        yield from weight_and_bias(f"{at}.attn.{linear}", width, width)
    yield Key(f"{at}.attn.key.weight", (width, width))
    yield Key(f"{at}.attn.fsmn_block.weight", (width, 1, config.memory_kernel))
    yield from weight_and_bias(f"{at}.attn_ln", width)
    yield from weight_and_bias(f"{at}.mlp.0", 4 * width, width)
    yield from weight_and_bias(f"{at}.mlp.2", width, 4 * width)
    yield from weight_and_bias(f"{at}.mlp_ln", width)
