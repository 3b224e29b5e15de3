"""Faults of the port: of each the file, the source that is right and what stands in its place."""

from __future__ import annotations

from typing import NamedTuple

RIGHT = "right"


class Fault(NamedTuple):
    file: str
    right: str
    wrong: str


GELU = "return x * (array(1.0f) + mx::erf(x / array(std::sqrt(2.0f)))) / array(2.0f);"
TANH = "mx::tanh(array(0.79788456f) * (x + array(0.044715f) * x * x * x))"

PARTS = {
    "encoder": {
        "shift": Fault(
            "encoder.h",
            "relative_shift(position)",
            "mx::slice(position, {0, 0, 0, 0}, {x.shape(0), heads, x.shape(1), x.shape(1)})",
        ),
        "scale": Fault("encoder.h", " * array(std::sqrt(static_cast<float>(x.shape(2))))", ""),
        "epsilon": Fault("encoder.h", '(weights / "norm_mha", 1e-12f)', '(weights / "norm_mha", 1e-5f)'),
        "padding": Fault("encoder.h", "conv1(x, 0, conv1.kernel() - 1)", "conv1(x, conv1.kernel() - 1, 0)"),
    },
    "decoder_block": {
        "gelu": Fault("layers.h", GELU, f"return array(0.5f) * x * (array(1.0f) + {TANH});"),
        "epsilon": Fault("decoder_block.h", "1e-5f", "1e-6f"),
        "padding": Fault("decoder_block.h", "(x * mask, conv.kernel() - 1, 0)", "(x * mask, 0, conv.kernel() - 1)"),
    },
}
"""By part of the port, by name: a fault of each kind that ports have."""


def kinds(part: str) -> tuple[str, ...]:
    return (RIGHT, *PARTS[part])
