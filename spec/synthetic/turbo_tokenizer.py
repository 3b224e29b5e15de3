"""GPT-2's tokenizer in the published format: a symbol for each byte, common English pairs merged, and added tokens."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from parity.base.files import write_text
from spec.synthetic.tokenizer_file import MERGED
from spec.turbo_text import MERGES, SETTINGS, VOCABULARY

END = "<|endoftext|>"
ADDED = ("[laugh]", "[sigh]", "[cough]")  # of what Turbo adds
SPACE = "Ġ"  # how GPT-2 writes a blank


def byte_symbols() -> list[str]:
    """GPT-2's character of each byte in the order of its vocabulary: those that print, then the others, from U+0100."""
    printed = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    return [chr(byte) for byte in printed] + [chr(256 + index) for index in range(256 - len(printed))]


def write_turbo_tokenizer(place: Callable[[str], Path]) -> None:
    """Write the tokenizer's files, the same bytes everywhere; `place` gives the path of each."""
    merged = [(token[:-1], token[-1]) for token in MERGED[:30]] + [(SPACE, "t"), (SPACE + "t", "he")]
    tokens = [*byte_symbols(), *(first + second for first, second in merged), END]
    write_text(
        json.dumps({token: number for number, token in enumerate(tokens)}, ensure_ascii=False), place(VOCABULARY)
    )
    write_text("#version: 0.2\n" + "".join(f"{first} {second}\n" for first, second in merged), place(MERGES))
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    numbers = {END: len(tokens) - 1} | {token: len(tokens) + index for index, token in enumerate(ADDED)}
    decoder = {str(number): {"content": token, "special": token == END} | flags for token, number in numbers.items()}
    settings = {"added_tokens_decoder": decoder, "tokenizer_class": "GPT2Tokenizer", "add_prefix_space": False}
    settings |= dict.fromkeys(("bos_token", "eos_token", "unk_token"), END)
    write_text(json.dumps(settings, indent=2), place(SETTINGS))
