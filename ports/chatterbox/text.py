"""Subjects of the text before its tokens: punctuation, and letters of the multilingual model, as code points."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ports.chatterbox.subject import Subject
from spec.text import decomposed, normalize_punctuation

LENGTH = 48
"""Code points of each text, given and made, with zeros behind it: so a text that is made longer can be compared."""


def points(text: str) -> np.ndarray:
    """The code points of a text, `(LENGTH,)`."""
    return np.array([*map(ord, text), *[0] * (LENGTH - len(text))])


def change(normalize: Callable[[str], str], text: Any) -> list[int]:
    """What is to be added to the code points of a text, of either framework, for those of the normalised text.

    Strings are rewritten on the host, where no graph is: a stage is the sum of both.
    """
    given = np.array(text.tolist())
    return (points(normalize("".join(map(chr, given[given > 0])))) - given).tolist()


def normalized(text: Tensor) -> Tensor:
    return text + torch.tensor(change(normalize_punctuation, text))


def multilingual(text: Tensor) -> Tensor:
    return text + torch.tensor(change(partial(normalize_punctuation, multilingual=True), text))


def letters(text: Tensor) -> Tensor:
    """What the multilingual tokenizer makes of the letters before the rules of a language."""
    return text + torch.tensor(change(decomposed, text))


def _subjects(stage: str, function: Callable[[Tensor], Tensor], cases: Mapping[str, str]) -> Iterator[Subject]:
    subject = Subject(stage, lambda: function, None, [{"text": points(text)} for text in PLAIN])
    yield subject
    for case, text in cases.items():
        yield subject.on(case, text=points(text))


PLAIN = ("hello there", "wait: a - b, c — d", "Yes!")
ENGLISH = {
    "curly double quotes": "The “end”.",
    "curly single quotes": "It’s ‘fine’.",
    "an East Asian ending": "ok。",
}
MULTILINGUAL = {
    "curly double quotes": "La “fin” ya.",
    "curly single quotes": "De l’eau.",
    "quotes at the ends": '"Hello there."',
    "quotes alone": '""',
    "doubled marks": "What??",
    "a letter after a space": " hola",
    "a semicolon": "Wait; what?",
}
LETTERS = {"accents": "L’été, ça", "kana and Cyrillic": "がй"}
SUBJECTS = (
    *_subjects("text/normalized", normalized, ENGLISH),
    *_subjects("text/multilingual", multilingual, MULTILINGUAL),
    *_subjects("text/letters", letters, LETTERS),
)
