"""Speech tokens and a voice to audio: the stages that speaking and converting a voice share.

What passes between stages are NumPy arrays, mels channels-first, so that tokens or a mel of one side can go into the
other. Upstream: `chatterbox/models/s3gen/s3gen.py` (`S3Token2Wav.inference`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reference.defaults import STEPS
from reference.vocoder.vocoder import fade_in
from reference.weights.flow import load_flow
from reference.weights.vocoder import load_vocoder
from reference.weights.watermark import load_watermark
from spec.config import ChatterboxConfig, time_grid
from spec.draws import Draws
from spec.watermark.config import check_marked_wave
from spec.watermark.rates import marked_at

DTYPES = {"float32": torch.float32, "float64": torch.float64}


class Synthesis:
    """PyTorch side. Each method is a stage; `conditions` are named as in `spec/files/conditionals.py`."""

    steps = STEPS

    def __init__(self, checkpoint: Path, config: ChatterboxConfig, dtype: str = "float32"):
        if dtype not in DTYPES:
            raise ValueError(f"dtype {dtype!r}: expected one of {', '.join(DTYPES)}")
        self.dtype = DTYPES[dtype]
        self.checkpoint, self.config = checkpoint, config
        self.flow = load_flow(checkpoint, config.flow, self.dtype)
        self.vocoder = load_vocoder(checkpoint, config.vocoder, self.dtype)

    @torch.inference_mode()
    def mel(
        self,
        tokens: Sequence[int],
        conditions: Mapping[str, np.ndarray],
        draws: Draws,
        steps: int | None = None,
        finalize: bool = True,
    ) -> np.ndarray:
        """Speech tokens -> mel `(1, C, M)` at 50 Hz. Raises `ValueError` without a token. `finalize`: `Flow.encode`."""
        if not tokens:
            raise ValueError("no speech tokens: T3 ended at once; try another seed or a longer text")
        prompt_mel = conditions["prompt_mel"]
        whole = np.concatenate([conditions["prompt_tokens"], np.array([tokens])], axis=1)
        encoder = self.config.flow.encoder
        frames = encoder.stride * (whole.shape[1] - (0 if finalize else encoder.lookahead))
        noise = draws.flow_noise(self.config.flow.mel_bins, frames)
        grid = self.time_grid(self.steps if steps is None else steps)
        given = map(self.tensor, (whole, prompt_mel, conditions["embedding"], noise, grid))
        mel = self.flow(next(given), [whole.shape[1]], *given, finalize)
        return mel[:, :, prompt_mel.shape[1] :].numpy()

    @torch.inference_mode()
    def wave(self, mel: np.ndarray, draws: Draws) -> np.ndarray:
        """Mel `(1, C, M)` -> samples `(480 M,)` at 24 kHz."""
        config = self.config.vocoder
        noise = draws.source_noise(config.harmonics, config.frame_samples * mel.shape[2])
        wave, _ = self.vocoder(self.tensor(mel), self.tensor(draws.phase(config.harmonics)), self.tensor(noise))
        return fade_in(wave, config.sample_rate)[0].numpy()

    @torch.inference_mode()
    def marked(self, wave: np.ndarray, weights: Path) -> np.ndarray:
        """Samples `(N,)` at 24 kHz -> as many but for the last, with Perth's mark, whose weights lie in a file."""
        watermark = load_watermark(weights, self.config.watermark, self.dtype)

        def mark(own: np.ndarray) -> np.ndarray:
            check_marked_wave(watermark.config, own[None])
            return watermark.mark(self.tensor(own[None]))[0].numpy()

        return marked_at(self.config.vocoder.sample_rate, watermark.config.sample_rate, wave, mark)

    def time_grid(self, steps: int) -> np.ndarray:
        """Of the ODE, `(steps + 1,)`."""
        return time_grid(steps, self.float_type())

    def float_type(self) -> type[np.floating]:
        """What NumPy calls the dtype."""
        return np.dtype(str(self.dtype).removeprefix("torch.")).type

    def tensor(self, array: np.ndarray) -> Tensor:
        """An array on this side: numbers in the dtype of the weights, tokens as they are."""
        given = torch.from_numpy(np.ascontiguousarray(array))
        return given.to(self.dtype) if given.is_floating_point() else given
