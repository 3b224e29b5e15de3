"""What each language's text goes through before its tokens, as the multilingual model was trained. No framework.

Upstream: `chatterbox/mtl_tts.py` (`SUPPORTED_LANGUAGES`), `models/tokenizers/tokenizer.py` (`hiragana_normalize`,
`korean_normalize`, `ChineseCangjieConverter`, `add_hebrew_diacritics`, `add_russian_stress`).

Upstream warns and goes on where a package or a file is missing. For Japanese and Chinese that is an error here: every
upstream installation has pykakasi, spacy-pkuseg and `Cangjie5_TC.json`, so that going on would make other tokens than
upstream's. For Hebrew and Russian it is a warning here too: no upstream installation brings dicta_onnx or
russian_text_stresser, so that unmarked text makes the tokens that upstream's users get.
"""

from __future__ import annotations

import json
import logging
import os
import unicodedata
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from spec.files.pointer import check_no_pointer

LANGUAGES = {
    "ar": "Arabic",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "es": "Spanish",
    "fi": "Finnish",
    "fr": "French",
    "he": "Hebrew",
    "hi": "Hindi",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "ms": "Malay",
    "nl": "Dutch",
    "no": "Norwegian",
    "pl": "Polish",
    "pt": "Portuguese",
    "ru": "Russian",
    "sv": "Swedish",
    "sw": "Swahili",
    "tr": "Turkish",
    "zh": "Chinese",
}
CANGJIE = "Cangjie5_TC.json"
SEGMENTER_MODEL = "spacy_ontonotes.zip"
TOPIC_AND_DIRECTION = ("は", "へ")  # as particles they are said otherwise: they are kept apart

log = logging.getLogger(__name__)


def prepare(text: str, language: str, checkpoint: Path) -> str:
    """Lower-case text in NFKD, and a code of `LANGUAGES` -> the text whose tokens are taken.

    Chinese input codes are read from the checkpoint directory. Raises `ValueError` for what Japanese or Chinese lacks.
    """
    match language:
        case "zh":
            return chinese(text, read_cangjie(checkpoint / CANGJIE))
        case "ja":
            return japanese(text)
        case "ko":
            return korean(text)
        case "he":
            return _marked(text, _dicta, "dicta_onnx: Hebrew is read without vowel points")
        case "ru":
            return _marked(text, _stresser, "russian_text_stresser: Russian is read without stress marks")
        case _:
            return text


def japanese(text: str) -> str:
    """Kanji to hiragana, by pykakasi; kana stay, and everything is decomposed again."""
    said = []
    for phrase in _kakasi().convert(text):
        if any("\u4e00" <= character <= "\u9fff" for character in phrase["orig"]):
            hiragana = phrase["hira"]
            said.append(f" {hiragana}" if hiragana.startswith(TOPIC_AND_DIRECTION) else hiragana)
        else:
            said.append(phrase["orig"])
    return unicodedata.normalize("NFKD", "".join(said))


def chinese(text: str, codes: Mapping[str, str]) -> str:
    """Words apart, by pkuseg, and each character as the keys of its Cangjie code: 明 -> `[cj_a][cj_b][cj_.]`.

    What has no code stays.
    """
    keys = []
    for character in " ".join(_segmenter().cut(text)):
        code = codes.get(character) if unicodedata.category(character) == "Lo" else None
        keys.append(character if code is None else "".join(f"[cj_{key}]" for key in (*code, ".")))
    return "".join(keys)


def korean(text: str) -> str:
    """Syllables to their two or three letters (jamo), without blanks around."""
    return "".join(map(_jamo, text)).strip()


@cache
def read_cangjie(file: Path) -> dict[str, str]:
    """A JSON list of "character, tab, code" -> the code of each character.

    Of characters with the same code, all but the first have their number among them as its last keys.
    Raises `ValueError` for a missing file and for another one.
    """
    if not file.is_file():
        raise ValueError(f"{file}: no such file; Chinese text needs it: fetch it into the checkpoint directory")
    check_no_pointer(file)
    try:
        pairs = [entry.split("\t")[:2] for entry in json.loads(file.read_text(encoding="utf-8"))]
        codes = {character: code for character, code in pairs}  # noqa: C416, each must be a pair
    except (ValueError, AttributeError, TypeError) as error:
        raise ValueError(
            f"{file}: not a JSON list of characters and their codes, tabs between ({error}); fetch it again"
        ) from error
    numbers: dict[tuple[str, str], int] = {}  # of a character among those of its code, at its first place
    counts: dict[str, int] = {}
    for character, code in pairs:
        numbers.setdefault((code, character), counts.get(code, 0))
        counts[code] = counts.get(code, 0) + 1
    return {character: f"{code}{numbers[code, character] or ''}" for character, code in codes.items()}


def _jamo(character: str) -> str:
    """A syllable's letters by Unicode's arithmetic; upstream applies it up to U+D7AF, past the last syllable."""
    if not "\uac00" <= character <= "\ud7af":
        return character
    number = ord(character) - 0xAC00
    last = number % 28
    return chr(0x1100 + number // 588) + chr(0x1161 + number % 588 // 28) + (chr(0x11A7 + last) if last else "")


@cache
def _kakasi() -> Any:
    return _package("pykakasi", "Japanese").kakasi()


@cache
def _segmenter() -> Any:
    """pkuseg with its default model, which must be there already: the package would fetch it unasked."""
    package = _package("spacy_pkuseg", "Chinese")
    model = Path(os.environ.get("PKUSEG_HOME", "~/.pkuseg")).expanduser() / SEGMENTER_MODEL
    if not model.is_file():
        raise ValueError(
            f"{model}: no such file; Chinese text needs this model of pkuseg's: let "
            "`python -c 'import spacy_pkuseg; spacy_pkuseg.pkuseg()'` fetch it once"
        )
    return package.pkuseg()


@cache
def _dicta() -> Callable[[str], str]:
    """Upstream gives `Dicta` no model. dicta_onnx 1.0.9 demands one: there the text stays unmarked, as upstream's."""
    return import_module("dicta_onnx").Dicta().add_diacritics


@cache
def _stresser() -> Callable[[str], str]:
    return import_module("russian_text_stresser.text_stresser").RussianTextStresser().stress_text


def _package(name: str, language: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ValueError(
            f"{name} is not installed ({error}); {language} text needs it, as upstream's does: "
            f"pip install {name.replace('_', '-')}"
        ) from error


def _marked(text: str, marker: Callable[[], Callable[[str], str]], otherwise: str) -> str:
    """The text as a marker marks it; as it is, with a warning, where that cannot be done."""
    try:
        return marker()(text)
    except Exception as error:  # upstream goes on after any
        log.warning("%s (%s)", otherwise, error)
        return text
