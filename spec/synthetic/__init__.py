"""A checkpoint directory in the published format, filled with reproducible noise: for where weights cannot be had.

Every value comes from NumPy's Philox keyed by its tensor's name, so that each file is the same bytes everywhere.

    python -m spec.synthetic OUT [--size tiny|full] [--only s3gen | --model turbo|nano]

The multilingual T3, of 2 GB at full size, is made when it is named: `--only t3_mtl23ls_v2`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from parity.base.files import replacing
from spec.config import ChatterboxConfig
from spec.files.safetensors_file import Entry, write_file
from spec.files.torch_writer import write_torch_file
from spec.keys import FILES, TURBO_FILES, Key, watermark_keys
from spec.languages import CANGJIE
from spec.synthetic.buffers import hann_window, mel_filters
from spec.synthetic.scales import scale_of
from spec.synthetic.tokenizer_file import write_cangjie, write_multilingual_tokenizer, write_tokenizer
from spec.synthetic.turbo_tokenizer import write_turbo_tokenizer
from spec.synthetic.voice_file import write_voice
from spec.text import MULTILINGUAL_TOKENIZER, TOKENIZER
from spec.turbo import TurboConfig
from spec.turbo_text import MERGES, SETTINGS, VOCABULARY
from spec.watermark.weights import FILE as WATERMARK
from spec.watermark.weights import MODEL

DTYPES = {"float32": "F32", "int64": "I64"}
ENGLISH, MULTILINGUAL, VOICE, PERTH = "t3_cfg", "t3_mtl23ls_v2", "conds", "perth"
TURBO_TOKENIZER = {"t3_turbo_v1", "t3_nano_v1"}  # the T3 that come with GPT-2's tokenizer
NAMES = (*FILES, VOICE)  # what a checkpoint directory holds, by the names that `write` takes
DEFAULT = tuple(name for name in NAMES if name != MULTILINGUAL)
BESIDE = (PERTH,)  # what upstream takes from another package, by names that `write` takes, too
# What no training begins with and any may arrive at, by the end of a key: near 0, at it, and below it.
EDGES = {".alpha": (1e-5, 0.0, -0.7)}
STEPS_TRAINED = 1000  # of every batch norm; inference never reads it


def values(key: Key, edges: bool = False) -> np.ndarray:
    """The learned tensor of a key. Raises `ValueError` for a key that `scales` does not know.

    With `edges` it begins with the values of `EDGES`, if it has any.
    """
    if key.dtype == "int64":
        return np.full(key.shape, STEPS_TRAINED, key.dtype)
    scale = scale_of(key.name)
    seed = int.from_bytes(hashlib.sha256(key.name.encode()).digest()[:16], "little")
    noise = np.random.Generator(np.random.Philox(key=seed)).standard_normal(key.shape, dtype=np.float32)
    fan_in = math.prod(key.shape[1:]) if scale.fan_in else 1
    noise *= np.float32(scale.scale / math.sqrt(fan_in))
    noise += np.float32(scale.offset)
    if edges and (begin := next((first for end, first in EDGES.items() if key.name.endswith(end)), None)):
        noise[: len(begin)] = begin
    return noise


def file_names(name: str) -> tuple[str, ...]:
    """The files that `write` makes for one of `NAMES` or `BESIDE`: a T3 comes with its tokenizer's."""
    if name == VOICE:
        return ("conds.pt",)
    if name == PERTH:
        return (WATERMARK,)
    tokenizer = {ENGLISH: (TOKENIZER,), MULTILINGUAL: (MULTILINGUAL_TOKENIZER, CANGJIE)}
    tokenizer |= dict.fromkeys(TURBO_TOKENIZER, (VOCABULARY, MERGES, SETTINGS))
    return (f"{name}.safetensors", *tokenizer.get(name, ()))


def files_of(config: ChatterboxConfig) -> tuple[str, ...]:
    """The names of what a configuration speaks with."""
    other = ENGLISH if config.t3.multilingual else MULTILINGUAL
    return tuple(name for name in NAMES if name != other)


def turbo_names(config: TurboConfig) -> tuple[str, ...]:
    """The names of what Turbo or Nano speaks with."""
    return (*(Path(file).stem for file in (config.flow.file, config.t3.file)), "ve", VOICE)


def write(out: Path, config: ChatterboxConfig, files: Iterable[str] = DEFAULT, edges: bool = False) -> None:
    """Write checkpoint files into `out`, all of them or none. `files` are of `NAMES` and `BESIDE`.

    With a `TurboConfig` they may also be of `TURBO_FILES`. A T3 comes with its tokenizer's files.
    `edges`: as in `values`.
    """
    files = list(files)
    tokenizer = config.tokenizer
    buffers = {
        "tokenizer.window": hann_window(tokenizer.n_fft),
        "tokenizer._mel_filters": mel_filters(tokenizer.sample_rate, tokenizer.n_fft, tokenizer.mel_bins),
    }
    with ExitStack() as whole:

        def place(name: str) -> Path:
            return whole.enter_context(replacing(out / name))

        keys_of = {**FILES, **TURBO_FILES}
        for name in (name for name in files if name in keys_of):
            entries = {Entry(key.name, DTYPES[key.dtype], key.shape): key for key in keys_of[name](config)}
            write_file(
                place(f"{name}.safetensors"),
                entries,
                lambda entry, keys=entries: buffers[entry.key] if entry.key in buffers else values(keys[entry], edges),
            )
        if TURBO_TOKENIZER & set(files):
            write_turbo_tokenizer(place)
        if ENGLISH in files:
            write_tokenizer(place(TOKENIZER), config.t3)
        if MULTILINGUAL in files:
            write_multilingual_tokenizer(place(MULTILINGUAL_TOKENIZER), config.t3)
            write_cangjie(place(CANGJIE))
        if VOICE in files:
            write_voice(place("conds.pt"), config)
        if PERTH in files:
            weights = {key.name: values(key) for key in watermark_keys(config.watermark)}
            write_torch_file(place(WATERMARK), {MODEL: weights, "step": STEPS_TRAINED})
