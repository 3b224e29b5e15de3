"""The model of transformers: logits of a prompt, and of one more token with the cache that the prompt leaves."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from torch import Tensor, nn

from ports.language.architectures import COMMON, Architecture


class Decoding(nn.Module):
    """Prompt `(B, L)` and token `(B, 1)` -> logits `(B, L, V)` and `(B, 1, V)`; made anew from its configuration."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.cached = config.use_cache
        self.model = transformers.AutoModelForCausalLM.from_config(
            config, attn_implementation="eager", experts_implementation="eager"
        )

    def forward(self, prompt: Tensor, token: Tensor) -> tuple[Tensor, Tensor]:
        if not self.cached:
            return self.model(input_ids=prompt).logits, self.model(input_ids=token).logits
        before = self.model(input_ids=prompt, use_cache=True)
        after = self.model(input_ids=token, use_cache=True, cache=before.cache)
        return before.logits, after.logits


def model(architecture: Architecture) -> Decoding:
    """The model in eval mode, with normal weights of 0.1 and scales about 1."""
    transformers.utils.logging.disable_progress_bar()
    settings = {**COMMON, **architecture.settings}
    settings |= {"use_cache": architecture.cached}
    decoding = Decoding(transformers.AutoConfig.for_model(architecture.reference, **settings)).eval()
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in decoding.named_parameters():
            parameter.copy_(0.1 * torch.randn_like(parameter) + (1.0 if parameter.ndim == 1 else 0.0))
            if name.endswith(architecture.zeroed):
                parameter.zero_()
    return decoding
