"""Kernels for NVIDIA GPUs, where MLX's own operations were measured to be slower or less exact.

Each has a portable twin that runs everywhere else and that a test compares it with.
"""
