"""16 kHz voice to x-vector: Kaldi's filter bank, then CAM++.

Upstream: `chatterbox/models/s3gen/xvector.py` from 3D-Speaker, over `torchaudio.compliance.kaldi.fbank`.
"""

from __future__ import annotations

import mlx.core as mx
import numpy as np
from mlx import nn

from mlx_impl.conditioning.mel import Floor
from mlx_impl.conditioning.tables import kaldi_mel_filters, povey_window
from mlx_impl.ops import functional as F
from mlx_impl.ops.convolution import Conv1d, Conv2d
from mlx_impl.ops.linear import matmul
from mlx_impl.ops.normalization import batch_norm
from mlx_impl.ops.spectrum import framed, power_spectrum
from mlx_impl.ops.summation import blocked_sum, mean_over_time
from spec.config import SpeakerEncoderConfig

RATE, FRAME, HOP, N_FFT = 16000, 400, 160, 512  # Hz, samples
LOWEST = 20.0  # Hz, of the filters
PREEMPHASIS = 0.97


class Centred(nn.Module):
    """`b n` at 16 kHz -> `b t w` at 100 Hz. Whole frames, 1 + (N - 400) // 160 of N samples, each less its mean."""

    def __call__(self, wave: mx.array) -> mx.array:
        frames = framed(wave, FRAME, HOP)  # (B, T, FRAME)
        return frames - matmul(frames, mx.ones((FRAME, 1))) / FRAME


class Emphasised(nn.Module):
    """`b t w` -> `b t w`. Each sample less 0.97 times the one before it, a frame's first less 0.97 times itself."""

    def __call__(self, frames: mx.array) -> mx.array:
        previous = mx.concatenate([frames[..., :1], frames[..., :-1]], axis=-1)
        return frames - PREEMPHASIS * previous


class Frames(nn.Module):
    """`b n` at 16 kHz -> `b t w` at 100 Hz. Each frame loses its mean, is pre-emphasised and windowed."""

    def __init__(self) -> None:
        super().__init__()
        self.centred = Centred()
        self.emphasised = Emphasised()

    def __call__(self, wave: mx.array) -> mx.array:
        return self.emphasised(self.centred(wave)) * povey_window(FRAME, wave.dtype)


class FramePowers(nn.Module):
    """`b t w` -> `b t f`. Squared magnitudes of the transform, of frames made longer by zeros."""

    def __call__(self, frames: mx.array) -> mx.array:
        return power_spectrum(frames, N_FFT)


class KaldiFiltered(nn.Module):
    """`b t f` -> `b t c`. Each filter's sum over the frequencies."""

    def __init__(self, mel_bins: int):
        super().__init__()
        self.mel_bins = mel_bins

    def __call__(self, powers: mx.array) -> mx.array:
        return matmul(powers, kaldi_mel_filters(RATE, N_FFT, self.mel_bins, LOWEST, powers.dtype).T)


class Logarithms(nn.Module):
    """`b t c` -> `b t c`. Natural logarithms."""

    def __call__(self, x: mx.array) -> mx.array:
        return mx.log(x)


class FilterBank(nn.Module):
    """`b n` at 16 kHz -> `b t c` at 100 Hz: log mel powers less each bin's mean over time."""

    def __init__(self, mel_bins: int):
        super().__init__()
        self.frames = Frames()
        self.powers = FramePowers()
        self.filtered = KaldiFiltered(mel_bins)
        self.floor = Floor(np.finfo(np.float32).eps.item())  # Kaldi's, whatever the dtype
        self.logs = Logarithms()

    def __call__(self, wave: mx.array) -> mx.array:
        features = self.logs(self.floor(self.filtered(self.powers(self.frames(wave)))))
        return features - mean_over_time(features)


