"""A `conds.pt` in the published format: a voice that a model of a configuration can take, made of noise.

What `torch.save` writes of upstream's `Conditionals`, written without PyTorch: a pickle and the storages, in a zip.
"""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import numpy as np

from parity.base.files import replacing
from spec.config import ChatterboxConfig

SECONDS = 4  # of the recording that it could have been made from
STORAGES = {"float32": "FloatStorage", "int64": "LongStorage"}


def write_voice(file: Path, config: ChatterboxConfig) -> None:
    """Write the voice of a configuration, the same bytes everywhere, whole or not at all."""
    tokens = min(25 * SECONDS, config.t3.prompt_tokens)
    frames = config.flow.encoder.stride * tokens
    speaker = np.maximum(noise("speaker_emb", (1, config.t3.speaker_width)), 0)  # a rectified vector of length 1
    voice = {
        "t3": {
            "speaker_emb": speaker / np.sqrt(np.sum(speaker * speaker)),
            "clap_emb": None,
            "cond_prompt_speech_tokens": speech("cond_prompt_speech_tokens", tokens, config),
            "cond_prompt_speech_emb": None,
            "emotion_adv": np.full((1, 1, 1), 0.5, np.float32),
        },
        "gen": {
            "prompt_token": speech("prompt_token", tokens, config),
            "prompt_token_len": np.array([tokens]),
            "prompt_feat": 2 * noise("prompt_feat", (1, frames, config.flow.mel_bins)) - 5,  # a log mel, mostly
            "prompt_feat_len": None,
            "embedding": noise("embedding", (1, config.flow.speaker_width)),
        },
    }
    arrays: list[np.ndarray] = []
    program = b"\x80\x02" + pickled(voice, arrays) + b"."
    with replacing(file) as partial, zipfile.ZipFile(partial, "w") as archive:
        parts = {"data.pkl": program, "byteorder": b"little", "version": b"3\n"}
        parts |= {f"data/{key}": array.tobytes() for key, array in enumerate(arrays)}
        for name, content in parts.items():
            entry = zipfile.ZipInfo(f"conds/{name}")  # of 1980, as all of torch.save's are
            entry.create_system = 3  # whichever system this is
            archive.writestr(entry, content)


def generator(name: str) -> np.random.Generator:
    key = hashlib.sha256(f"conds.{name}".encode()).digest()[:16]
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))


def noise(name: str, shape: tuple[int, ...]) -> np.ndarray:
    return generator(name).standard_normal(shape, dtype=np.float32)


def speech(name: str, tokens: int, config: ChatterboxConfig) -> np.ndarray:
    return generator(name).integers(0, config.flow.encoder.vocab_size, (1, tokens), dtype=np.int64)


def pickled(value: object, arrays: list[np.ndarray]) -> bytes:
    """The pickle program, protocol 2, that makes a value; the arrays in it are appended to `arrays`."""

    def tuple_of(*parts: bytes) -> bytes:
        return b"(" + b"".join(parts) + b"t"

    match value:
        case None:
            return b"N"
        case int():
            return b"J" + value.to_bytes(4, "little")
        case str():
            return b"X" + len(value.encode()).to_bytes(4, "little") + value.encode()
        case dict():
            return b"}(" + b"".join(pickled(part, arrays) for pair in value.items() for part in pair) + b"u"
        case np.ndarray():
            arrays.append(value.astype(value.dtype.newbyteorder("<")))
            kind = f"ctorch\n{STORAGES[value.dtype.name]}\n".encode()
            named = [pickled(part, arrays) for part in ("storage", str(len(arrays) - 1), "cpu", value.size)]
            storage = tuple_of(named[0], kind, *named[1:]) + b"Q"
            shape = [pickled(length, arrays) for length in value.shape]
            strides = [pickled(step // value.itemsize, arrays) for step in value.strides]
            hooks = b"ccollections\nOrderedDict\n)R"
            view = tuple_of(storage, pickled(0, arrays), tuple_of(*shape), tuple_of(*strides), b"\x89", hooks)
            return b"ctorch._utils\n_rebuild_tensor_v2\n" + view + b"R"
    raise TypeError(f"{type(value).__name__} has no place in a voice")
