"""The page to read: the stages of the pipeline, top to bottom, each from the state that the one before it left.

A state is a dictionary of NumPy arrays, so that it can be stored, or handed to the other side. This side is
channels-first.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reference.attention_mask import padding_mask
from reference.config import FlowConfig, check_flow_inputs, time_grid
from reference.ode import Conditions, Observe, euler_step, unobserved
from reference.weights import load_flow

State = dict[str, np.ndarray]
DTYPES = {"float32": torch.float32, "float64": torch.float64}


class Pipeline:
    """PyTorch side. `options`: `config` (`FlowConfig`) and `finalize` (`Flow.encode`)."""

    def __init__(self, checkpoint: Path, options: Mapping[str, Any], dtype: str = "float32"):
        if dtype not in DTYPES:
            raise ValueError(f"dtype {dtype!r}: expected one of {', '.join(DTYPES)}")
        self.config: FlowConfig = options["config"]
        self.finalize: bool = options["finalize"]
        self.dtype = DTYPES[dtype]
        self.model = load_flow(Path(checkpoint), self.config, self.dtype)

    @torch.inference_mode()
    def run(self, segment: str, index: int | None, state: State, observe: Observe = unobserved) -> State:
        """Run one stage: `encoder`, or step `index` of `ode`."""
        stages = {"encoder": self.encoder, "ode": self.ode}
        return stages[segment](state, index, observe)

    def encoder(self, state: State, index: int | None, observe: Observe) -> State:
        """Tokens, prompt and x-vector -> what the ODE needs: mu, speaker, condition, the noise and the time grid."""
        check_flow_inputs(self.config, state, self.finalize)
        tokens = torch.from_numpy(np.ascontiguousarray(state["tokens"]))
        mu, frames = self.model.encode(tokens, state["lengths"].tolist(), self.finalize)
        conditions = self.model.conditions(
            mu, frames, self.tensor(state["prompt_mel"]), self.tensor(state["embedding"])
        )
        grid = time_grid(self.config.steps, np.dtype(str(self.dtype).removeprefix("torch.")).type)
        return {
            "mu": observe("mu", mu).numpy(),
            "speaker": observe("speaker", conditions.speaker).numpy(),
            "cond": observe("cond", conditions.cond).numpy(),
            "frames": np.array(frames),
            "time_grid": observe("ode.time_grid", torch.from_numpy(grid)).numpy(),
            "x": state["x"],
        }

    def ode(self, state: State, index: int | None, observe: Observe) -> State:
        """One Euler step of the mel state `x (B, C, M)`."""
        x, mu, speaker, cond, grid = (self.tensor(state[name]) for name in ("x", "mu", "speaker", "cond", "time_grid"))
        guided = Conditions(mu, speaker, cond, padding_mask(state["frames"].tolist(), x.shape[2], x)).guided()
        step = index or 0
        x = euler_step(self.model.decoder, x, grid[step], grid[step + 1], guided, self.config.guidance, observe)
        return state | {"x": x.numpy()}

    def tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.dtype)
