"""The vocoder as two segments of the pipeline: from one state, a dictionary of NumPy arrays, to the next."""

from __future__ import annotations

import mlx.core as mx
import numpy as np

from mlx_impl.ode import Observe, unobserved
from mlx_impl.vocoder.vocoder import Vocoder, fade_in
from spec.config import check_vocoder_inputs

State = dict[str, np.ndarray]


def run_source(model: Vocoder, state: State, observe: Observe = unobserved) -> State:
    """`mel (B, M, C)`, the draws `phase` and `noise`, and `cache` if the state has one -> the source signal."""
    inputs = {name: state[name] for name in ("mel", "phase", "noise", "cache") if name in state}
    check_vocoder_inputs(model.config, {name: np.swapaxes(array, 1, -1) for name, array in inputs.items()})
    source = model.excite(**{name: _floats(model, array) for name, array in inputs.items()}, observe=observe)
    return {"mel": state["mel"], "source": np.array(source)}


def run_wave(model: Vocoder, state: State, observe: Observe = unobserved) -> State:
    """`mel (B, M, C)` and `source (B, N, 1)` -> `wave (B, N)`, faded in."""
    wave = model.generator(_floats(model, state["mel"]), _floats(model, state["source"]), observe)
    return {"wave": np.array(observe("vocoder.wave", fade_in(wave, model.config.sample_rate)))}


def _floats(model: Vocoder, array: np.ndarray) -> mx.array:
    return mx.array(np.ascontiguousarray(array)).astype(model.source.linear.weight.dtype)
