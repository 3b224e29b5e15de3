"""The page to read: the stages of the pipeline, top to bottom, each from the state that the one before it left.

A state is a dictionary of NumPy arrays, so that it can be stored, or handed to the other side. This side is
channels-last.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

from mlx_impl.attention_mask import padding_mask
from mlx_impl.ode import Conditions, Observe, euler_step, unobserved
from mlx_impl.weights import load_flow
from reference.config import FlowConfig, check_flow_inputs, time_grid

State = dict[str, np.ndarray]
DTYPES = {"float32": mx.float32}


class Pipeline:
    """MLX side. `options`: `config` (`FlowConfig`) and `finalize` (`Flow.encode`)."""

    def __init__(self, checkpoint: Path, options: Mapping[str, Any], dtype: str = "float32"):
        if dtype not in DTYPES:
            raise ValueError(f"dtype {dtype!r}: expected one of {', '.join(DTYPES)}")
        self.config: FlowConfig = options["config"]
        self.finalize: bool = options["finalize"]
        self.dtype = DTYPES[dtype]
        self.model = load_flow(Path(checkpoint), self.config, self.dtype)

    def run(self, segment: str, index: int | None, state: State, observe: Observe = unobserved) -> State:
        """Run one stage: `encoder`, or step `index` of `ode`."""
        stages = {"encoder": self.encoder, "ode": self.ode}
        return stages[segment](state, index, observe)

    def encoder(self, state: State, index: int | None, observe: Observe) -> State:
        """Tokens, prompt and x-vector -> what the ODE needs: mu, speaker, condition, the noise and the time grid."""
        check_flow_inputs(self.config, state | {"x": state["x"].swapaxes(1, 2)}, self.finalize)
        tokens = mx.array(np.ascontiguousarray(state["tokens"]))
        mu, frames = self.model.encode(tokens, state["lengths"].tolist(), self.finalize)
        conditions = self.model.conditions(
            mu, frames, self.tensor(state["prompt_mel"]), self.tensor(state["embedding"])
        )
        grid = time_grid(self.config.steps)
        return {
            "mu": np.array(observe("mu", mu)),
            "speaker": np.array(observe("speaker", conditions.speaker)),
            "cond": np.array(observe("cond", conditions.cond)),
            "frames": np.array(frames),
            "time_grid": np.array(observe("ode.time_grid", mx.array(grid))),
            "x": state["x"],
        }

    def ode(self, state: State, index: int | None, observe: Observe) -> State:
        """One Euler step of the mel state `x (B, M, C)`."""
        x, mu, speaker, cond, grid = (self.tensor(state[name]) for name in ("x", "mu", "speaker", "cond", "time_grid"))
        guided = Conditions(mu, speaker, cond, padding_mask(state["frames"].tolist(), x.shape[1], x)).guided()
        step = index or 0
        x = euler_step(self.model.decoder, x, grid[step], grid[step + 1], guided, self.config.guidance, observe)
        return state | {"x": np.array(x)}

    def tensor(self, array: np.ndarray) -> mx.array:
        return mx.array(np.ascontiguousarray(array)).astype(self.dtype)
