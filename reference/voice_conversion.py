"""One voice's speech in another voice: the words stay, as speech tokens, and the flow says them anew.

What passes between stages are NumPy arrays, as in `synthesis.py`. Upstream: `chatterbox/vc.py` (`ChatterboxVC`).
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch

from reference.conditioning.conditioner import PromptConditioner
from reference.synthesis import Synthesis
from reference.weights.conditioning import load_prompt_conditioner


class VoiceConverter(Synthesis):
    """PyTorch side. It needs `s3gen.safetensors` alone: neither T3 nor the voice encoder."""

    @cached_property
    def conditioner(self) -> PromptConditioner:
        """Loaded when a recording is to be heard."""
        return load_prompt_conditioner(self.checkpoint, self.config, self.dtype)

    @torch.inference_mode()
    def target(self, voice_24: np.ndarray) -> dict[str, np.ndarray]:
        """A recording `(N,)`, at 24 kHz, of the voice that is to speak -> the flow's prompt and x-vector."""
        prompt = self.conditioner.prompt(self.tensor(voice_24[None]))
        return {
            "prompt_tokens": prompt.tokens.numpy(),
            "prompt_mel": prompt.mel.numpy(),
            "embedding": prompt.embedding.numpy(),
        }

    @torch.inference_mode()
    def heard(self, source_16: np.ndarray) -> list[int]:
        """The speech to be converted `(N,)`, at 16 kHz -> its tokens at 25 Hz."""
        tokens: list[int] = self.conditioner.tokenizer(self.tensor(source_16[None]))[0].tolist()
        return tokens