class BatchNorm(nn.Module):
    """`b ... c` -> `b ... c`, with the statistics of training, which are loaded like any parameter."""

    def __init__(self, width: int, affine: bool = True):
        super().__init__()
        if affine:
            self.weight = mx.ones((width,))
            self.bias = mx.zeros((width,))
        self.running_mean = mx.zeros((width,))
        self.running_var = mx.ones((width,))

    def __call__(self, x: mx.array) -> mx.array:
        if "weight" not in self:
            return (x - self.running_mean) / mx.sqrt(self.running_var + 1e-5)
        return batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias)


class Shortcut(nn.Module):
    """`b f t c` -> `b f t c`. The residual path of a block that strides over frequency."""

    def __init__(self, width: int, stride: int):
        super().__init__()
        self.conv = Conv2d(width, width, 1, stride=(stride, 1), bias=False)
        self.norm = BatchNorm(width)

    def __call__(self, x: mx.array) -> mx.array:
        return self.norm(self.conv(x))


class BasicResBlock(nn.Module):
    """`b f t c` -> `b f t c`. Two 3 x 3 convolutions with a residual; `stride` divides the frequencies."""

    def __init__(self, width: int, stride: int):
        super().__init__()
        self.conv1 = Conv2d(width, width, 3, stride=(stride, 1), padding=1, bias=False)
        self.norm1 = BatchNorm(width)
        self.conv2 = Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = BatchNorm(width)
        self.shortcut = Shortcut(width, stride) if stride != 1 else None

    def __call__(self, x: mx.array) -> mx.array:
        h = nn.relu(self.norm1(self.conv1(x)))
        h = self.norm2(self.conv2(h))
        return nn.relu(h + (x if self.shortcut is None else self.shortcut(x)))


class FCM(nn.Module):
    """`b t c` -> `b t c`. Two-dimensional residual network: an eighth of the frequencies, each with its channels."""

    def __init__(self, config: SpeakerEncoderConfig):
        super().__init__()
        width = config.head_width
        self.conv1 = Conv2d(1, width, 3, padding=1, bias=False)
        self.norm1 = BatchNorm(width)
        self.blocks = [
            BasicResBlock(width, 2 if block == 0 else 1) for count in config.head_blocks for block in range(count)
        ]
        self.conv2 = Conv2d(width, width, 3, stride=(2, 1), padding=1, bias=False)
        self.norm2 = BatchNorm(width)

    def __call__(self, x: mx.array) -> mx.array:
        h = nn.relu(self.norm1(self.conv1(x.swapaxes(1, 2)[..., None])))  # (B, F, T, c)
        for block in self.blocks:
            h = block(h)
        h = nn.relu(self.norm2(self.conv2(h)))
        return h.transpose(0, 2, 3, 1).reshape(h.shape[0], h.shape[2], -1)  # (B, T, c * F / 8)


class TDNNLayer(nn.Module):
    """`b t c` -> `b t c` at half the rate. Convolution, batch norm, ReLU."""

    def __init__(self, width_in: int, width: int):
        super().__init__()
        self.conv = Conv1d(width_in, width, 5, stride=2, padding=2, bias=False)
        self.norm = BatchNorm(width)

    def __call__(self, x: mx.array) -> mx.array:
        return nn.relu(self.norm(self.conv(x)))


