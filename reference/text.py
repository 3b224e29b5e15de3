"""Text to text tokens: punctuation first, then byte-pair encoding. Imports no framework; both sides read it.

Upstream: `chatterbox/tts.py` and `mtl_tts.py` (`punc_norm`, `generate`), `models/tokenizers/tokenizer.py`
(`EnTokenizer`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from reference.config import T3Config

TOKENIZER = "tokenizer.json"
START, STOP, SPACE = "[START]", "[STOP]", "[SPACE]"
NOTHING_TO_SAY = "You need to add some text for me to talk."

# In this order: what one rule leaves, the next may change ("...:" becomes ", ," and then ",,").
PUNCTUATION = (
    ("...", ", "),
    ("…", ", "),
    (":", ","),
    (" - ", ", "),
    (";", ", "),
    ("—", "-"),
    ("–", "-"),
    (" ,", ","),
    ("“", '"'),
    ("”", '"'),
    ("‘", "'"),
    ("’", "'"),
)
ENDINGS = (".", "!", "?", "-", ",")
EAST_ASIAN_ENDINGS = ("、", "，", "。", "？", "！")


def normalize_punctuation(text: str, multilingual: bool = False) -> str:
    """The text with a capital at its start, single spaces, the punctuation that T3 knows, and an end to its sentence.

    Empty text becomes a sentence that asks for some, as upstream has it; blank text becomes a full stop.
    """
    if not text:
        return NOTHING_TO_SAY
    if text[0].islower():  # titlecase letters and digits stay; some letters become two
        text = text[0].upper() + text[1:]
    text = " ".join(text.split())
    for old, new in PUNCTUATION:
        text = text.replace(old, new)
    text = text.rstrip(" ")
    endings = ENDINGS + EAST_ASIAN_ENDINGS if multilingual else ENDINGS
    return text if text.endswith(endings) else f"{text}."


class TextTokenizer:
    """The English model's tokenizer, read from `tokenizer.json`.

    Raises `ValueError` for a file that is no tokenizer, and for one of another model.
    """

    def __init__(self, file: Path, config: T3Config):
        if not file.is_file():
            raise ValueError(f"{file}: no such file; expected the tokenizer of a checkpoint directory as published")
        try:
            self.tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises no narrower one
            raise ValueError(f"{file}: not a tokenizer ({error}); fetch or make it again") from error
        self.config = config
        vocabulary = self.tokenizer.get_vocab()
        for token, number in ((START, config.start_text), (STOP, config.stop_text)):
            if vocabulary.get(token) != number:
                raise ValueError(
                    f"{file}: {token} has the number {vocabulary.get(token)}, expected {number}; is it another model's?"
                )
        if (highest := max(vocabulary.values())) >= config.text_vocab_size:
            raise ValueError(
                f"{file}: has the number {highest}, expected below {config.text_vocab_size}; is it another model's?"
            )

    def encode(self, text: str) -> np.ndarray:
        """Normalized text -> its tokens between the start and the stop token, `(1, L)`, int64."""
        tokens = self.tokenizer.encode(text.replace(" ", SPACE)).ids
        return np.array([[self.config.start_text, *tokens, self.config.stop_text]], dtype=np.int64)
