"""16 kHz voice to x-vector: Kaldi's filter bank, then CAM++.

Upstream: `chatterbox/models/s3gen/xvector.py` from 3D-Speaker, over `torchaudio.compliance.kaldi.fbank`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reference.conditioning.mel import Floor
from reference.conditioning.tables import kaldi_mel_filters, povey_window
from spec.config import SpeakerEncoderConfig

RATE, FRAME, HOP, N_FFT = 16000, 400, 160, 512  # Hz, samples
LOWEST = 20.0  # Hz, of the filters
PREEMPHASIS = 0.97


class Centred(nn.Module):
    """`b n` at 16 kHz -> `b t w` at 100 Hz. Whole frames, 1 + (N - 400) // 160 of N samples, each less its mean."""

    def forward(self, wave: Tensor) -> Tensor:
        frames = wave.unfold(1, FRAME, HOP)  # (B, T, FRAME)
        return frames - frames.mean(dim=2, keepdim=True)


class Emphasised(nn.Module):
    """`b t w` -> `b t w`. Each sample less 0.97 times the one before it, a frame's first less 0.97 times itself."""

    def forward(self, frames: Tensor) -> Tensor:
        previous = F.pad(frames, (1, 0), mode="replicate")[..., :-1]
        return frames - PREEMPHASIS * previous


class Frames(nn.Module):
    """`b n` at 16 kHz -> `b t w` at 100 Hz. Each frame loses its mean, is pre-emphasised and windowed."""

    def __init__(self) -> None:
        super().__init__()
        self.centred = Centred()
        self.emphasised = Emphasised()

    def forward(self, wave: Tensor) -> Tensor:
        return self.emphasised(self.centred(wave)) * povey_window(FRAME, wave.dtype).to(wave.device)


class FramePowers(nn.Module):
    """`b t w` -> `b t f`. Squared magnitudes of the transform, of frames made longer by zeros."""

    def forward(self, frames: Tensor) -> Tensor:
        return torch.fft.rfft(F.pad(frames, (0, N_FFT - FRAME))).abs().pow(2.0)


class KaldiFiltered(nn.Module):
    """`b t f` -> `b t c`. Each filter's sum over the frequencies."""

    def __init__(self, mel_bins: int):
        super().__init__()
        self.mel_bins = mel_bins

    def forward(self, powers: Tensor) -> Tensor:
        return powers @ kaldi_mel_filters(RATE, N_FFT, self.mel_bins, LOWEST, powers.dtype).T.to(powers.device)


class Logarithms(nn.Module):
    """`b t c` -> `b t c`. Natural logarithms."""

    def forward(self, x: Tensor) -> Tensor:
        return x.log()


class FilterBank(nn.Module):
    """`b n` at 16 kHz -> `b c t` at 100 Hz: log mel powers less each bin's mean over time."""

    def __init__(self, mel_bins: int):
        super().__init__()
        self.frames = Frames()
        self.powers = FramePowers()
        self.filtered = KaldiFiltered(mel_bins)
        self.floor = Floor(torch.finfo(torch.float32).eps)  # Kaldi's, whatever the dtype
        self.logs = Logarithms()

    def forward(self, wave: Tensor) -> Tensor:
        features = self.logs(self.floor(self.filtered(self.powers(self.frames(wave)))))
        return (features - features.mean(dim=1, keepdim=True)).permute(0, 2, 1)


class BatchNorm(nn.Module):
    """`b c ...` -> `b c ...`, with the statistics of training, which are loaded like any parameter."""

    def __init__(self, width: int, affine: bool = True):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width)) if affine else None
        self.bias = nn.Parameter(torch.zeros(width)) if affine else None
        self.running_mean = nn.Parameter(torch.zeros(width))
        self.running_var = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=1e-5)


class Shortcut(nn.Module):
    """`b c f t` -> `b c f t`. The residual path of a block that strides over frequency."""

    def __init__(self, width: int, stride: int):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 1, stride=(stride, 1), bias=False)
        self.norm = BatchNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


class BasicResBlock(nn.Module):
    """`b c f t` -> `b c f t`. Two 3 x 3 convolutions with a residual; `stride` divides the frequencies."""

    def __init__(self, width: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, stride=(stride, 1), padding=1, bias=False)
        self.norm1 = BatchNorm(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = BatchNorm(width)
        self.shortcut = Shortcut(width, stride) if stride != 1 else None

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.norm1(self.conv1(x)))
        h = self.norm2(self.conv2(h))
        return F.relu(h + (x if self.shortcut is None else self.shortcut(x)))


class FCM(nn.Module):
    """`b c t` -> `b c t`. Two-dimensional residual network: an eighth of the frequencies, each with its channels."""

    def __init__(self, config: SpeakerEncoderConfig):
        super().__init__()
        width = config.head_width
        self.conv1 = nn.Conv2d(1, width, 3, padding=1, bias=False)
        self.norm1 = BatchNorm(width)
        self.blocks = nn.ModuleList(
            BasicResBlock(width, 2 if block == 0 else 1) for count in config.head_blocks for block in range(count)
        )
        self.conv2 = nn.Conv2d(width, width, 3, stride=(2, 1), padding=1, bias=False)
        self.norm2 = BatchNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.norm1(self.conv1(x[:, None])))  # (B, c, F, T)
        for block in self.blocks:
            h = block(h)
        h = F.relu(self.norm2(self.conv2(h)))
        return h.reshape(h.shape[0], h.shape[1] * h.shape[2], h.shape[3])  # (B, c * F / 8, T)


