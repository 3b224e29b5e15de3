"""Programs in double of MLX functions: live ones, traced, and exported ones, read from their file."""

from parity.exact.inputs import load
from parity.exact.mlx.trace import trace

__all__ = ["load", "trace"]
