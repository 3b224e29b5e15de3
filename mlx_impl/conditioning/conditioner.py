"""The two stages that turn a reference voice into conditions: the flow's prompt, and T3's prompt and speaker.

Upstream: `chatterbox/models/s3gen/s3gen.py` (`embed_ref`) and `chatterbox/tts.py` (`prepare_conditionals`). There are
two stages because both run the tokenizer: on the resampled prompt, and on the voice that the file reader has resampled.
"""

from __future__ import annotations

from typing import NamedTuple

import mlx.core as mx
from mlx import nn

from mlx_impl.conditioning.mel import PROMPT_RATE, PromptMel
from mlx_impl.conditioning.resample import Resample
from mlx_impl.conditioning.s3tokenizer import S3Tokenizer
from mlx_impl.conditioning.speaker_encoder import CAMPPlus
from mlx_impl.conditioning.voice_encoder import VoiceEncoder
from spec.config import ChatterboxConfig


class Prompt(NamedTuple):
    """What the flow continues: tokens `(B, P)`, mel `(B, 2P or 2P + 1, C)`, x-vector `(B, 192)`."""

    tokens: mx.array
    mel: mx.array
    embedding: mx.array


class Speaker(NamedTuple):
    """What T3 imitates: at most 150 tokens `(B, P)` and the speaker embedding `(B, 256)`."""

    tokens: mx.array
    embedding: mx.array


class PromptConditioner(nn.Module):
    """Waves `b n` to the flow's conditions. Every item of a batch is of the same length."""

    def __init__(self, config: ChatterboxConfig):
        super().__init__()
        self.voice_rate = config.tokenizer.sample_rate
        self.prompt_mel = PromptMel(config.flow.mel_bins)
        self.resample = Resample(PROMPT_RATE, self.voice_rate)
        self.speaker_encoder = CAMPPlus(config.speaker_encoder)
        self.tokenizer = S3Tokenizer(config.tokenizer)

    def prompt(self, voice_24: mx.array) -> Prompt:
        """The flow's prompt, of a voice at 24 kHz.

        Tokens of which no whole pair of mel frames is left are dropped, as upstream does it. An odd mel keeps its last
        frame.
        """
        mel = self.prompt_mel(voice_24)  # (B, P, C)
        voice_16 = self.resample(voice_24)
        embedding = self.speaker_encoder(voice_16)
        tokens = self.tokenizer(voice_16)[:, : mel.shape[1] // 2]
        return Prompt(tokens, mel, embedding)


class Conditioner(PromptConditioner):
    """Waves `b n` to all conditions, those of T3 among them."""

    def __init__(self, config: ChatterboxConfig):
        super().__init__(config)
        self.longest_prompt = config.t3.prompt_tokens
        self.voice_encoder = VoiceEncoder(config.voice_encoder)

    def speaker(self, voice_16: mx.array, trimmed_16: mx.array) -> Speaker:
        """T3's prompt, of a voice at 16 kHz, and the speaker, of the whole voice without silent ends."""
        return Speaker(self.tokenizer(voice_16, self.longest_prompt), self.voice_encoder(trimmed_16))
