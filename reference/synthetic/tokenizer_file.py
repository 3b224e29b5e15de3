"""A `tokenizer.json` in the published format: byte-pair encoding over characters, with common English pairs merged."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers

from reference.config import T3Config

# The first three lead, the start token has a place of its own, the rest are there and unused, as upstream lists them.
FIRST = ("[STOP]", "[UNK]", "[SPACE]")
START = "[START]"
UNUSED = ("[PAD]", "[SEP]", "[CLS]", "[MASK]")
# Each is merged from what is before its last character, and that.
PAIRS = "th he in er an re on at en nd ti es or te ed is it al ar st to nt ng se ha as ou io le ve co me de ri ro ic ne"
MERGED = (*PAIRS.split(), "the", "ing", "and", "ion", "ent")


def write_tokenizer(file: Path, config: T3Config) -> None:
    """Write the tokenizer of a configuration, the same bytes everywhere, whole or not at all."""
    printable = (character for character in map(chr, range(ord("!"), 0x10000)) if character.isprintable())
    characters = islice(printable, config.start_text - len(FIRST))  # ASCII and Latin: the numbers have no hole
    tokens = (*FIRST, *characters, START, *UNUSED, *MERGED)
    vocabulary = {token: number for number, token in enumerate(tokens)}
    merges = [(token[:-1], token[-1]) for token in MERGED]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens([*FIRST, START, *UNUSED])
    partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
    tokenizer.save(str(partial), pretty=True)
    os.replace(partial, file)