class TDNNLayer(nn.Module):
    """`b c t` -> `b c t` at half the rate. Convolution, batch norm, ReLU."""

    def __init__(self, width_in: int, width: int):
        super().__init__()
        self.conv = nn.Conv1d(width_in, width, 5, stride=2, padding=2, bias=False)
        self.norm = BatchNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(x)))


class SegmentAverages(nn.Module):
    """`b c t` -> `b c t`. Each frame becomes the average of its segment; the last segment may be shorter."""

    def __init__(self, segment: int):
        super().__init__()
        self.segment = segment

    def forward(self, x: Tensor) -> Tensor:
        averages = F.avg_pool1d(x, self.segment, stride=self.segment, ceil_mode=True)
        return averages.repeat_interleave(self.segment, dim=-1)[..., : x.shape[-1]]


class CAMLayer(nn.Module):
    """`b c t` -> `b c t`. Context-aware masking: a convolution times a gate that sees the averages.

    The gate's context is the average over all time plus that over the frame's own segment.
    """

    def __init__(self, config: SpeakerEncoderConfig, dilation: int):
        super().__init__()
        width = config.bottleneck
        self.segment_averages = SegmentAverages(config.segment)
        self.conv = nn.Conv1d(width, config.growth, 3, padding=dilation, dilation=dilation, bias=False)
        self.conv1 = nn.Conv1d(width, width // 2, 1)
        self.conv2 = nn.Conv1d(width // 2, config.growth, 1)

    def forward(self, x: Tensor) -> Tensor:
        context = x.mean(-1, keepdim=True) + self.segment_averages(x)
        gate = torch.sigmoid(self.conv2(F.relu(self.conv1(context))))
        return self.conv(x) * gate


class CAMDenseTDNNLayer(nn.Module):
    """`b c t` -> `b c t`. Batch norm and ReLU before a bottleneck and before the masked convolution."""

    def __init__(self, config: SpeakerEncoderConfig, width_in: int, dilation: int):
        super().__init__()
        self.norm1 = BatchNorm(width_in)
        self.conv1 = nn.Conv1d(width_in, config.bottleneck, 1, bias=False)
        self.norm2 = BatchNorm(config.bottleneck)
        self.cam = CAMLayer(config, dilation)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.relu(self.norm1(x)))
        return self.cam(F.relu(self.norm2(h)))


class CAMDenseTDNNBlock(nn.Module):
    """`b c t` -> `b c t`. Each layer sees the input and the outputs of all layers before it, stacked."""

    def __init__(self, config: SpeakerEncoderConfig, width_in: int, layers: int, dilation: int):
        super().__init__()
        self.layers = nn.ModuleList(
            CAMDenseTDNNLayer(config, width_in + layer * config.growth, dilation) for layer in range(layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.cat([x, layer(x)], dim=1)
        return x


class TransitLayer(nn.Module):
    """`b c t` -> `b c t`. Batch norm, ReLU, and half the channels."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = BatchNorm(width)
        self.conv = nn.Conv1d(width, width // 2, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.relu(self.norm(x)))


class DenseLayer(nn.Module):
    """`b c` -> `b c`. Convolution of one frame, batch norm without weights."""

    def __init__(self, width_in: int, width: int):
        super().__init__()
        self.conv = nn.Conv1d(width_in, width, 1, bias=False)
        self.norm = BatchNorm(width, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x[:, :, None])[:, :, 0])


class StatsPool(nn.Module):
    """`b c t` -> `b c`. Mean and unbiased standard deviation over time, stacked: at least two frames."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x.mean(dim=-1), x.std(dim=-1)], dim=-1)


class CAMPPlus(nn.Module):
    """Wave `b n` at 16 kHz -> x-vector `b c`."""

    def __init__(self, config: SpeakerEncoderConfig):
        super().__init__()
        self.filter_bank = FilterBank(config.mel_bins)
        self.head = FCM(config)
        self.tdnn = TDNNLayer(config.head_width * (config.mel_bins // 8), config.width)
        blocks, transits, width = [], [], config.width
        for layers, dilation in zip(config.layers, config.dilations, strict=True):
            blocks.append(CAMDenseTDNNBlock(config, width, layers, dilation))
            width += layers * config.growth
            transits.append(TransitLayer(width))
            width //= 2
        self.blocks, self.transits = nn.ModuleList(blocks), nn.ModuleList(transits)
        self.norm = BatchNorm(width)
        self.stats = StatsPool()
        self.dense = DenseLayer(2 * width, config.speaker_width)

    def forward(self, wave: Tensor) -> Tensor:
        x = self.tdnn(self.head(self.filter_bank(wave)))
        for block, transit in zip(self.blocks, self.transits, strict=True):
            x = transit(block(x))
        return self.dense(self.stats(F.relu(self.norm(x))))
