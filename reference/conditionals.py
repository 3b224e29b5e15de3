"""A voice's conditions in a file: written by either side, read by either.

The file is safetensors: arrays and nothing else, so that reading one runs no code. Upstream's `conds.pt` is a pickle
inside a zip, which one program converts, so that no other needs PyTorch for it:

    python -m reference.conditioning.conds_pt conds.pt conds.safetensors
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

FIELDS = ("speaker_emb", "cond_prompt_speech_tokens", "emotion_adv", "prompt_tokens", "prompt_mel", "embedding")
TOKENS = ("cond_prompt_speech_tokens", "prompt_tokens")


def load_conditionals(file: Path) -> dict[str, np.ndarray]:
    """The conditions of a voice by the names of `FIELDS`. Raises `ValueError` for anything but such a file."""
    if not file.is_file():
        raise ValueError(f"{file}: no such file; expected conditions that `save_conditionals` wrote")
    try:
        arrays = load_file(file)
    except SafetensorError as error:
        raise ValueError(
            f"{file}: not a safetensors file ({error}); convert upstream's conds.pt with "
            "`python -m reference.conditioning.conds_pt`"
        ) from error
    check_conditionals(file, arrays)
    return arrays


def save_conditionals(file: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write conditions by the names of `FIELDS`. Raises `ValueError` for a missing, unknown or unusable one."""
    check_conditionals(file, arrays)
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, file)


def check_conditionals(file: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Raises `ValueError` unless every field is there, no other is, and all are finite, tokens integers."""
    if missing := sorted(set(FIELDS) - arrays.keys()):
        raise ValueError(f"{file}: no {', '.join(missing)}; expected {', '.join(FIELDS)}")
    if unknown := sorted(arrays.keys() - set(FIELDS)):
        raise ValueError(f"{file}: unknown {', '.join(unknown)}; expected {', '.join(FIELDS)}")
    for name, array in arrays.items():
        kind = np.integer if name in TOKENS else np.floating
        if not np.issubdtype(array.dtype, kind):
            raise ValueError(f"{file}: {name} has dtype {array.dtype}, expected {kind.__name__} numbers")
        if not np.isfinite(array).all():
            raise ValueError(f"{file}: {name} holds NaN or infinite values; make it again from the voice")
