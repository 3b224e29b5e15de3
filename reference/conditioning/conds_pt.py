"""Upstream's `conds.pt`, a voice's conditions as a pickle inside a zip, to the file that both sides read.

Upstream: `Conditionals` in `chatterbox/tts.py`. Read by PyTorch's restricted unpickler, which makes tensors and plain
containers and calls nothing else.

    python -m reference.conditioning.conds_pt conds.pt conds.safetensors
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from reference.conditionals import check_conditionals, save_conditionals

# Where upstream keeps each field: T3's conditions or the flow's.
PLACES = {
    "speaker_emb": ("t3", "speaker_emb"),
    "cond_prompt_speech_tokens": ("t3", "cond_prompt_speech_tokens"),
    "emotion_adv": ("t3", "emotion_adv"),
    "prompt_tokens": ("gen", "prompt_token"),
    "prompt_mel": ("gen", "prompt_feat"),
    "embedding": ("gen", "embedding"),
}
# Of no use to the English model: never set, or a length that the arrays' shapes say too.
UNUSED = {("t3", "clap_emb"), ("t3", "cond_prompt_speech_emb"), ("gen", "prompt_token_len"), ("gen", "prompt_feat_len")}


def read_conds_pt(file: Path) -> dict[str, np.ndarray]:
    """Upstream's `conds.pt`. Raises `ValueError` for a file that holds anything but its tensors."""
    if not file.is_file():
        raise ValueError(f"{file}: no such file; expected upstream's conds.pt")
    try:
        stored = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever its zip reader, its unpickler or the operating system raises
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{file}: not a file of plain tensors ({reason}); fetch it again") from error
    parts = stored if isinstance(stored, dict) else {}
    if set(parts) != {"t3", "gen"} or not all(isinstance(part, dict) for part in parts.values()):
        raise ValueError(f"{file}: expected two dictionaries, t3 and gen, as upstream's Conditionals saves them")
    values = {(part, name): value for part, fields in parts.items() for name, value in fields.items()}
    if unknown := sorted(map(str, values.keys() - set(PLACES.values()) - UNUSED)):
        raise ValueError(f"{file}: unknown {', '.join(unknown)}; expected {', '.join(map(str, PLACES.values()))}")
    arrays = {}
    for name, place in PLACES.items():
        value = values.get(place)
        if not isinstance(value, torch.Tensor):
            raise ValueError(f"{file}: {'.'.join(place)} is {type(value).__name__}, expected a tensor")
        arrays[name] = value.detach().numpy()  # upstream saves an x-vector with its gradient
    check_conditionals(file, arrays)
    return arrays


def convert(source: Path, target: Path) -> None:
    """Upstream's `conds.pt` to the file that both sides read."""
    save_conditionals(target, read_conds_pt(source))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m reference.conditioning.conds_pt conds.pt conds.safetensors")
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
