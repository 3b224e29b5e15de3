"""The file of Perth's weights: what `torch.save` wrote of the network, read without PyTorch."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spec.files.torch_file import read_torch_file

FILE = "perth_net_250000.pth.tar"
MODEL = "model"
TABLES = ("ap.spectrogram.window", "ap.inv_spectrogram.window", "ap.stretch.phase_advance")
"""Windows and phases that are computed here, and of use in training."""


def read_watermark(file: Path) -> dict[str, np.ndarray]:
    """The weights by upstream's keys. Raises `ValueError` for a file of anything else, and for weights not finite."""
    whole = read_torch_file(file)
    tensors = whole.get(MODEL) if isinstance(whole, dict) else None
    if not isinstance(tensors, dict) or not all(isinstance(value, np.ndarray) for value in tensors.values()):
        raise ValueError(f"{file}: holds no {MODEL!r} of tensors by name, expected {FILE} of resemble-perth")
    weights = {key: value for key, value in tensors.items() if key not in TABLES}
    for key, value in weights.items():
        if not np.issubdtype(value.dtype, np.floating) or not np.isfinite(value).all():
            raise ValueError(f"{file}: {key} ({value.dtype}) holds what is no finite number; fetch the file again")
    return weights
