"""The MLX side as a benchmark runs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from parity.base import runtime

runtime.prepare()

import mlx.core as mx  # noqa: E402 - the process must be prepared first
from mlx import nn  # noqa: E402
from mlx.utils import tree_flatten  # noqa: E402

from mlx_impl.ops.cuda import decode as cuda  # noqa: E402
from mlx_impl.t3.backbone import KVCache  # noqa: E402
from mlx_impl.t3.model import T3  # noqa: E402
from mlx_impl.weights.stored.foreign import Quantization  # noqa: E402
from mlx_impl.weights.stored.quantization import quantize_module  # noqa: E402
from spec.config import ChatterboxConfig, SamplingConfig  # noqa: E402
from tests.bench.sides import BITS, GROUP, HALF, Call, Side  # noqa: E402


class MLXSide(Side):
    """Its logits, ODE state, f0, source and conditioning are in float32 whatever the dtype."""

    package = name = "mlx_impl"

    def __init__(self, device: str):
        self.kind = device
        self.device = mx.Device(mx.cpu if device == "cpu" else mx.gpu)

    def load(self, stage: str, checkpoint: Path, config: ChatterboxConfig, dtype: str) -> nn.Module:
        mx.set_default_device(self.device)
        load = self.loader(stage, checkpoint, config)
        if dtype not in BITS:
            return load() if stage == "conditioner" else load(getattr(mx, dtype))
        model = load()
        if stage == "t3":
            linear = {
                path
                for path, layer in model.named_modules()
                if isinstance(layer, nn.Linear) and layer.weight.shape[1] % GROUP == 0
            }
            quantize_module(model, Quantization(BITS[dtype], GROUP), linear)
            mx.eval(model.parameters())
        return model

    def array(self, array: np.ndarray, like: mx.array | None = None) -> mx.array:
        mx.set_default_device(self.device)
        value = mx.array(np.ascontiguousarray(array))
        value = value if like is None else value.astype(like.dtype)
        mx.eval(value)
        return value

    def frames(self, array: np.ndarray) -> mx.array:
        return self.array(array.swapaxes(1, 2))

    def numpy(self, value: mx.array, frames: bool = False) -> np.ndarray:
        array = np.array(value.astype(mx.float32) if value.dtype in (mx.float16, mx.bfloat16) else value)
        return array.swapaxes(1, 2) if frames else array

    def run(self, call: Call) -> Any:
        mx.set_default_device(self.device)
        value = call()
        mx.eval(value)
        mx.synchronize()
        return value

    def decoding(self, model: T3, token: int, position: int, cache: KVCache) -> Call:
        """With CUDA its kernels: then the cache is copied, and each call writes the same position."""
        sampling = SamplingConfig(max_tokens=1)
        if not cuda.applies(model, cache, sampling):
            return super().decoding(model, token, position, cache)
        decoder = cuda.CUDADecoder(model, cache, sampling, None)
        state = mx.array([token, position, cache.length])
        return lambda: decoder.logits(state)

    def parameters(self, module: nn.Module) -> list[mx.array]:
        return [array for _, array in tree_flatten(module.parameters())]

    def memory(self, call: Call) -> int:
        mx.clear_cache()
        before = mx.get_active_memory()
        mx.reset_peak_memory()
        self.run(call)
        return mx.get_peak_memory() - before

    def product(self, size: int, dtype: str) -> Call:
        kind = getattr(mx, dtype if dtype in HALF else "float32")
        a, b = (self.array(np.ones((size, size), np.float32)).astype(kind) for _ in range(2))
        self.run(lambda: (a, b))
        return lambda: a @ b

    def copy(self, size: int) -> Call:
        """Two halves are joined: MLX shares what is copied as it is."""
        halves = [self.array(np.ones(size // 8, np.float32)) for _ in range(2)]
        return lambda: mx.concatenate(halves)


@contextmanager
def traced(file: Path) -> Iterator[None]:
    """Writes what Metal does inside to a .gputrace, which Xcode opens."""
    mx.metal.start_capture(str(file))
    try:
        yield
    finally:
        mx.metal.stop_capture()
