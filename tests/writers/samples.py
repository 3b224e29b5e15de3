"""What a program of each language dumps, for its files to be held against the committed ones, byte by byte."""

from __future__ import annotations

import numpy as np

COUNT = np.arange(24)

SAMPLES: dict[str, np.ndarray] = {
    "decoder.mid.3.resnet[step=2]": (COUNT / 4 - 1).astype(np.float32).reshape(2, 3, 4),
    "fortran[order=F]": np.asfortranarray((COUNT / 4 - 1).astype(np.float32).reshape(2, 3, 4)),
    "float64": np.array([np.pi, -0.0, np.inf]),
    "float16": np.array([[1.0, -2.0], [0.5, 65504.0]], np.float16),
    "bfloat16": np.array([1.0, -2.0, 3.140625], np.float32),
    "t3.token[token=0]": np.array([[7, -8, 2**62]], np.int64),
    "int32": np.array([-1, 2**31 - 1], np.int32),
    "bool": np.array([[True], [False], [True]]),
    "scalar": np.array(0.25, np.float32),
    "empty": np.zeros((0, 3), np.float32),
    "twenty.axes": np.zeros((1,) * 20, np.uint8),
}
