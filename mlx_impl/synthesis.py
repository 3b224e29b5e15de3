"""Speech tokens and a voice to audio: the stages that speaking and converting a voice share.

What passes between stages are NumPy arrays, mels channels-first, so that tokens or a mel of one side can go into the
other. Upstream: `chatterbox/models/s3gen/s3gen.py` (`S3Token2Wav.inference`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import mlx.core as mx
import numpy as np

from mlx_impl.defaults import STEPS
from mlx_impl.ode import time_grid
from mlx_impl.ops.precision import working_float
from mlx_impl.vocoder.vocoder import fade_in
from mlx_impl.weights.flow import load_flow
from mlx_impl.weights.vocoder import load_vocoder
from mlx_impl.weights.watermark import load_watermark
from spec.config import ChatterboxConfig
from spec.draws import Draws
from spec.watermark.config import check_marked_wave
from spec.watermark.rates import marked_at

DTYPES = {"float32": mx.float32, "float16": mx.float16, "bfloat16": mx.bfloat16}


class Synthesis:
    """MLX side. Each method is a stage; `conditions` are named as in `spec/files/conditionals.py`.

    `dtype` is that of T3, of the flow's networks and of the vocoder's generator. In float32 whatever it is:
    conditioning, which is done once a voice and decides tokens; logits and sampling; the ODE's state and time; f0,
    source and iSTFT; statistics of norms, softmax and activations.
    """

    steps = STEPS

    def __init__(self, checkpoint: Path, config: ChatterboxConfig, dtype: str = "float32"):
        if dtype not in DTYPES:
            raise ValueError(f"dtype {dtype!r}: expected one of {', '.join(DTYPES)}")
        self.dtype = DTYPES[dtype]
        self.checkpoint, self.config = checkpoint, config
        self.flow = load_flow(checkpoint, config.flow, self.dtype)
        self.vocoder = load_vocoder(checkpoint, config.vocoder, self.dtype)

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
        noise = draws.flow_noise(self.config.flow.mel_bins, frames).swapaxes(1, 2)  # (1, M, C)
        grid = self.time_grid(self.steps if steps is None else steps)
        given = map(self.tensor, (whole, prompt_mel, conditions["embedding"], noise, grid))
        mel = self.flow(next(given), [whole.shape[1]], *given, finalize)
        return np.ascontiguousarray(np.array(mel[:, prompt_mel.shape[1] :]).swapaxes(1, 2))

    def wave(self, mel: np.ndarray, draws: Draws) -> np.ndarray:
        """Mel `(1, C, M)` -> samples `(480 M,)` at 24 kHz."""
        config = self.config.vocoder
        noise = draws.source_noise(config.harmonics, config.frame_samples * mel.shape[2]).swapaxes(1, 2)  # (1, N, h)
        phase = draws.phase(config.harmonics)
        wave, _ = self.vocoder(self.tensor(mel.swapaxes(1, 2)), self.tensor(phase), self.tensor(noise))
        return np.array(fade_in(wave, config.sample_rate)[0])

    def marked(self, wave: np.ndarray, weights: Path) -> np.ndarray:
        """Samples `(N,)` at 24 kHz -> as many but for the last, with Perth's mark, whose weights lie in a file."""
        watermark = load_watermark(weights, self.config.watermark)

        def mark(own: np.ndarray) -> np.ndarray:
            check_marked_wave(watermark.config, own[None])
            return np.array(watermark.mark(self.tensor(own[None]))[0])

        return marked_at(self.config.vocoder.sample_rate, watermark.config.sample_rate, wave, mark)

    def time_grid(self, steps: int) -> np.ndarray:
        """Of the ODE, `(steps + 1,)`."""
        return time_grid(steps, self.float_type())

    def float_type(self) -> type[np.floating]:
        """What NumPy calls the dtype of the ODE's time."""
        return working_float()

    def tensor(self, array: np.ndarray) -> mx.array:
        """An array on this side: numbers in float32, which a stage rounds if it takes less; tokens as they are."""
        floating = np.issubdtype(array.dtype, np.floating)
        return mx.array(np.ascontiguousarray(array, working_float() if floating else None))
