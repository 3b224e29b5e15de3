"""The reference's block called as the C++ port is: channels last, one mask of frames."""

from __future__ import annotations

import torch
from torch import Tensor

from reference.attention_mask import attention_bias
from reference.decoder import UNetBlock
from tests.exact.cpp.subject import CONFIG, WIDTH_IN, weights


class Reference(UNetBlock):
    """`x (B, M, width_in)`, `mask (B, M)` and `t (B, time_width)` -> `(B, M, width)`."""

    def __init__(self) -> None:
        super().__init__(CONFIG, WIDTH_IN, outer=False)
        self.load_state_dict({name: torch.from_numpy(array) for name, array in weights().items()}, strict=True)

    def forward(self, x: Tensor, mask: Tensor, t: Tensor) -> Tensor:
        return super().forward(x.transpose(1, 2), mask[:, None], attention_bias(mask), t).transpose(1, 2)
