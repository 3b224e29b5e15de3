"""Text to text tokens: punctuation first, then byte-pair encoding. Imports no framework; both sides read it.

Upstream: `chatterbox/tts.py` and `mtl_tts.py` (`punc_norm`, `generate`), `models/tokenizers/tokenizer.py`
(`EnTokenizer`, `MTLTokenizer`).
"""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from spec.config import T3Config
from spec.files.pointer import check_no_pointer
from spec.languages import LANGUAGES, prepare

TOKENIZER = "tokenizer.json"
MULTILINGUAL_TOKENIZER = "grapheme_mtl_merged_expanded_v1.json"
START, STOP, SPACE, UNKNOWN = "[START]", "[STOP]", "[SPACE]", "[UNK]"
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


def decomposed(text: str) -> str:
    """The text in lower case, its letters without their accents, which follow them (NFKD)."""
    return unicodedata.normalize("NFKD", text.lower())


class TextTokenizer:
    """The English model's tokenizer, read from `tokenizer.json`.

    Raises `ValueError` for a file that is no tokenizer, and for one of another model.
    """

    def __init__(self, file: Path, config: T3Config):
        if not file.is_file():
            raise ValueError(f"{file}: no such file; expected the tokenizer of a checkpoint directory as published")
        check_no_pointer(file)
        try:
            self.tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises no narrower one
            raise ValueError(f"{file}: not a tokenizer ({error}); fetch or make it again") from error
        self.config, self.file = config, file
        self.vocabulary = self.tokenizer.get_vocab()
        for token, number in ((START, config.start_text), (STOP, config.stop_text)):
            if self.vocabulary.get(token) != number:
                raise ValueError(
                    f"{file}: {token} has the number {self.vocabulary.get(token)}, expected {number}; is it another "
                    "model's?"
                )
        if (highest := max(self.vocabulary.values())) >= config.text_vocab_size:
            raise ValueError(
                f"{file}: has the number {highest}, expected below {config.text_vocab_size}; is it another model's?"
            )

    def encode(self, text: str, language: str | None = None) -> np.ndarray:
        """Normalized text -> its tokens between the start and the stop token, `(1, L)`, int64: `prepared`, `framed`."""
        return self.framed(self.prepared(text, language))

    def unknown(self, text: str, language: str | None = None) -> str:
        """The characters of a normalized text that the model has no token for, each once: nobody will hear them."""
        prepared = self.prepared(text, language).replace(" ", SPACE)
        found = self.tokenizer.encode(prepared)
        spans = [span for token, span in zip(found.tokens, found.offsets, strict=True) if token == UNKNOWN]
        return "".join(dict.fromkeys("".join(prepared[start:stop] for start, stop in spans)))

    def prepared(self, text: str, language: str | None = None) -> str:
        """Normalized text -> as the tokenizer's file wants it, but for its blanks.

        Raises `ValueError` for a language, of which this model knows only English.
        """
        if language is not None:
            raise ValueError(
                f"language is {language!r}, expected none: this model is English; take the multilingual one"
            )
        return text

    def framed(self, text: str) -> np.ndarray:
        """What `prepared` gave -> tokens with start and stop, `(1, L)`. Raises `ValueError` for too many of them."""
        tokens = self.tokenizer.encode(text.replace(" ", SPACE)).ids
        if len(tokens) > (longest := self.config.text_positions - 2):
            raise ValueError(
                f"the text has {len(tokens)} tokens, expected at most {longest}; split it and speak the parts"
            )
        return np.array([[self.config.start_text, *tokens, self.config.stop_text]], dtype=np.int64)


class MultilingualTokenizer(TextTokenizer):
    """The multilingual model's tokenizer of graphemes, read from `grapheme_mtl_merged_expanded_v1.json`.

    Beside it lies what Chinese needs, see `spec/languages.py`. Raises `ValueError` as `TextTokenizer` does.
    """

    def prepared(self, text: str, language: str | None = None) -> str:
        """Normalized text and its language's code, of any case -> as the tokenizer's file wants it, but for its blanks.

        The text is put in lower case and NFKD, then the language's own rules apply, and its tag comes in front. Raises
        `ValueError` for a language that the model or its file does not know, and for what it lacks on this machine.
        """
        code = (language or "").lower()
        if code not in LANGUAGES:
            raise ValueError(f"language is {language!r}, expected one of {', '.join(LANGUAGES)}")
        if (tag := f"[{code}]") not in self.vocabulary:
            raise ValueError(f"{self.file}: lacks the token {tag} of {LANGUAGES[code]}; is it another model's?")
        return tag + prepare(decomposed(text), code, self.file.parent)


def load_tokenizer(checkpoint: Path, config: T3Config) -> TextTokenizer:
    """The tokenizer of a model's checkpoint directory. Raises `ValueError` as the class does."""
    if config.multilingual:
        return MultilingualTokenizer(checkpoint / MULTILINGUAL_TOKENIZER, config)
    return TextTokenizer(checkpoint / TOKENIZER, config)


def code_points(text: str) -> np.ndarray:
    """A text as numbers, `(N,)`, int64."""
    return np.array([ord(character) for character in text], dtype=np.int64)


def of_code_points(points: np.ndarray) -> str:
    """The text of such numbers."""
    return "".join(map(chr, points.tolist()))
