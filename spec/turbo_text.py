"""Turbo's and Nano's text to text tokens: punctuation first, then GPT-2's byte-pair encoding. Both sides read it.

Upstream: `chatterbox/tts_turbo.py` (`punc_norm`, `generate`), whose tokenizer is transformers' `GPT2Tokenizer` over the
files `vocab.json`, `merges.txt` and `tokenizer_config.json` of the checkpoint.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

from spec.files.pointer import check_no_pointer
from spec.text import ENDINGS, NOTHING_TO_SAY
from spec.turbo import TurboT3Config

VOCABULARY, MERGES, SETTINGS = "vocab.json", "merges.txt", "tokenizer_config.json"

# In this order: what one rule leaves, the next may change. Chatterbox has more of them.
PUNCTUATION = (
    ("…", ", "),
    (":", ","),
    ("—", "-"),
    ("–", "-"),
    (" ,", ","),
    ("“", '"'),
    ("”", '"'),
    ("‘", "'"),
    ("’", "'"),
)


def normalize_turbo(text: str) -> str:
    """The text with a capital at its start, single spaces, the punctuation that Turbo knows, and an end.

    Empty text becomes a sentence that asks for some, as upstream has it; blank text becomes a full stop.
    """
    if not text:
        return NOTHING_TO_SAY
    if text[0].islower():
        text = text[0].upper() + text[1:]
    text = " ".join(text.split())
    for old, new in PUNCTUATION:
        text = text.replace(old, new)
    text = text.rstrip(" ")
    return text if text.endswith(ENDINGS) else f"{text}."


class TurboTokenizer:
    """GPT-2's tokenizer with the tokens that Turbo adds to it, such as `[laugh]`.

    Raises `ValueError` for files that are no tokenizer, and for those of another model.
    """

    def __init__(self, folder: Path, config: TurboT3Config):
        self.config = config
        vocabulary, settings = _read(folder / VOCABULARY), _read(folder / SETTINGS)
        merges = _lines(folder / MERGES)
        try:
            pairs = [(first, second) for first, second in (line.split(" ") for line in merges)]
            self.tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=pairs))
        except Exception as error:  # the library raises no narrower one
            raise ValueError(f"{folder}: {VOCABULARY} and {MERGES} do not fit each other ({error})") from error
        self.tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        added = sorted((int(number), each) for number, each in settings.get("added_tokens_decoder", {}).items())
        self.tokenizer.add_tokens([AddedToken(**each) for _, each in added])
        numbers = self.tokenizer.get_vocab()
        for number, each in added:
            if (got := numbers[each["content"]]) != number:
                raise ValueError(f"{folder / SETTINGS}: {each['content']} has the number {number}, expected {got}")
        if (highest := max(numbers.values())) >= config.text_vocab_size:
            raise ValueError(
                f"{folder / VOCABULARY}: has the number {highest}, expected below {config.text_vocab_size}; is it "
                "another model's?"
            )

    def unknown(self, text: str, language: str | None = None) -> str:
        """The characters of a text that have no token: none, because each byte has one."""
        return ""

    def encode(self, text: str) -> np.ndarray:
        """Normalized text -> its tokens, `(1, L)`, int64. There are no start and stop tokens.

        Raises `ValueError` for more of them than the model has positions for; upstream cuts.
        """
        tokens = self.tokenizer.encode(text).ids
        longest = self.config.positions - self.config.prompt_tokens - 3
        if not 1 <= len(tokens) <= longest:
            raise ValueError(
                f"the text has {len(tokens)} tokens, expected 1 to {longest}; split it and speak the parts"
            )
        return np.array([tokens], dtype=np.int64)


def _read(file: Path) -> dict[str, Any]:
    """A file of JSON that holds an object."""
    text = "\n".join(_lines(file))
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{file}: not JSON ({error}); fetch or make it again") from error
    if not isinstance(found, dict):
        raise ValueError(f"{file}: holds {type(found).__name__}, expected an object; fetch or make it again")
    return found


def _lines(file: Path) -> list[str]:
    """The lines of a file, without those that are empty and a first one that tells a version."""
    if not file.is_file():
        raise ValueError(f"{file}: no such file; expected the tokenizer of a checkpoint directory as published")
    check_no_pointer(file)
    lines = file.read_text(encoding="utf-8").split("\n")
    return [line for index, line in enumerate(lines) if line and not (index == 0 and line.startswith("#version"))]
