"""Every primitive of an MLX graph by its name: what it computes, in double. Imports no framework."""

from parity.exact.primitives import elementwise, indexing, reductions, shapes
from parity.exact.primitives.registry import TABLE, Output, compute, named

__all__ = ["TABLE", "Output", "compute", "elementwise", "indexing", "named", "reductions", "shapes"]
