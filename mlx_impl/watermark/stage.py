"""The watermark as two segments of the pipeline: from one state, a dictionary of NumPy arrays, to the next."""

from __future__ import annotations

import mlx.core as mx
import numpy as np

from mlx_impl.ode import Observe, unobserved
from mlx_impl.watermark.watermark import Watermark
from spec.watermark.config import check_marked_wave

State = dict[str, np.ndarray]


def run_mark(model: Watermark, state: State, observe: Observe = unobserved) -> State:
    """`wave_32 (B, N)`, at 32 kHz -> the same with the mark."""
    wave = observe("watermark.wave", model.mark(_wave(model, state)))
    return state | {"wave_32": np.array(wave)}


def run_detect(model: Watermark, state: State, observe: Observe = unobserved) -> State:
    """`wave_32 (B, N)`, at 32 kHz -> `bits (B,)`."""
    return state | {"bits": np.array(model.bits(_wave(model, state), observe))}


def _wave(model: Watermark, state: State) -> mx.array:
    wave = state["wave_32"]
    check_marked_wave(model.config, wave)
    return mx.array(np.ascontiguousarray(wave)).astype(model.encoder.layers[0].conv.weight.dtype)
