"""The numerics of this side: layers and functions named as `mlx.nn` and `mlx.core` name them, on any device.

What a device needs of its own lies below, in `cpu/` and `cuda/`. No file outside asks for a device, a stream, threads,
strides or compilation.
"""
