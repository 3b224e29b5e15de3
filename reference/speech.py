"""Text and a voice to audio: the whole pipeline, stage by stage.

What passes between stages are NumPy arrays, mels channels-first, so that tokens or a mel of one side can go into the
other. Upstream: `chatterbox/tts.py` (`ChatterboxTTS.generate`, `prepare_conditionals`) and `mtl_tts.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reference.conditioning.conditioner import Conditioner
from reference.conditioning.trim import trimmed
from reference.defaults import EMOTION, STEPS, sampling
from reference.t3.generation import each_token, speech_only
from reference.vocoder.streaming import VocoderStream
from reference.vocoder.vocoder import fade_in
from reference.weights.conditioning import load_conditioner
from reference.weights.flow import load_flow
from reference.weights.t3 import load_t3
from reference.weights.vocoder import load_vocoder
from reference.weights.watermark import load_watermark
from spec.audio import Voice
from spec.config import ChatterboxConfig, SamplingConfig, time_grid
from spec.draws import Draws
from spec.streaming import StreamConfig, mel_pieces
from spec.text import load_tokenizer, normalize_punctuation
from spec.watermark.config import check_marked_wave
from spec.watermark.rates import marked_at

DTYPES = {"float32": torch.float32, "float64": torch.float64}


class Chatterbox:
    """PyTorch side. Each method is a stage; `conditions` are named as in `spec/files/conditionals.py`."""

    def __init__(self, checkpoint: Path, config: ChatterboxConfig, dtype: str = "float32"):
        if dtype not in DTYPES:
            raise ValueError(f"dtype {dtype!r}: expected one of {', '.join(DTYPES)}")
        self.dtype = DTYPES[dtype]
        self.checkpoint, self.config = checkpoint, config
        self.text = load_tokenizer(checkpoint, config.t3)
        self.sampling = sampling(config.t3)
        self.t3 = load_t3(checkpoint, config.t3, self.dtype)
        self.flow = load_flow(checkpoint, config.flow, self.dtype)
        self.vocoder = load_vocoder(checkpoint, config.vocoder, self.dtype)

    @cached_property
    def conditioner(self) -> Conditioner:
        """Loaded when a recording is to be heard: a voice's conditions in a file need none of it."""
        return load_conditioner(self.checkpoint, self.config, self.dtype)

    @torch.inference_mode()
    def conditions(self, voice: Voice, emotion: float = EMOTION) -> dict[str, np.ndarray]:
        """A recording -> what imitates it: T3's prompt and speaker, the flow's prompt and x-vector."""
        prompt = self.conditioner.prompt(self.tensor(voice.voice_24[None]))
        whole = self.tensor(voice.whole_16[None])
        speaker = self.conditioner.speaker(self.tensor(voice.voice_16[None]), trimmed(whole))
        return {
            "speaker_emb": speaker.embedding.numpy(),
            "cond_prompt_speech_tokens": speaker.tokens.numpy(),
            "emotion_adv": np.full((1, 1, 1), emotion, np.float32),
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
        return speech_only(list(self.each_token(text, conditions, sampling, draws, language)), self.config.t3)

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
    def mel(
        self,
        tokens: Sequence[int],
        conditions: Mapping[str, np.ndarray],
        draws: Draws,
        steps: int = STEPS,
        finalize: bool = True,
    ) -> np.ndarray:
        """Speech tokens -> mel `(1, C, M)` at 50 Hz. Raises `ValueError` without a token. `finalize`: `Flow.encode`."""
        if not tokens:
            raise ValueError("no speech tokens: T3 ended at once; try another seed or a longer text")
        prompt_mel = conditions["prompt_mel"]
        whole = np.concatenate([conditions["prompt_tokens"], np.array([tokens])], axis=1)
        encoder = self.config.flow.encoder
        frames = encoder.stride * (whole.shape[1] - (0 if finalize else encoder.lookahead))
        noise = draws.flow_noise(self.config.flow.mel_bins, frames)
        grid = time_grid(steps, np.dtype(str(self.dtype).removeprefix("torch.")).type)
        given = map(self.tensor, (whole, prompt_mel, conditions["embedding"], noise, grid))
        mel = self.flow(next(given), [whole.shape[1]], *given, finalize)
        return mel[:, :, prompt_mel.shape[1] :].numpy()

    @torch.inference_mode()
    def wave(self, mel: np.ndarray, draws: Draws) -> np.ndarray:
        """Mel `(1, C, M)` -> samples `(480 M,)` at 24 kHz."""
        config = self.config.vocoder
        noise = draws.source_noise(config.harmonics, config.frame_samples * mel.shape[2])
        wave, _ = self.vocoder(self.tensor(mel), self.tensor(draws.phase(config.harmonics)), self.tensor(noise))
        return fade_in(wave, config.sample_rate)[0].numpy()

    @torch.inference_mode()
    def stream(
        self,
        text: str,
        conditions: Mapping[str, np.ndarray],
        sampling: SamplingConfig,
        draws: Draws,
        language: str | None = None,
        steps: int = STEPS,
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

    @torch.inference_mode()
    def marked(self, wave: np.ndarray, weights: Path) -> np.ndarray:
        """Samples `(N,)` at 24 kHz -> as many but for the last, with Perth's mark, whose weights lie in a file."""
        watermark = load_watermark(weights, self.config.watermark, self.dtype)

        def mark(own: np.ndarray) -> np.ndarray:
            check_marked_wave(watermark.config, own[None])
            return watermark.mark(self.tensor(own[None]))[0].numpy()

        return marked_at(self.config.vocoder.sample_rate, watermark.config.sample_rate, wave, mark)

    def tensor(self, array: np.ndarray) -> Tensor:
        """An array on this side: numbers in the dtype of the weights, tokens as they are."""
        given = torch.from_numpy(np.ascontiguousarray(array))
        return given.to(self.dtype) if given.is_floating_point() else given
