"""Subjects of what a call takes where nothing is said: the settings of either model, each as a factor of 1."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from inspect import signature
from typing import Any

import numpy as np

from ports.chatterbox.subject import CONFIG, Subject
from reference import defaults
from spec.config import T3Config, multilingual

SETTINGS = ("exaggeration", "cfg_weight", "repetition_penalty", "temperature", "min_p", "top_p", "max_new_tokens")
"""As the arguments of upstream's `generate` are called, in the order of `reference.defaults.values`."""


def factors(values: Sequence[float], one: Any) -> tuple[Any, ...]:
    """A number `(1,)` of either framework -> its product with each of these settings."""
    return tuple(one * float(value) for value in values)


def taken(generate: Callable[..., Any]) -> Callable[[Any], tuple[Any, ...]]:
    """The factors of what a port's `generate` takes where nothing is said."""
    arguments = signature(generate).parameters
    return partial(factors, [arguments[name].default for name in SETTINGS])


def _subject(stage: str, config: T3Config) -> Subject:
    values = defaults.values(config)[: len(SETTINGS)]
    return Subject(stage, lambda: partial(factors, values), None, [{"one": np.ones(1, np.float32)}])


SUBJECTS = (
    _subject("defaults/english", CONFIG.t3),
    _subject("defaults/multilingual", multilingual(CONFIG).t3),
)
