"""The model of transformers: logits of a prompt, and of one more token with the cache that the prompt leaves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from ports.corrected import corrected
from ports.language.architecture import COMMON, Architecture


class Decoding(nn.Module):
    """Prompt `(B, L)` and token `(B, 1)` -> logits `(B, L, V)` and `(B, 1, V)`; made anew from its configuration.

    A subclass has `lines` of the model's module corrected.
    """

    lines: Mapping[str, str] = {}

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        eager = {"attn_implementation": "eager", "experts_implementation": "eager"}
        self.model = transformers.AutoModelForCausalLM.from_config(config, **eager)
        if self.lines:
            kind = type(self.model)
            self.model = getattr(corrected(kind.__module__, self.lines), kind.__name__)._from_config(config, **eager)

    def forward(self, prompt: Tensor, token: Tensor) -> tuple[Tensor, Tensor]:
        cache = transformers.DynamicCache(config=self.config)
        before = self.model(input_ids=prompt, use_cache=True, cache=cache)
        after = self.model(input_ids=token, use_cache=True, cache=cache)
        return before.logits, after.logits


def model(architecture: Architecture, mended: bool = False) -> Decoding:
    """The model in eval mode, with normal weights of 0.1 and scales about 1; corrections of routers are weights too."""
    transformers.utils.logging.disable_progress_bar()
    kind = type("Decoding", (Decoding,), {"lines": architecture.amended if mended else {}})
    decoding = kind(transformers.AutoConfig.for_model(architecture.reference, **{**COMMON, **architecture.settings}))
    torch.manual_seed(0)
    corrections = [(name, value) for name, value in decoding.named_buffers() if name.endswith("correction_bias")]
    with torch.no_grad():
        for name, value in [*decoding.named_parameters(), *corrections]:
            about = 1.0 if value.ndim == 1 and isinstance(value, nn.Parameter) else 0.0
            value.copy_(0.1 * torch.randn_like(value) + about)
            if architecture.drawn:
                value.copy_(architecture.drawn(name, value))
    return decoding.eval()
