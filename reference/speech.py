"""Text and a voice to audio: the whole pipeline, stage by stage.

What passes between stages are NumPy arrays, mels channels-first, so that tokens or a mel of one side can go into the
other. Upstream: `chatterbox/tts.py` (`ChatterboxTTS.generate`, `prepare_conditionals`) and `mtl_tts.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reference.conditioning.conditioner import Conditioner
from reference.conditioning.trim import trimmed
from reference.defaults import EMOTION, sampling
from reference.synthesis import Synthesis
from reference.t3.generation import each_token, speech_only
from reference.vocoder.streaming import VocoderStream
from reference.weights.conditioning import load_conditioner
from reference.weights.t3 import load_t3
from spec.audio import Voice
from spec.config import ChatterboxConfig, SamplingConfig
from spec.draws import Draws
from spec.streaming import StreamConfig, mel_pieces
from spec.text import load_tokenizer, normalize_punctuation


class Chatterbox(Synthesis):
    """PyTorch side of all that `Synthesis` has, and what comes before: a voice's conditions, and T3."""

    emotion = EMOTION
    speech_only = staticmethod(speech_only)

    def __init__(self, checkpoint: Path, config: ChatterboxConfig, dtype: str = "float32"):
        super().__init__(checkpoint, config, dtype)
        self.load()

    def load(self) -> None:
        """What `Synthesis` has not: the tokenizer, how T3 is sampled where nothing is said, and T3."""
        self.text = load_tokenizer(self.checkpoint, self.config.t3)
        self.sampling = sampling(self.config.t3)
        self.t3 = load_t3(self.checkpoint, self.config.t3, self.dtype)

    @cached_property
    def conditioner(self) -> Conditioner:
        """Loaded when a recording is to be heard: a voice's conditions in a file need none of it."""
        return load_conditioner(self.checkpoint, self.config, self.dtype)

    @torch.inference_mode()
    def conditions(self, voice: Voice, emotion: float | None = None) -> dict[str, np.ndarray]:
        """A recording -> what imitates it: T3's prompt and speaker, the flow's prompt and x-vector."""
        prompt = self.conditioner.prompt(self.tensor(voice.voice_24[None]))
        whole = self.tensor(voice.whole_16[None])
        speaker = self.conditioner.speaker(self.tensor(voice.voice_16[None]), trimmed(whole))
        return {
            "speaker_emb": speaker.embedding.numpy(),
            "cond_prompt_speech_tokens": speaker.tokens.numpy(),
            "emotion_adv": np.full((1, 1, 1), self.emotion if emotion is None else emotion, np.float32),
            "prompt_tokens": prompt.tokens.numpy(),
            "prompt_mel": prompt.mel.numpy(),
            "embedding": prompt.embedding.numpy(),
        }

    @torch.inference_mode()
    def tokens(
        self,
        text: str,
        conditions: Mapping[str, np.ndarray],
        sampling: SamplingConfig,
        draws: Draws,
        language: str | None = None,
    ) -> list[int]:
        """Text -> speech tokens at 25 Hz, no special ones among them. See `each_token`."""
        return self.speech_only(list(self.each_token(text, conditions, sampling, draws, language)), self.config.t3)

    @torch.inference_mode()
    def each_token(
        self,
        text: str,
        conditions: Mapping[str, np.ndarray],
        sampling: SamplingConfig,
        draws: Draws,
        language: str | None = None,
    ) -> Iterator[int]:
        """Text -> tokens as T3 decides them, special ones among them.

        The multilingual model must be told the `language`, a code of `spec/languages.py`; the English must not.
        """
        text = normalize_punctuation(text, self.config.t3.multilingual)
        given = [self.text.encode(text, language), conditions["cond_prompt_speech_tokens"]]
        given += [conditions["speaker_emb"], conditions["emotion_adv"].reshape(1)]
        uniforms = draws.uniforms(sampling.max_tokens)
        yield from each_token(self.t3, *map(self.tensor, given), sampling, uniforms)

    @torch.inference_mode()
    def stream(
        self,
        text: str,
        conditions: Mapping[str, np.ndarray],
        sampling: SamplingConfig,
        draws: Draws,
        language: str | None = None,
        steps: int | None = None,
        config: StreamConfig | None = None,
    ) -> Iterator[np.ndarray]:
        """Text -> samples at 24 kHz, `(N,)` at a time: joined, the wave of the mel of the tokens (`StreamConfig`)."""
        harmonics = self.config.vocoder.harmonics
        drawn = draws.source_noise_in_turn(harmonics)

        def noise(samples: int) -> Tensor:
            return self.tensor(drawn(samples))

        vocoder = VocoderStream(self.vocoder, self.tensor(draws.phase(harmonics)), noise)
        given = (text, conditions, sampling, draws, language, steps, config or StreamConfig())
        for mel, last in mel_pieces(self, *given):
            wave = vocoder.push(self.tensor(mel), last)[0].numpy()
            if len(wave):
                yield wave
