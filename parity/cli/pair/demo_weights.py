"""Weights for both sides by the reference's names and layouts, and inputs of two lengths. No framework."""

import numpy as np

VOCABULARY, WIDTH, HEADS, DEPTH, KERNEL = 12, 16, 4, 2, 3
SHAPES = {
    "embed.weight": (VOCABULARY, WIDTH),
    "conv.weight": (WIDTH, WIDTH, KERNEL),
    "conv.bias": (WIDTH,),
    "norm.weight": (WIDTH,),
    "norm.bias": (WIDTH,),
    "head.weight": (VOCABULARY, WIDTH),
}
for block in (f"blocks.{number}" for number in range(DEPTH)):
    SHAPES |= {f"{block}.{norm}.{part}": (WIDTH,) for norm in ("norm1", "norm2") for part in ("weight", "bias")}
    SHAPES |= {f"{block}.{name}.weight": (WIDTH, WIDTH) for name in ("query", "key", "value", "out")}
    SHAPES |= {f"{block}.up.weight": (2 * WIDTH, WIDTH), f"{block}.down.weight": (WIDTH, 2 * WIDTH)}


def weights():
    """Every parameter, the same at each call: those of norms around 1, the others so that values keep their size."""
    draw = np.random.default_rng(0)
    made = {}
    for name, shape in SHAPES.items():
        scale = 0.2 if len(shape) == 1 else (np.prod(shape[1:]) ** -0.5)
        one = float("norm" in name and name.endswith("weight"))
        made[name] = (one + scale * draw.standard_normal(shape)).astype(np.float32)
    return made


def inputs(length):
    """Tokens `(2, length)`."""
    return {"tokens": np.random.default_rng(length).integers(0, VOCABULARY, (2, length))}
