"""One voice's speech in another voice: the words stay, as speech tokens, and the flow says them anew.

What passes between stages are NumPy arrays, as in `synthesis.py`. Upstream: `chatterbox/vc.py` (`ChatterboxVC`).
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from mlx_impl.conditioning.conditioner import PromptConditioner
from mlx_impl.synthesis import Synthesis
from mlx_impl.weights.conditioning import load_prompt_conditioner


class VoiceConverter(Synthesis):
    """MLX side. It needs `s3gen.safetensors` alone: neither T3 nor the voice encoder."""

    @cached_property
    def conditioner(self) -> PromptConditioner:
        """Loaded when a recording is to be heard."""
        return load_prompt_conditioner(self.checkpoint, self.config)

    def target(self, voice_24: np.ndarray) -> dict[str, np.ndarray]:
        """A recording `(N,)`, at 24 kHz, of the voice that is to speak -> the flow's prompt and x-vector."""
        prompt = self.conditioner.prompt(self.tensor(voice_24[None]))
        return {
            "prompt_tokens": np.array(prompt.tokens).astype(np.int64),
            "prompt_mel": np.array(prompt.mel),
            "embedding": np.array(prompt.embedding),
        }

    def heard(self, source_16: np.ndarray) -> list[int]:
        """The speech to be converted `(N,)`, at 16 kHz -> its tokens at 25 Hz."""
        tokens: list[int] = self.conditioner.tokenizer(self.tensor(source_16[None]))[0].tolist()
        return tokens
