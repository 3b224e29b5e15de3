"""A checkpoint directory in the published format, filled with reproducible noise: for where weights cannot be had.

Every value comes from NumPy's Philox keyed by its tensor's name, so that each file is the same bytes everywhere.

    python -m reference.synthetic OUT [--size tiny|full] [--only s3gen]
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from reference.config import ChatterboxConfig
from reference.published_keys import FILES, Key
from reference.safetensors_file import Entry, write_file
from reference.synthetic.buffers import hann_window, mel_filters
from reference.synthetic.scales import scale_of
from reference.synthetic.tokenizer_file import write_tokenizer

DTYPES = {"float32": "F32", "int64": "I64"}
STEPS_TRAINED = 1000  # of every batch norm; inference never reads it


def values(key: Key) -> np.ndarray:
    """The learned tensor of a key. Raises `ValueError` for a key that `scales` does not know."""
    if key.dtype == "int64":
        return np.full(key.shape, STEPS_TRAINED, key.dtype)
    scale = scale_of(key.name)
    seed = int.from_bytes(hashlib.sha256(key.name.encode()).digest()[:16], "little")
    noise = np.random.Generator(np.random.Philox(key=seed)).standard_normal(key.shape, dtype=np.float32)
    fan_in = math.prod(key.shape[1:]) if scale.fan_in else 1
    noise *= np.float32(scale.scale / math.sqrt(fan_in))
    noise += np.float32(scale.offset)
    return noise


def write(out: Path, config: ChatterboxConfig, files: Iterable[str] = tuple(FILES)) -> None:
    """Write checkpoint files into `out`, each whole or not at all. `files` are names in `FILES`, all by default."""
    files = list(files)
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = config.tokenizer
    buffers = {
        "tokenizer.window": hann_window(tokenizer.n_fft),
        "tokenizer._mel_filters": mel_filters(tokenizer.sample_rate, tokenizer.n_fft, tokenizer.mel_bins),
    }
    for name in files:
        entries = {Entry(key.name, DTYPES[key.dtype], key.shape): key for key in FILES[name](config)}
        write_file(
            out / f"{name}.safetensors",
            entries,
            lambda entry, keys=entries: buffers[entry.key] if entry.key in buffers else values(keys[entry]),
        )
    if "t3_cfg" in files:
        write_tokenizer(out / "tokenizer.json", config.t3)
