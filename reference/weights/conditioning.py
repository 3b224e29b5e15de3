"""The keys of conditioning in `s3gen.safetensors` and `ve.safetensors`, and the parameters that they fill."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor

from reference.conditioning.conditioner import Conditioner, PromptConditioner
from reference.conditioning.s3tokenizer import S3Tokenizer
from reference.conditioning.speaker_encoder import CAMPPlus
from reference.conditioning.voice_encoder import VoiceEncoder
from reference.weights.checkpoint import load, without_values
from spec.config import ChatterboxConfig, SpeakerEncoderConfig, TokenizerConfig, VoiceEncoderConfig
from spec.files.checkpoint import VE

SIMILARITY = ("similarity_weight", "similarity_bias")  # of the voice encoder's loss in training

TOKENIZER_PARTS = {
    "_mel_filters": "log_mel.filters",
    "window": "log_mel.window",
    ".attn.fsmn_block.": ".attn.memory.conv.",
    ".mlp.0.": ".mlp.proj_in.",
    ".mlp.2.": ".mlp.proj_out.",
    "quantizer._codebook.": "quantizer.",
}
SPEAKER_ENCODER_PARTS = {
    "xvector.": "",
    "out_nonlinear.batchnorm.": "norm.",
    ".nonlinear.batchnorm.": ".norm.",
    ".nonlinear1.batchnorm.": ".norm1.",
    ".nonlinear2.batchnorm.": ".norm2.",
    ".cam_layer.": ".cam.",
    ".linear_local.": ".conv.",
    ".linear.": ".conv.",
    ".linear1.": ".conv1.",
    ".linear2.": ".conv2.",
    ".bn1.": ".norm1.",
    ".bn2.": ".norm2.",
    ".shortcut.0.": ".shortcut.conv.",
    ".shortcut.1.": ".shortcut.norm.",
}
GATES = re.compile(r"^lstm\.(weight_ih|weight_hh|bias)_l(\d+)$")


def _renamed(key: str, parts: dict[str, str]) -> str:
    for upstream, ours in parts.items():
        key = key.replace(upstream, ours)
    return key


def tokenizer_parameter_name(key: str) -> str:
    """The parameter of `S3Tokenizer` that a key fills; `key` comes without its `tokenizer.` prefix."""
    return _renamed(key, TOKENIZER_PARTS)


def speaker_encoder_parameter_name(key: str) -> str:
    """The parameter of `CAMPPlus` that a key fills; `key` comes without its `speaker_encoder.` prefix.

    Upstream counts its dense blocks and their layers from 1, and keeps the head's residual blocks in layers of two.
    """
    key = _renamed(key, SPEAKER_ENCODER_PARTS)
    key = re.sub(r"^block(\d+)\.", lambda at: f"blocks.{int(at[1]) - 1}.", key)
    key = re.sub(r"\.tdnnd(\d+)\.", lambda at: f".layers.{int(at[1]) - 1}.", key)
    key = re.sub(r"^transit(\d+)\.", lambda at: f"transits.{int(at[1]) - 1}.", key)
    return re.sub(r"^head\.layer(\d+)\.(\d+)\.", lambda at: f"head.blocks.{2 * (int(at[1]) - 1) + int(at[2])}.", key)


def voice_encoder_parameter_name(key: str) -> str:
    """The parameter of `VoiceEncoder` that a key fills, once the LSTMs' biases are summed."""
    return "encoder." + GATES.sub(r"lstm.\2.\1", key)


def _sum_biases(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with each layer's two biases replaced by their sum, taken in double, and without the loss's own two.

    A bias without its other one is left as it is, which `load` refuses.
    """
    summed = {key: tensor for key, tensor in tensors.items() if key not in SIMILARITY}
    for key in list(summed):
        other = key.replace("bias_ih", "bias_hh")
        if other != key and other in tensors and tensors[other].shape == tensors[key].shape:
            summed[key.replace("bias_ih", "bias")] = summed.pop(key).double() + summed.pop(other).double()
    return summed


def load_tokenizer(checkpoint: Path, config: TokenizerConfig, dtype: torch.dtype = torch.float32) -> S3Tokenizer:
    """The S3 tokenizer of a checkpoint directory, in eval mode, in `dtype`. Raises `ValueError` as `load` does."""
    with without_values():
        tokenizer = S3Tokenizer(config)
    return load(tokenizer, checkpoint / config.file, "tokenizer.", tokenizer_parameter_name, dtype)


def load_speaker_encoder(
    checkpoint: Path, config: SpeakerEncoderConfig, dtype: torch.dtype = torch.float32
) -> CAMPPlus:
    """The speaker encoder of a checkpoint directory, in eval mode, in `dtype`. Raises `ValueError` as `load` does."""
    with without_values():
        encoder = CAMPPlus(config)
    return load(encoder, checkpoint / config.file, "speaker_encoder.", speaker_encoder_parameter_name, dtype)


def load_voice_encoder(
    checkpoint: Path, config: VoiceEncoderConfig, dtype: torch.dtype = torch.float32
) -> VoiceEncoder:
    """The voice encoder of a checkpoint directory, in eval mode, in `dtype`. Raises `ValueError` as `load` does."""
    with without_values():
        encoder = VoiceEncoder(config)
    return load(encoder, checkpoint / VE, "", voice_encoder_parameter_name, dtype, _sum_biases)


def load_prompt_conditioner(
    checkpoint: Path, config: ChatterboxConfig, dtype: torch.dtype = torch.float32
) -> PromptConditioner:
    """The flow's conditioning, of `s3gen.safetensors` alone, in eval mode, in `dtype`. `ValueError` as of `load`."""
    with without_values():
        conditioner = PromptConditioner(config)
    return _with_prompt(conditioner, checkpoint, config, dtype).eval()


def load_conditioner(checkpoint: Path, config: ChatterboxConfig, dtype: torch.dtype = torch.float32) -> Conditioner:
    """All of conditioning, in eval mode, in `dtype`. Raises `ValueError` as `load` does."""
    with without_values():
        conditioner = Conditioner(config)
    _with_prompt(conditioner, checkpoint, config, dtype)
    conditioner.voice_encoder = load_voice_encoder(checkpoint, config.voice_encoder, dtype)
    return conditioner.eval()


def _with_prompt(
    conditioner: PromptConditioner, checkpoint: Path, config: ChatterboxConfig, dtype: torch.dtype
) -> PromptConditioner:
    conditioner.tokenizer = load_tokenizer(checkpoint, config.tokenizer, dtype)
    conditioner.speaker_encoder = load_speaker_encoder(checkpoint, config.speaker_encoder, dtype)
    return conditioner
