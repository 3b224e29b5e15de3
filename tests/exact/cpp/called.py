"""Parts of the reference, called as the C++ port is: channels last, frames of all items in one mask."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import Tensor, nn

from reference.attention_mask import attention_bias
from reference.decoder import ConditionalDecoder, UNetBlock
from reference.flow import Flow
from reference.weights.flow import load_flow
from tests.exact.cpp.subject import CONFIG, LENGTHS, checkpoint


class Encoder(nn.Module):
    """`x (B, T, c)` -> mu `(B, 2T, C)`: the encoder and its projection, for items of so many valid tokens."""

    def __init__(self, flow: Flow, lengths: Sequence[int]) -> None:
        super().__init__()
        self.encoder, self.projection, self.lengths = flow.encoder, flow.encoder_proj, lengths

    def forward(self, x: Tensor) -> Tensor:
        return self.projection(self.encoder(x, self.lengths))


class DecoderBlock(nn.Module):
    """`x (B, M, width_in)`, `mask (B, M)` and `t (B, time_width)` -> `(B, M, width)`."""

    def __init__(self, block: UNetBlock) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor, mask: Tensor, t: Tensor) -> Tensor:
        return self.block(x.transpose(1, 2), mask[:, None], attention_bias(mask), t).transpose(1, 2)


class Decoder(nn.Module):
    """`x`, `mu` and `cond (B, M, C)`, `mask (B, M)`, `t (B)` and `speaker (B, C)` -> velocity `(B, M, C)`."""

    def __init__(self, decoder: ConditionalDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, x: Tensor, mask: Tensor, mu: Tensor, t: Tensor, speaker: Tensor, cond: Tensor) -> Tensor:
        x, mu, cond = (mel.transpose(1, 2) for mel in (x, mu, cond))
        return self.decoder(x, mask, mu, t, speaker, cond).transpose(1, 2)


def flow() -> Flow:
    with TemporaryDirectory() as folder:
        return load_flow(checkpoint(Path(folder)).parent, CONFIG)


def encoder() -> nn.Module:
    return Encoder(flow(), LENGTHS)


def decoder_block() -> nn.Module:
    return DecoderBlock(flow().decoder.mid_blocks[0])
