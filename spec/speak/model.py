"""Which model `speak` is to make of a checkpoint: its size, which the files say, and one of the T3 that lie there."""

from __future__ import annotations

import argparse
from dataclasses import replace

from spec.config import (
    ENGLISH_T3,
    MULTILINGUAL_T3,
    ChatterboxConfig,
    multilingual,
)
from spec.files.checkpoint import MULTILINGUAL, contents_of, size_of, t3_named


def size_for(options: argparse.Namespace) -> str:
    """The size of the checkpoint, which its files say. Raises `ValueError` where `--size` says another."""
    if options.checkpoint is None or (found := size_of(options.checkpoint)) is None:
        return options.size or "full"
    if options.size not in (None, found):
        raise ValueError(
            f"--size is {options.size}, and {options.checkpoint} is a checkpoint of size {found}; leave it out"
        )
    return found


def model_for(options: argparse.Namespace, config: ChatterboxConfig) -> ChatterboxConfig:
    """The configuration with the T3 that is meant.

    Raises `ValueError` for a T3 that the checkpoint has not got.
    """
    wanted, many = options.t3, options.language is not None
    there = [] if options.checkpoint is None else contents_of(options.checkpoint).t3
    names = [file.name for file in there]
    if wanted is not None:
        file = t3_named(wanted, there).name
    elif many:
        file = next((name for name in MULTILINGUAL if name in names), MULTILINGUAL_T3)
    else:
        file = ENGLISH_T3
    if not many:
        return replace(config, t3=replace(config.t3, file=file))
    return multilingual(config, file)
