"""Definitions in double of what MLX computes, in plain NumPy: the mathematics that its kernels round.

Floating-point arrays are float64 and complex ones complex128, whatever dtype a program reports; integers and booleans
are what they are. Who calls keeps the reported dtypes and rounds, through `casts`, where a program casts.
"""
