"""Text and a voice to audio: the whole pipeline, stage by stage.

What passes between stages are NumPy arrays, mels channels-first, so that tokens or a mel of one side can go into the
other. Upstream: `chatterbox/tts.py` (`ChatterboxTTS.generate`, `prepare_conditionals`) and `mtl_tts.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import mlx.core as mx
import numpy as np

from mlx_impl.conditioning.conditioner import Conditioner
from mlx_impl.conditioning.trim import trimmed
from mlx_impl.defaults import EMOTION, STEPS, sampling
from mlx_impl.ode import time_grid
from mlx_impl.ops.precision import working_float
from mlx_impl.t3.generation import each_token, speech_only
from mlx_impl.vocoder.streaming import VocoderStream
from mlx_impl.vocoder.vocoder import fade_in
from mlx_impl.weights.conditioning import load_conditioner
from mlx_impl.weights.flow import load_flow
from mlx_impl.weights.t3 import load_t3
from mlx_impl.weights.vocoder import load_vocoder
from mlx_impl.weights.watermark import load_watermark
from spec.audio import Voice
from spec.config import ChatterboxConfig, SamplingConfig
from spec.draws import Draws
from spec.streaming import StreamConfig, mel_pieces
from spec.text import load_tokenizer, normalize_punctuation
from spec.watermark.config import check_marked_wave
from spec.watermark.rates import marked_at

DTYPES = {"float32": mx.float32, "float16": mx.float16, "bfloat16": mx.bfloat16}


class Chatterbox:
    """MLX side. Each method is a stage; `conditions` are named as in `spec/files/conditionals.py`.

    `dtype` is that of T3, of the flow's networks and of the vocoder's generator. In float32 whatever it is:
    conditioning, which is done once a voice and decides tokens; logits and sampling; the ODE's state and time; f0,
    source and iSTFT; statistics of norms, softmax and activations.
    """

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
        return load_conditioner(self.checkpoint, self.config)

    def conditions(self, voice: Voice, emotion: float = EMOTION) -> dict[str, np.ndarray]:
        """A recording -> what imitates it: T3's prompt and speaker, the flow's prompt and x-vector."""
        prompt = self.conditioner.prompt(self.tensor(voice.voice_24[None]))
        whole = self.tensor(voice.whole_16[None])
        speaker = self.conditioner.speaker(self.tensor(voice.voice_16[None]), trimmed(whole))
        return {
            "speaker_emb": np.array(speaker.embedding),
            "cond_prompt_speech_tokens": np.array(speaker.tokens).astype(np.int64),
            "emotion_adv": np.full((1, 1, 1), emotion, np.float32),
            "prompt_tokens": np.array(prompt.tokens).astype(np.int64),
            "prompt_mel": np.array(prompt.mel),
            "embedding": np.array(prompt.embedding),
        }

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
        noise = draws.flow_noise(self.config.flow.mel_bins, frames).swapaxes(1, 2)  # (1, M, C)
        given = map(self.tensor, (whole, prompt_mel, conditions["embedding"], noise, time_grid(steps, working_float())))
        mel = self.flow(next(given), [whole.shape[1]], *given, finalize)
        return np.ascontiguousarray(np.array(mel[:, prompt_mel.shape[1] :]).swapaxes(1, 2))

    def wave(self, mel: np.ndarray, draws: Draws) -> np.ndarray:
        """Mel `(1, C, M)` -> samples `(480 M,)` at 24 kHz."""
        config = self.config.vocoder
        noise = draws.source_noise(config.harmonics, config.frame_samples * mel.shape[2]).swapaxes(1, 2)  # (1, N, h)
        phase = draws.phase(config.harmonics)
        wave, _ = self.vocoder(self.tensor(mel.swapaxes(1, 2)), self.tensor(phase), self.tensor(noise))
        return np.array(fade_in(wave, config.sample_rate)[0])

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

        def noise(samples: int) -> mx.array:
            return self.tensor(drawn(samples).swapaxes(1, 2))

        vocoder = VocoderStream(self.vocoder, self.tensor(draws.phase(harmonics)), noise)
        given = (text, conditions, sampling, draws, language, steps, config or StreamConfig())
        for mel, last in mel_pieces(self, *given):
            wave = np.array(vocoder.push(self.tensor(mel.swapaxes(1, 2)), last)[0])
            if len(wave):
                yield wave

    def marked(self, wave: np.ndarray, weights: Path) -> np.ndarray:
        """Samples `(N,)` at 24 kHz -> as many but for the last, with Perth's mark, whose weights lie in a file."""
        watermark = load_watermark(weights, self.config.watermark)

        def mark(own: np.ndarray) -> np.ndarray:
            check_marked_wave(watermark.config, own[None])
            return np.array(watermark.mark(self.tensor(own[None]))[0])

        return marked_at(self.config.vocoder.sample_rate, watermark.config.sample_rate, wave, mark)

    def tensor(self, array: np.ndarray) -> mx.array:
        """An array on this side: numbers in float32, which a stage rounds if it takes less; tokens as they are."""
        floating = np.issubdtype(array.dtype, np.floating)
        return mx.array(np.ascontiguousarray(array, working_float() if floating else None))
