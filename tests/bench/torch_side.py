"""The reference as a benchmark runs it: PyTorch, eager or compiled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from reference.weights.rounding import round_weights
from spec.config import ChatterboxConfig
from tests.bench.half import in_half
from tests.bench.sides import BITS, HALF, Call, Side, resident_rise


class TorchSide(Side):
    """In float32, as upstream is, or all its networks in half precision; T3 is rounded to what 4 or 8 bits stand for.

    It is `dtype` that says so, and not a work's dtype: what MLX computes in half is checked against float32.
    """

    package = "reference"

    def __init__(self, device: str, compiled: bool = False, dtype: str = "float32"):
        self.name = "reference, compiled" if compiled else "reference"
        self.dtype = dtype
        self.kind = device
        self.device, self.compiled = torch.device("mps" if device == "metal" else device), compiled
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False

    def stored(self, dtype: str) -> str:
        return dtype if dtype in BITS else self.dtype

    def load(self, stage: str, checkpoint: Path, config: ChatterboxConfig, dtype: str) -> torch.nn.Module:
        model = self.loader(stage, checkpoint, config)()
        if dtype in BITS and stage == "t3":
            root = torch.nn.Module()
            root.t3 = model
            round_weights(root, dtype)
        if dtype in HALF:
            model = in_half(model, stage, getattr(torch, dtype))
        return model.to(self.device)

    def array(self, array: np.ndarray, like: torch.Tensor | None = None) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device, None if like is None else like.dtype)

    def frames(self, array: np.ndarray) -> torch.Tensor:
        return self.array(array)

    def numpy(self, value: torch.Tensor, frames: bool = False) -> np.ndarray:
        return (value.detach().float() if value.is_floating_point() else value).cpu().numpy()

    def prepared(self, call: Call) -> Call:
        return torch.compile(call) if self.compiled else call

    def run(self, call: Call) -> Any:
        with torch.inference_mode():
            value = call()
        self.synchronize()
        return value

    def synchronize(self) -> None:
        if self.device.type != "cpu":
            getattr(torch, self.device.type).synchronize()

    def parameters(self, module: torch.nn.Module) -> list[torch.Tensor]:
        return list(module.parameters())

    def memory(self, call: Call) -> int | None:
        if self.device.type == "cuda":
            before = torch.cuda.memory_allocated()
            torch.cuda.reset_peak_memory_stats()
            self.run(call)
            return torch.cuda.max_memory_allocated() - before
        return resident_rise(lambda: self.run(call)) if self.device.type == "cpu" else None

    def product(self, size: int, dtype: str) -> Call:
        kind = getattr(torch, dtype if dtype in HALF else "float32")
        a, b = (torch.ones((size, size), device=self.device).to(kind) for _ in range(2))
        return lambda: a @ b

    def copy(self, size: int) -> Call:
        source = torch.ones(size // 4, device=self.device)
        target = torch.empty_like(source)
        return lambda: target.copy_(source)


def operations(side: TorchSide, call: Call) -> int:
    """Floating-point operations of a call's products and convolutions, as PyTorch counts them: two a multiplication.

    It knows no fused attention of the CPU's, which is taken apart, nor oneDNN's LSTM: `_lstm`.
    """
    known = {torch.ops.aten.mkldnn_rnn_layer: _lstm}
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False, custom_mapping=known) as counter:
        side.run(call)
    return counter.get_total_flops()


def _lstm(x: torch.Size, weight_ih: torch.Size, weight_hh: torch.Size, *rest: Any, **named: Any) -> int:
    """`x (T, B, c)` through one layer: each step of each item is multiplied by both weights."""
    return 2 * x[0] * x[1] * (weight_ih.numel() + weight_hh.numel())
