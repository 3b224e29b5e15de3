"""Subjects of the text before its tokens: punctuation, and letters of the multilingual model, as code points."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch

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


def rewritten(normalize: Callable[[str], str], array: Callable[[list[int]], Any]) -> Callable[[Any], Any]:
    """That function of a text as one of its code points; `array` makes an array of either framework."""

    def rewrite(text: Any) -> Any:
        return text + array(change(normalize, text))

    return rewrite


def _subjects(stage: str, normalize: Callable[[str], str], cases: Mapping[str, str]) -> Iterator[Subject]:
    function = rewritten(normalize, torch.tensor)
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
    *_subjects("text/normalized", normalize_punctuation, ENGLISH),
    *_subjects("text/multilingual", partial(normalize_punctuation, multilingual=True), MULTILINGUAL),
    *_subjects("text/letters", decomposed, LETTERS),
)
