"""A voice's conditions in a file: upstream's `conds.pt`, or safetensors with upstream's keys, as MLX ports keep them.

Neither runs code when it is read, and each is read and written without a framework. Upstream: `Conditionals` in
`chatterbox/tts.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from parity.base.files import replacing
from spec.config import ChatterboxConfig
from spec.files.pointer import check_no_pointer
from spec.files.torch_file import read_torch_file
from spec.files.torch_writer import write_torch_file

FIELDS = ("speaker_emb", "cond_prompt_speech_tokens", "emotion_adv", "prompt_tokens", "prompt_mel", "embedding")
TOKENS = ("cond_prompt_speech_tokens", "prompt_tokens")
SUFFIXES = (".pt", ".safetensors")

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


def load_conditionals(file: Path) -> dict[str, np.ndarray]:
    """The conditions of a voice by the names of `FIELDS`. Raises `ValueError` for anything but such a file."""
    if not file.is_file():
        raise ValueError(f"{file}: no such file; expected a voice's conditions, a conds.pt or what was saved of one")
    check_no_pointer(file)
    if file.suffix == ".pt":
        arrays = from_upstream(file, read_torch_file(file))
    else:
        try:
            arrays = load_file(file)
        except SafetensorError as error:
            raise ValueError(f"{file}: not a whole safetensors file ({error}); make it again") from error
        if any(key.startswith(("t3.", "gen.")) for key in arrays):  # else the names of `FIELDS`, as once written here
            arrays = from_upstream(file, parts_of(arrays))
    check_conditionals(file, arrays)
    return {name: array.astype(np.int64 if name in TOKENS else np.float32) for name, array in arrays.items()}


def save_conditionals(file: Path, arrays: Mapping[str, np.ndarray], suffix: str | None = None) -> None:
    """Write conditions, given by the names of `FIELDS`: as upstream does for the suffix `.pt`, else safetensors.

    The suffix is the file's where none is given. Raises `ValueError` for a missing, unknown or unusable field.
    """
    check_conditionals(file, arrays)
    stored: dict[str, dict[str, np.ndarray | None]] = {"t3": {}, "gen": {}}
    for name, (part, field) in PLACES.items():
        stored[part][field] = np.ascontiguousarray(arrays[name])
    stored["gen"]["prompt_token_len"] = np.array([arrays["prompt_tokens"].shape[1]])
    if (suffix or file.suffix) == ".pt":
        stored["t3"] |= {"clap_emb": None, "cond_prompt_speech_emb": None}
        stored["gen"]["prompt_feat_len"] = None
        write_torch_file(file, stored)
        return
    flat = {f"{part}.{field}": array for part, fields in stored.items() for field, array in fields.items()}
    flat = {key: array.astype(np.int32) if array.dtype.kind == "i" else array for key, array in flat.items()}
    with replacing(file) as partial:
        save_file(flat, partial)


def parts_of(arrays: Mapping[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """Arrays by keys such as `gen.embedding`, as upstream's two dictionaries."""
    parts: dict[str, dict[str, np.ndarray]] = {"t3": {}, "gen": {}}
    for key, array in arrays.items():
        part, _, field = key.partition(".")
        parts.setdefault(part, {})[field] = array
    return parts


def from_upstream(file: Path, stored: object) -> dict[str, np.ndarray]:
    """The fields of what upstream saves. Raises `ValueError` where it is something else."""
    parts = stored if isinstance(stored, dict) else {}
    if set(parts) != {"t3", "gen"} or not all(isinstance(part, dict) for part in parts.values()):
        raise ValueError(f"{file}: expected two dictionaries, t3 and gen, as upstream's Conditionals saves them")
    values = {(part, name): value for part, fields in parts.items() for name, value in fields.items()}
    if unknown := sorted(map(str, values.keys() - set(PLACES.values()) - UNUSED)):
        raise ValueError(f"{file}: unknown {', '.join(unknown)}; expected {', '.join(map(str, PLACES.values()))}")
    for place in PLACES.values():
        if not isinstance(values.get(place), np.ndarray):
            raise ValueError(f"{file}: {'.'.join(place)} is {type(values.get(place)).__name__}, expected a tensor")
    return {name: values[place] for name, place in PLACES.items()}


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


def check_fit(file: Path, arrays: Mapping[str, np.ndarray], config: ChatterboxConfig) -> None:
    """Raises `ValueError` for conditions that a model of this configuration cannot take: those of another size."""
    flow, t3 = config.flow, config.t3
    # At most the frames of one token more: whatever is said has that many.
    frames = flow.encoder.stride * (arrays["prompt_tokens"].shape[-1] + 1) - 1
    limits = {
        "speaker_emb": [(1, 1), (t3.speaker_width, t3.speaker_width)],
        "cond_prompt_speech_tokens": [(1, 1), (1, t3.speech_positions)],
        "emotion_adv": [(1, 1), (1, 1), (1, 1)],
        "prompt_tokens": [(1, 1), (0, np.inf)],
        "prompt_mel": [(1, 1), (0, frames), (flow.mel_bins, flow.mel_bins)],
        "embedding": [(1, 1), (flow.speaker_width, flow.speaker_width)],
    }
    for name, axes in limits.items():
        shape = arrays[name].shape
        if len(shape) != len(axes) or not all(
            low <= length <= high for length, (low, high) in zip(shape, axes, strict=True)
        ):
            expected = ", ".join(str(low) if low == high else f"{low} ... {high}" for low, high in axes)
            raise ValueError(f"{file}: {name} has shape {shape}, expected ({expected}); is it another model's voice?")
    vocabulary = flow.encoder.vocab_size
    for name in TOKENS:
        if arrays[name].size and not 0 <= arrays[name].min() <= arrays[name].max() < vocabulary:
            raise ValueError(
                f"{file}: {name} hold {arrays[name].min()} ... {arrays[name].max()}, expected 0 ... {vocabulary - 1}; "
                "make it again from the voice"
            )
