"""The vocoder as two segments of the pipeline: from one state, a dictionary of NumPy arrays, to the next."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from reference.ode import Observe, unobserved
from reference.vocoder.vocoder import Vocoder, fade_in
from spec.config import check_vocoder_inputs

State = dict[str, np.ndarray]


def run_source(model: Vocoder, state: State, observe: Observe = unobserved) -> State:
    """`mel (B, C, M)`, the draws `phase` and `noise`, and `cache` if the state has one -> the source signal."""
    inputs = {name: state[name] for name in ("mel", "phase", "noise", "cache") if name in state}
    check_vocoder_inputs(model.config, inputs)
    source = model.excite(**{name: _floats(model, array) for name, array in inputs.items()}, observe=observe)
    return {"mel": state["mel"], "source": source.numpy()}


def run_wave(model: Vocoder, state: State, observe: Observe = unobserved) -> State:
    """`mel (B, C, M)` and `source (B, 1, N)` -> `wave (B, N)`, faded in."""
    wave = model.generator(_floats(model, state["mel"]), _floats(model, state["source"]), observe)
    return {"wave": observe("vocoder.wave", fade_in(wave, model.config.sample_rate)).numpy()}


def _floats(model: Vocoder, array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(model.source.linear.weight.dtype)
