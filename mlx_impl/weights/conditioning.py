"""Conditioning of a checkpoint, from `s3gen.safetensors` and `ve.safetensors`."""

from __future__ import annotations

from pathlib import Path

import mlx.core as mx

from mlx_impl.conditioning.conditioner import Conditioner, PromptConditioner
from mlx_impl.conditioning.s3tokenizer import S3Tokenizer
from mlx_impl.conditioning.speaker_encoder import CAMPPlus
from mlx_impl.conditioning.voice_encoder import VoiceEncoder
from mlx_impl.weights.checkpoint import load
from mlx_impl.weights.stored.mapping import parameter_of
from spec.config import ChatterboxConfig, SpeakerEncoderConfig, TokenizerConfig, VoiceEncoderConfig
from spec.files.checkpoint import VE


def tokenizer_parameter_name(key: str) -> str:
    """The parameter of `S3Tokenizer` that a key fills; `key` comes without its `tokenizer.` prefix."""
    return parameter_of("tokenizer", f"tokenizer.{key}").removeprefix("tokenizer.")


def speaker_encoder_parameter_name(key: str) -> str:
    """The parameter of `CAMPPlus` that a key fills; `key` comes without its `speaker_encoder.` prefix."""
    return parameter_of("speaker_encoder", f"speaker_encoder.{key}").removeprefix("speaker_encoder.")


def voice_encoder_parameter_name(key: str) -> str:
    """The parameter of `VoiceEncoder` that a key fills."""
    return parameter_of("voice_encoder", key)


def load_tokenizer(checkpoint: Path, config: TokenizerConfig, dtype: mx.Dtype = mx.float32) -> S3Tokenizer:
    """The S3 tokenizer of a checkpoint directory, in eval mode, in `dtype`. Raises `ValueError` as `load` does."""
    tokenizer = S3Tokenizer(config)
    return load(tokenizer, checkpoint / config.file, "tokenizer", dtype)


def load_speaker_encoder(checkpoint: Path, config: SpeakerEncoderConfig, dtype: mx.Dtype = mx.float32) -> CAMPPlus:
    """The speaker encoder of a checkpoint directory, in eval mode, in `dtype`. Raises `ValueError` as `load` does."""
    encoder = CAMPPlus(config)
    return load(encoder, checkpoint / config.file, "speaker_encoder", dtype)


def load_voice_encoder(checkpoint: Path, config: VoiceEncoderConfig, dtype: mx.Dtype = mx.float32) -> VoiceEncoder:
    """The voice encoder of a checkpoint directory, in eval mode, in `dtype`. Raises `ValueError` as `load` does."""
    encoder = VoiceEncoder(config)
    return load(encoder, checkpoint / VE, "voice_encoder", dtype)


def load_prompt_conditioner(
    checkpoint: Path, config: ChatterboxConfig, dtype: mx.Dtype = mx.float32
) -> PromptConditioner:
    """The flow's conditioning, of `s3gen.safetensors` alone, in eval mode, in `dtype`. `ValueError` as of `load`."""
    conditioner = PromptConditioner(config)
    _with_prompt(conditioner, checkpoint, config, dtype).eval()
    return conditioner


def load_conditioner(checkpoint: Path, config: ChatterboxConfig, dtype: mx.Dtype = mx.float32) -> Conditioner:
    """All of conditioning, in eval mode, in `dtype`. Raises `ValueError` as `load` does."""
    conditioner = Conditioner(config)
    _with_prompt(conditioner, checkpoint, config, dtype)
    conditioner.voice_encoder = load_voice_encoder(checkpoint, config.voice_encoder, dtype)
    conditioner.eval()
    return conditioner


def _with_prompt(
    conditioner: PromptConditioner, checkpoint: Path, config: ChatterboxConfig, dtype: mx.Dtype
) -> PromptConditioner:
    conditioner.tokenizer = load_tokenizer(checkpoint, config.tokenizer, dtype)
    conditioner.speaker_encoder = load_speaker_encoder(checkpoint, config.speaker_encoder, dtype)
    return conditioner
