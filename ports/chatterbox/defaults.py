"""Subjects of what a call takes where nothing is said: the settings of either model, each as a factor of 1."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor

from ports.chatterbox.subject import CONFIG, Subject
from reference import defaults
from spec.config import T3Config, multilingual

SETTINGS = ("exaggeration", "cfg_weight", "repetition_penalty", "temperature", "min_p", "top_p", "max_new_tokens")
"""As the arguments of upstream's `generate` are called, in the order of `reference.defaults.values`."""


def factors(values: Mapping[str, float], one: Any) -> tuple[Any, ...]:
    """A number `(1,)` of either framework -> its product with each of these settings."""
    return tuple(one * float(values[name]) for name in SETTINGS)


def taken(config: T3Config, one: Tensor) -> tuple[Tensor, ...]:
    return factors(dict(zip(SETTINGS, defaults.values(config), strict=False)), one)


def _subject(stage: str, config: T3Config) -> Subject:
    return Subject(stage, lambda: partial(taken, config), None, [{"one": np.ones(1, np.float32)}])


SUBJECTS = (
    _subject("defaults/english", CONFIG.t3),
    _subject("defaults/multilingual", multilingual(CONFIG).t3),
)
