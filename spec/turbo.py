"""Chatterbox Turbo and Nano: a GPT-2 in the place of T3's Llama, and a flow that makes a mel in two steps.

Upstream: `chatterbox/tts_turbo.py` (`from_local`), `models/t3/llama_configs.py` (`GPT2_MEDIUM_CONFIG`) and
`models/s3gen/s3gen.py` (`meanflow=True`). Nano is Turbo with GPT-2 small for GPT-2 medium. Everything that is not said
here is Chatterbox's: conditioning, encoder and vocoder are the same networks, with weights of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from spec.config import CHATTERBOX_SIZES, ChatterboxConfig

# Of a checkpoint.
TURBO_T3, NANO_T3 = "t3_turbo_v1.safetensors", "t3_nano_v1.safetensors"
S3GEN_MEANFLOW = "s3gen_meanflow.safetensors"
STEPS = 2  # of the ODE


@dataclass(frozen=True)
class TurboT3Config:
    """Text tokens to speech tokens: a GPT-2 over embeddings, with learned positions and no guidance.

    `file` is that of the checkpoint which holds it. `positions` are of the voice, the prompt, the text and the speech
    together: they have one table.
    """

    file: str = TURBO_T3
    text_vocab_size: int = 50276
    speech_vocab_size: int = 6563
    start_speech: int = 6561
    stop_speech: int = 6562
    positions: int = 8196
    prompt_tokens: int = 375  # at most, of the reference voice; nothing resamples them
    speaker_width: int = 256
    width: int = 1024
    heads: int = 16
    blocks: int = 24
    norm_eps: float = 1e-5
    unread_vocab_size: int = 50276  # of the GPT-2's own embedding, which is stored and never read

    @property
    def head_width(self) -> int:
        return self.width // self.heads

    @property
    def speech_positions(self) -> int:
        """What a prompt can have at most, as Chatterbox's T3 calls it, whose speech has a table of its own."""
        return self.positions

    @property
    def mlp_width(self) -> int:
        return 4 * self.width


@dataclass(frozen=True)
class TurboSampling:
    """How a token is chosen. `top_k` 0 and `top_p` 1 cut nothing; upstream makes a first token and 1000 more."""

    temperature: float = 0.8
    top_k: int = 1000
    top_p: float = 0.95
    repetition_penalty: float = 1.2
    max_tokens: int = 1001

    def __post_init__(self) -> None:
        ranges = {
            "temperature": 0 < self.temperature < np.inf,
            "top_k": self.top_k >= 0,
            "top_p": 0 <= self.top_p <= 1,
            "repetition_penalty": 0 < self.repetition_penalty < np.inf,
            "max_tokens": self.max_tokens >= 1,
        }
        for name, right in ranges.items():
            if not right:
                raise ValueError(
                    f"{name} is {getattr(self, name)}; expected top_p from 0 to 1, top_k from 0, max_tokens from 1, "
                    "the others above 0"
                )


@dataclass(frozen=True)
class TurboConfig(ChatterboxConfig):
    """The whole pipeline of Turbo or Nano, one configuration a stage."""

    t3: TurboT3Config = field(default_factory=TurboT3Config)  # type: ignore[assignment]


# The tiny sizes keep the speech vocabulary and the number of positions; widths, repeats and the text shrink.
TINY = TurboT3Config(
    text_vocab_size=300, unread_vocab_size=300, speaker_width=32, width=64, heads=4, blocks=2, prompt_tokens=20
)
T3_SIZES = {
    "turbo": {"tiny": TINY, "full": TurboT3Config()},
    "nano": {
        "tiny": replace(TINY, file=NANO_T3, width=48, heads=3, blocks=1),
        "full": TurboT3Config(NANO_T3, width=768, heads=12, blocks=12),
    },
}


def turbo(model: str, size: str) -> TurboConfig:
    """The configuration of `turbo` or `nano` at a size: the other stages are as large as Chatterbox's of that size."""
    stages = CHATTERBOX_SIZES[size]
    return TurboConfig(
        flow=replace(stages.flow, file=S3GEN_MEANFLOW, meanflow=True, steps=STEPS),
        vocoder=replace(stages.vocoder, file=S3GEN_MEANFLOW),
        tokenizer=replace(stages.tokenizer, file=S3GEN_MEANFLOW),
        speaker_encoder=replace(stages.speaker_encoder, file=S3GEN_MEANFLOW),
        t3=T3_SIZES[model][size],
        voice_encoder=stages.voice_encoder,
    )


def check_turbo_inputs(config: TurboT3Config, inputs: Mapping[str, np.ndarray]) -> None:
    """Raises `ValueError` for inputs that the T3 cannot take: text and prompt tokens, and the voice, of one item."""
    vocabularies = {
        "text_tokens": (config.text_vocab_size, "give one text"),
        "prompt_tokens": (config.speech_vocab_size, "give one voice"),
    }
    for name, (vocabulary, advice) in vocabularies.items():
        tokens = inputs[name]
        if tokens.ndim != 2 or len(tokens) != 1 or not tokens.size:
            raise ValueError(f"{name} have shape {tokens.shape}, expected (1, 1 or more); {advice}")
        if tokens.dtype.kind not in "iu" or tokens.min() < 0 or tokens.max() >= vocabulary:
            raise ValueError(
                f"{name} hold {tokens.min()} to {tokens.max()} ({tokens.dtype}), expected integers from 0 to "
                f"{vocabulary - 1}; is the tokenizer that of the model?"
            )
    length = prefix_length(inputs)
    if length >= config.positions:
        raise ValueError(
            f"voice, prompt and text take {length} positions, expected fewer than {config.positions}; split the text"
        )
    voice = inputs["voice"]
    if voice.shape != (1, config.speaker_width) or not np.isfinite(voice).all():
        raise ValueError(
            f"voice has shape {voice.shape}, expected {(1, config.speaker_width)} of finite values; make it again"
        )


def prefix_length(inputs: Mapping[str, np.ndarray]) -> int:
    """Positions before the first sampled token: the voice, the prompt, the text, and the start of speech."""
    return 1 + int(inputs["prompt_tokens"].shape[1]) + int(inputs["text_tokens"].shape[1]) + 1
