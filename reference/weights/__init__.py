"""Checkpoint to parameters: the only place where names change on this side. Layouts are PyTorch's own, unchanged.

Reads the directory as published; every key of a stage is accounted for and loading is strict.
"""

from reference.weights.flow import load_flow, parameter_name
from spec.files.checkpoint import S3GEN

__all__ = ["S3GEN", "load_flow", "parameter_name"]
