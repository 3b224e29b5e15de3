"""What MLX cannot export is traced as an operation of its own, and computes what MLX does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from parity.base.draws import normal
from parity.exact.mlx import trace
from parity.exact.program import evaluate
from tests.exact.operations.real import to_numpy

X = normal("opaque", "x", (4, 32))
SQUARE = normal("opaque", "square", (4, 4)) + 4 * np.eye(4, dtype=np.float32)
WHOLE = np.arange(-5, 5, dtype=np.int32)


def segments(x: Any) -> Any:
    return mx.segmented_mm(x[:, :8], x.T[:8], mx.array([[0, 3], [3, 8]], mx.uint32))


def there_and_back(mode: str) -> Callable[[Any], Any]:
    return lambda x: mx.dequantize(*mx.quantize(x, mode=mode, group_size=16 if mode == "nvfp4" else 32), mode=mode,
                                   group_size=16 if mode == "nvfp4" else 32)  # fmt: skip


FUNCTIONS: dict[str, tuple[Callable[[Any], Any], np.ndarray, str]] = {
    "bitwise_invert": (lambda x: mx.bitwise_invert(x), WHOLE, "BitwiseInvert"),
    "~": (lambda x: ~x, WHOLE, "BitwiseInvert"),
    "logcumsumexp": (lambda x: mx.logcumsumexp(x, -1, reverse=True), X, "Scan"),
    "logcumsumexp of all": (lambda x: x.logcumsumexp(), X, "Scan"),
    "segmented_mm": (segments, X, "SegmentedMM"),
    "fp8": (lambda x: mx.from_fp8(mx.to_fp8(x), mx.float32), X, "FromFP8"),
    "affine": (there_and_back("affine"), X, "Quantize"),
    "mxfp8": (there_and_back("mxfp8"), X, "Quantize"),
    "lu": (lambda x: list(mx.linalg.lu(x, stream=mx.cpu)), SQUARE, "linalg.lu"),
    "lu_factor": (lambda x: list(mx.linalg.lu_factor(x, stream=mx.cpu)), SQUARE, "linalg.lu_factor"),
    "solve": (lambda x: mx.linalg.solve(x, x[:, 0] + 1, stream=mx.cpu), SQUARE, "linalg.solve"),
    "det": (lambda x: mx.linalg.det(x, stream=mx.cpu), SQUARE, "linalg.det"),
    "slogdet": (lambda x: list(mx.linalg.slogdet(x, stream=mx.cpu)), SQUARE, "linalg.slogdet"),
    "contiguous": (lambda x: mx.contiguous(x.T) * 2, X, "Multiply"),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_computes_what_mlx_does(name: str) -> None:
    function, x, operation = FUNCTIONS[name]
    result = function(mx.array(x))
    program = trace(function, [x])
    assert operation in {node.operation for node in program.nodes}
    values = evaluate(program, [x])
    for number, array in zip(program.outputs, result if isinstance(result, list) else [result], strict=True):
        assert program.dtypes[number] == str(array.dtype).rpartition(".")[2]
        np.testing.assert_allclose(values[number], to_numpy(array), rtol=3e-5, atol=3e-6)


def test_qqmm_has_no_path_on_a_cpu_and_is_traced_all_the_same() -> None:
    """Values that the narrow formats hold are quantised exactly, so the product is the plain one."""
    x, w = np.tile(np.array([1, -2, 3, 0.5] * 8, np.float32), (2, 1)), np.ones((3, 32), np.float32)
    program = trace(lambda x, w: mx.qqmm(x, w, mode="mxfp8"), [x, w])
    np.testing.assert_array_equal(evaluate(program, [x, w])[program.outputs[0]], x @ w.T)
