"""Which model `speak` is to make of a checkpoint: its family and its size, which the files say, and one of its T3."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from spec.audio import Voice, load_voice
from spec.config import (
    CHATTERBOX_SIZES,
    ENGLISH_T3,
    MULTILINGUAL_T3,
    ChatterboxConfig,
    multilingual,
)
from spec.files.checkpoint import CHATTERBOX, MULTILINGUAL, contents_of, family_of, names_of, size_of, t3_named
from spec.synthetic import files_of, turbo_names
from spec.text import normalize_punctuation
from spec.turbo import T3_SIZES, turbo
from spec.turbo_text import normalize_turbo
from spec.turbo_voice import load_turbo_voice
from spec.watermark.config import WatermarkConfig

MODELS = (CHATTERBOX, *T3_SIZES)


@dataclass(frozen=True)
class Model:
    """A model of the family: its configuration, the files of a synthetic checkpoint, and what it does to its inputs."""

    name: str  # of `MODELS`
    size: str
    config: ChatterboxConfig
    files: tuple[str, ...]
    normalize: Callable[[str], str]
    load_voice: Callable[[Path, Callable[[str], object]], Voice]


def size_for(options: argparse.Namespace) -> str:
    """The size of the checkpoint, which its files say. Raises `ValueError` where `--size` says another."""
    if options.checkpoint is None or (found := size_of(options.checkpoint)) is None:
        return options.size or "full"
    if options.size not in (None, found):
        raise ValueError(
            f"--size is {options.size}, and {options.checkpoint} is a checkpoint of size {found}; leave it out"
        )
    return found


def model_for(options: argparse.Namespace) -> Model:
    """The model that is meant, of its size, with the watermark's network, which has one size for all.

    Raises `ValueError` for a model or a T3 that the checkpoint has not got, and for a language that it does not speak.
    """
    size, t3 = size_for(options), t3_of(options)
    name = name_for(options, t3)
    there = [file for file in t3 if family_of(file) == name]
    made = chatterbox_model(options, size, there) if name == CHATTERBOX else turbo_model(options, name, size, there)
    return replace(made, config=replace(made.config, watermark=WatermarkConfig()))


def t3_of(options: argparse.Namespace) -> list[Path]:
    """The T3 of the checkpoint, the one that `--t3` names or else all."""
    there = [] if options.checkpoint is None else contents_of(options.checkpoint).t3
    return there if options.t3 is None else [t3_named(options.t3, there)]


def name_for(options: argparse.Namespace, t3: list[Path]) -> str:
    """Which of `MODELS` is meant: the one that `--model` says, or else that of the T3 that are there."""
    families = list(dict.fromkeys(map(family_of, t3)))
    if options.model is not None:
        if families and options.model not in families:
            raise ValueError(
                f"--model is {options.model}, and {options.checkpoint} has {names_of(t3)}; "
                f"leave it out, or give a checkpoint of {options.model}"
            )
        return options.model
    if len(families) > 1 and CHATTERBOX not in families:
        raise ValueError(f"{options.checkpoint} has {names_of(t3)}; say with --model which of them is to speak")
    return CHATTERBOX if CHATTERBOX in families or not families else families[0]


def chatterbox_model(options: argparse.Namespace, size: str, there: list[Path]) -> Model:
    """Chatterbox with the T3 of one language, or of many where `--language` is given."""
    config, many, names = CHATTERBOX_SIZES[size], options.language is not None, [file.name for file in there]
    if options.t3 is not None:
        file = names[0]
    elif many:
        file = next((name for name in MULTILINGUAL if name in names), MULTILINGUAL_T3)
    else:
        file = ENGLISH_T3
    config = multilingual(config, file) if many else replace(config, t3=replace(config.t3, file=file))
    normalize = partial(normalize_punctuation, multilingual=config.t3.multilingual)
    return Model(CHATTERBOX, size, config, files_of(config), normalize, load_voice)


def turbo_model(options: argparse.Namespace, name: str, size: str, there: list[Path]) -> Model:
    """Turbo or Nano."""
    if options.language is not None:
        raise ValueError(
            f"--language is {options.language!r}, and {name} speaks English alone; leave it out, or give a checkpoint "
            "with a multilingual T3"
        )
    if len(there) > 1:
        raise ValueError(f"{options.checkpoint} has {names_of(there)}; say with --t3 which of them is to speak")
    config = turbo(name, size)
    files = turbo_names(config)
    if there:
        config = replace(config, t3=replace(config.t3, file=there[0].name))
    return Model(name, size, config, files, normalize_turbo, load_turbo_voice)
