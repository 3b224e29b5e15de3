"""Every primitive of an MLX graph by its name: what it computes, in double. Imports no framework."""

from parity.exact.primitives import elementwise, factors, indexing, products, quantized, reductions, shapes
from parity.exact.primitives.registry import TABLE, Output, compute, named

__all__ = [
    "TABLE",
    "Output",
    "compute",
    "elementwise",
    "factors",
    "indexing",
    "named",
    "products",
    "quantized",
    "reductions",
    "shapes",
]