class SegmentAverages(nn.Module):
    """`b t c` -> `b t c`. Each frame becomes the average of its segment; the last segment may be shorter."""

    def __init__(self, segment: int):
        super().__init__()
        self.segment = segment

    def __call__(self, x: mx.array) -> mx.array:
        batch, frames, channels = x.shape
        segments = -(-frames // self.segment)
        padded = mx.pad(x, ((0, 0), (0, segments * self.segment - frames), (0, 0)))
        sums = blocked_sum(padded.reshape(batch, segments, self.segment, channels))[:, :, 0]
        counts = [min(self.segment, frames - segment * self.segment) for segment in range(segments)]
        return mx.repeat(sums / mx.array(counts)[:, None], self.segment, axis=1)[:, :frames]


class CAMLayer(nn.Module):
    """`b t c` -> `b t c`. Context-aware masking: a convolution times a gate that sees the averages.

    The gate's context is the average over all time plus that over the frame's own segment.
    """

    def __init__(self, config: SpeakerEncoderConfig, dilation: int):
        super().__init__()
        width = config.bottleneck
        self.segment_averages = SegmentAverages(config.segment)
        self.conv = Conv1d(width, config.growth, 3, padding=dilation, dilation=dilation, bias=False)
        self.conv1 = Conv1d(width, width // 2, 1)
        self.conv2 = Conv1d(width // 2, config.growth, 1)

    def __call__(self, x: mx.array) -> mx.array:
        context = mean_over_time(x) + self.segment_averages(x)
        gate = F.sigmoid(self.conv2(nn.relu(self.conv1(context))))
        return self.conv(x) * gate


class CAMDenseTDNNLayer(nn.Module):
    """`b t c` -> `b t c`. Batch norm and ReLU before a bottleneck and before the masked convolution."""

    def __init__(self, config: SpeakerEncoderConfig, width_in: int, dilation: int):
        super().__init__()
        self.norm1 = BatchNorm(width_in)
        self.conv1 = Conv1d(width_in, config.bottleneck, 1, bias=False)
        self.norm2 = BatchNorm(config.bottleneck)
        self.cam = CAMLayer(config, dilation)

    def __call__(self, x: mx.array) -> mx.array:
        h = self.conv1(nn.relu(self.norm1(x)))
        return self.cam(nn.relu(self.norm2(h)))


class CAMDenseTDNNBlock(nn.Module):
    """`b t c` -> `b t c`. Each layer sees the input and the outputs of all layers before it, stacked."""

    def __init__(self, config: SpeakerEncoderConfig, width_in: int, layers: int, dilation: int):
        super().__init__()
        self.layers = [CAMDenseTDNNLayer(config, width_in + layer * config.growth, dilation) for layer in range(layers)]

    def __call__(self, x: mx.array) -> mx.array:
        for layer in self.layers:
            x = mx.concatenate([x, layer(x)], axis=-1)
        return x


class TransitLayer(nn.Module):
    """`b t c` -> `b t c`. Batch norm, ReLU, and half the channels."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = BatchNorm(width)
        self.conv = Conv1d(width, width // 2, 1, bias=False)

    def __call__(self, x: mx.array) -> mx.array:
        return self.conv(nn.relu(self.norm(x)))


class DenseLayer(nn.Module):
    """`b c` -> `b c`. Convolution of one frame, batch norm without weights."""

    def __init__(self, width_in: int, width: int):
        super().__init__()
        self.conv = Conv1d(width_in, width, 1, bias=False)
        self.norm = BatchNorm(width, affine=False)

    def __call__(self, x: mx.array) -> mx.array:
        return self.norm(self.conv(x[:, None])[:, 0])


class StatsPool(nn.Module):
    """`b t c` -> `b c`. Mean and unbiased standard deviation over time, stacked: at least two frames."""

    def __call__(self, x: mx.array) -> mx.array:
        mean = mean_over_time(x)
        variance = mean_over_time(mx.square(x - mean)) * (x.shape[1] / (x.shape[1] - 1))
        return mx.concatenate([mean, mx.sqrt(variance)], axis=-1)[:, 0]


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
        self.blocks, self.transits = blocks, transits
        self.norm = BatchNorm(width)
        self.stats = StatsPool()
        self.dense = DenseLayer(2 * width, config.speaker_width)

    def __call__(self, wave: mx.array) -> mx.array:
        x = self.tdnn(self.head(self.filter_bank(wave)))
        for block, transit in zip(self.blocks, self.transits, strict=True):
            x = transit(block(x))
        return self.dense(self.stats(nn.relu(self.norm(x))))
