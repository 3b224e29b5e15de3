"""Tokenizers in the published format: byte-pair encoding over characters, with common English pairs merged.

The multilingual model's has the same numbers first, then its languages' tags, the keys of Chinese input codes, and the
characters of more scripts; beside it lies a table of input codes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers

from parity.base.files import write_text
from spec.config import T3Config
from spec.languages import LANGUAGES

# The first three lead, the start token has a place of its own, the rest are there and unused, as upstream lists them.
FIRST = ("[STOP]", "[UNK]", "[SPACE]")
START = "[START]"
UNUSED = ("[PAD]", "[SEP]", "[CLS]", "[MASK]")
# Each is merged from what is before its last character, and that.
PAIRS = "th he in er an re on at en nd ti es or te ed is it al ar st to nt ng se ha as ou io le ve co me de ri ro ic ne"
MERGED = (*PAIRS.split(), "the", "ing", "and", "ion", "ent")


# Blocks of Unicode, what is written there in lower case and decomposed: Latin's marks, Greek, Cyrillic, Hebrew, Arabic,
# Devanagari, jamo, East Asian punctuation, kana.
BLOCKS = ((0x300, 0x370), (0x370, 0x400), (0x430, 0x460), (0x591, 0x5F5), (0x60C, 0x6D4), (0x900, 0x980),
          (0x1100, 0x1200), (0x3001, 0x3012), (0x3041, 0x3100))  # fmt: skip
KEYS = "abcdefghijklmnopqrstuvwxyz0123456789."
IDEOGRAPHS = range(0x4E00, 0x5600)


def write_tokenizer(file: Path, config: T3Config) -> None:
    """Write the English tokenizer of a configuration, the same bytes everywhere, whole or not at all."""
    _write(file, config, ())


def write_multilingual_tokenizer(file: Path, config: T3Config) -> None:
    """Write the multilingual tokenizer of a configuration, the same bytes everywhere, whole or not at all."""
    _write(file, config, (*(f"[{language}]" for language in LANGUAGES), *(f"[cj_{key}]" for key in KEYS)), BLOCKS)


def write_cangjie(file: Path) -> None:
    """Write a made-up code of up to five letters for some characters: each three in a row have the same."""
    codes = (f"{chr(number)}\t{_letters((number - IDEOGRAPHS.start) // 3 * 1009)}" for number in IDEOGRAPHS)
    write_text(json.dumps(list(codes), ensure_ascii=False), file)


def _write(file: Path, config: T3Config, tags: Sequence[str], blocks: Sequence[tuple[int, int]] = ()) -> None:
    printable = (character for character in map(chr, range(ord("!"), 0x10000)) if character.isprintable())
    characters = islice(printable, config.start_text - len(FIRST))  # ASCII and Latin: the numbers have no hole
    more = (chr(number) for block in blocks for number in range(*block))
    tokens = (*FIRST, *characters, START, *UNUSED, *MERGED, *tags, *more)
    vocabulary = {token: number for number, token in enumerate(tokens)}
    merges = [(token[:-1], token[-1]) for token in MERGED]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens([*FIRST, START, *UNUSED, *tags])
    write_text(tokenizer.to_str(pretty=True), file)


def _letters(number: int) -> str:
    """A number in base 26, the letters of its digits."""
    rest, digit = divmod(number, 26)
    return (_letters(rest) if rest else "") + KEYS[digit]
