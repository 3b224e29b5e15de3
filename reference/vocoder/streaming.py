"""Mel to wave while the mel is still being made: the samples of the whole run, in pieces.

Upstream carries the end of the source from call to call (`cache_source` in `chatterbox/models/s3gen/hifigan.py`), and
CosyVoice fades from one chunk's wave into the next. Here a piece is made with all the frames that its samples depend
on, and of a source that goes on where it was, so that there is nothing to fade.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from reference.vocoder.vocoder import Vocoder, fade_in
from spec.receptive_field import Context, vocoder_context


class VocoderStream:
    """Mel `(1, C, M)`, some frames at a time -> wave `(1, N)`, faded in, as far as later frames cannot change it.

    `phase (1, harmonics)` and `noise` are the source's draws; `noise` gives the next so many samples
    `(1, harmonics, N)`. Each source sample is made once: its phase is a sum over all before it.
    """

    def __init__(
        self,
        vocoder: Vocoder,
        phase: Tensor,
        noise: Callable[[int], Tensor],
        context: Context | None = None,
    ):
        self.vocoder, self.phase, self.noise = vocoder, phase, noise
        self.context = context or vocoder_context(vocoder.config)
        self.start = 0  # the frame at which what is kept begins
        self.mel: Tensor | None = None
        self.source: Tensor | None = None
        self.turned: Tensor | None = None
        self.excited = self.said = 0  # frames whose source, and whose wave, is made
        self.ended = False

    def push(self, mel: Tensor, last: bool = False) -> Tensor:
        """The next frames `(1, C, m)` -> the next samples `(1, N)`, N perhaps 0. The `last` frames bring all the rest.

        Raises `ValueError` after the last frames, and for a wave of one frame, which cannot be faded in.
        """
        if self.ended:
            raise ValueError("frames after the last: a stream says one utterance; make another stream")
        self.ended = last
        self.mel = mel if self.mel is None else torch.cat([self.mel, mel], dim=2)
        known = self.start + self.mel.shape[2]
        self.excite(known if last else known - self.context.pitch)
        until = known if last else self.excited - self.context.right
        if last and until < 2:
            raise ValueError(f"the mel has {until} frame, expected at least 2, which are faded in; say more")
        if until < max(2, self.said + 1):
            return mel.new_zeros((1, 0))
        samples = self.vocoder.config.frame_samples
        wave = self.vocoder.generator(self.mel[:, :, : self.excited - self.start], self.source)
        wave = wave[:, samples * (self.said - self.start) : samples * (until - self.start)]
        if self.said == 0:
            wave = fade_in(wave, self.vocoder.config.sample_rate)
        self.said = until
        self.forget(until - self.context.left)
        return wave

    def excite(self, until: int) -> None:
        """Make the source as far as frame `until`."""
        if until <= self.excited:
            return
        first = max(self.start, self.excited - self.context.pitch)
        f0 = self.vocoder.f0_predictor(self.mel[:, :, first - self.start :])
        f0 = f0[:, self.excited - first : until - first]
        module = self.vocoder.source
        noise = self.noise(self.vocoder.config.frame_samples * (until - self.excited))
        source = module(f0, self.phase, noise, before=self.turned)
        self.turned = module.sine_gen.turns(module.upsample(f0), self.turned)[..., -1:]
        self.source = source if self.source is None else torch.cat([self.source, source], dim=2)
        self.excited = until

    def forget(self, until: int) -> None:
        """Let go of the frames before `until`, on which nothing to come depends."""
        frames = max(0, until - self.start)
        self.mel = self.mel[:, :, frames:]
        self.source = self.source[:, :, self.vocoder.config.frame_samples * frames :]
        self.start += frames
