"""`python -m tests.exact.graph.gpu.make FOLDER`, on a machine with a GPU: functions whose graphs hold fused primitives.

Needs MLX and NumPy alone. Writes a `.mlxfn` a function and `values.npz`, what the GPU gave for each in float32. The
committed files are of MLX 0.32.4 on CUDA, without TF32.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

from parity.base.draws import normal


def numbers(name: str, *shape: int) -> np.ndarray:
    return normal("gpu", name, shape)


X, W, B = numbers("x", 2, 5, 32), numbers("w", 32), numbers("b", 32)
Q, K, V = numbers("q", 2, 4, 8, 64), numbers("k", 2, 2, 8, 64), numbers("v", 2, 2, 8, 64)
SINKS, FREQS = numbers("sinks", 4), np.abs(numbers("freqs", 32)) + 1
LEFT, RIGHT = numbers("left", 3, 1, 64), numbers("right", 2, 32, 64)


def attention(**keywords: Any) -> Callable[..., Any]:
    return lambda q, k, v, *rest: mx.fast.scaled_dot_product_attention(
        q, k, v, scale=0.3, **{key: rest[value] if isinstance(value, int) else value for key, value in keywords.items()}
    )


def rope(**keywords: Any) -> Callable[..., Any]:
    return lambda x, *freqs: mx.fast.rope(
        x,
        **{"traditional": False, "base": 1e4, "scale": 1.0, "offset": 0, **keywords},
        freqs=freqs[0] if freqs else None,
    )


def quantized(mode: str) -> Callable[..., Any]:
    return lambda x, w: mx.quantized_matmul(x, *mx.quantize(w, mode=mode), mode=mode)


def gathered(x: Any, w: Any) -> Any:
    return mx.gather_qmm(x, *mx.quantize(w), rhs_indices=mx.array([1, 0, 1], mx.uint32))


# CUDA has fused attention for few queries and in half precision. A quantised product in affine mode is not among these:
# of 64 columns MLX 0.32.4 on CUDA does not write the result.
FUNCTIONS: dict[str, tuple[Callable[..., Any], list[np.ndarray]]] = {
    "rms_norm": (lambda x, w: mx.fast.rms_norm(x, w, 1e-5), [X, W]),
    "rms_norm_plain": (lambda x: mx.fast.rms_norm(x, None, 1e-6), [X]),
    "layer_norm": (lambda x, w, b: mx.fast.layer_norm(x, w, b, 1e-5), [X, W, B]),
    "layer_norm_plain": (lambda x: mx.fast.layer_norm(x, None, None, 1e-5), [X]),
    "rope": (rope(dims=64), [Q]),
    "rope_traditional": (rope(dims=32, traditional=True, base=500.0, scale=0.7, offset=3), [Q]),
    "rope_offsets": (lambda x, offset: rope(dims=64, offset=offset)(x), [Q, np.array([2, 7], np.int32)]),
    "rope_freqs": (rope(dims=64, base=None), [Q, FREQS]),
    "attention_few": (attention(), [Q[:, :, :1], K, V]),
    "attention_few_sinks": (attention(sinks=0), [Q[:, :, :2], K, V, SINKS]),
    "attention_few_causal": (attention(mask="causal"), [Q[:, :, :3], K, V]),
    "attention_half": (lambda q, k, v: attention(mask="causal")(*(x.astype(mx.float16) for x in (q, k, v))), [Q, K, V]),
    "quantized_mxfp4": (quantized("mxfp4"), [LEFT[:, 0], RIGHT[0]]),
    "gather_qmm": (gathered, [LEFT, RIGHT]),
    "dequantize": (lambda w: mx.dequantize(*mx.quantize(w)), [RIGHT]),
}


def main(folder: Path) -> None:
    values = {}
    for name, (function, inputs) in FUNCTIONS.items():
        arrays = [mx.array(array) for array in inputs]
        try:
            values[name] = np.array(function(*arrays))
            mx.export_function(str(folder / f"{name}.mlxfn"), function, *arrays)
        except (ValueError, RuntimeError) as error:
            print(f"{name}: not here, {error}")
            continue
    np.savez_compressed(folder / "values.npz", **values)
    print(mx.default_device(), len(values), "functions")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
