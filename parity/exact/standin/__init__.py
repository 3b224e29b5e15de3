"""A stand-in for `mlx.core` in double: a port's own Python, and MLX's `mlx.nn`, run on NumPy.

`with installed(): ...` puts it in MLX's place. Dtypes are reported as MLX would report them; values are doubles.
"""

from parity.exact.standin.install import installed

__all__ = ["installed"]
