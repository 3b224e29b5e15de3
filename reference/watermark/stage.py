"""The watermark as two segments of the pipeline: from one state, a dictionary of NumPy arrays, to the next."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from reference.ode import Observe, unobserved
from reference.watermark.watermark import Watermark
from spec.watermark.config import check_marked_wave

State = dict[str, np.ndarray]


def run_mark(model: Watermark, state: State, observe: Observe = unobserved) -> State:
    """`wave_32 (B, N)`, at 32 kHz -> the same with the mark."""
    wave = observe("watermark.wave", model.mark(_wave(model, state)))
    return state | {"wave_32": wave.numpy()}


def run_detect(model: Watermark, state: State, observe: Observe = unobserved) -> State:
    """`wave_32 (B, N)`, at 32 kHz -> `bits (B,)`."""
    return state | {"bits": model.bits(_wave(model, state), observe).numpy()}


def _wave(model: Watermark, state: State) -> Tensor:
    wave = state["wave_32"]
    check_marked_wave(model.config, wave)
    return torch.from_numpy(np.ascontiguousarray(wave)).to(model.encoder.layers[0].conv.weight.dtype)
