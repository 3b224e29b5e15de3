"""Subjects of single blocks of the flow: attention of its encoder, and both kinds of block of its decoder.

A port whose every block departs takes long to be judged as a whole: each departure is healed before the next is sought.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor, nn

from ports.chatterbox.flow import flow
from ports.chatterbox.subject import Arrays, Subject

LENGTHS = (4, 5, 7)


def attention() -> nn.Module:
    return flow().encoder.encoders[0].self_attn


def resnet() -> nn.Module:
    return flow().decoder.mid_blocks[0].resnet


def transformer() -> nn.Module:
    return flow().decoder.mid_blocks[0].transformer_blocks[0]


def attended(attention: Any, given: Arrays) -> Tensor:
    """Frames `(1, T, 512)` and their relative positions `(1, 2T - 1, 512)` -> `(1, T, 512)`."""
    return attention(given["x"], given["positions"], None)


def convolved(resnet: Any, given: Arrays) -> Tensor:
    """Frames `(1, 256, T)` and the embedded time `(1, 1024)` -> `(1, 256, T)`."""
    return resnet(given["x"], None, given["time"])


def transformed(transformer: Any, given: Arrays) -> Tensor:
    """Frames `(1, T, 256)` -> the same."""
    return transformer(given["x"], None)


def _normal(length: int, *shape: int) -> np.ndarray:
    return np.random.default_rng((7, length, *shape)).standard_normal((1, *shape), np.float32)


SUBJECTS = (
    Subject(
        "flow/attention",
        attention,
        attended,
        [{"x": _normal(length, length, 512), "positions": _normal(length, 2 * length - 1, 512)} for length in LENGTHS],
        within=("flow/encoder",),
    ),
    Subject(
        "flow/resnet",
        resnet,
        convolved,
        [{"x": _normal(length, 256, length), "time": _normal(length, 1024)} for length in LENGTHS],
        within=("flow/estimator",),
    ),
    Subject(
        "flow/transformer",
        transformer,
        transformed,
        [{"x": _normal(length, length, 256)} for length in LENGTHS],
        within=("flow/estimator",),
    ),
)
