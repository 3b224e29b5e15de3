"""The multilingual tokenizer against upstream's own `MTLTokenizer`: every language, on the synthetic file."""

import importlib
import logging
import sys
import unicodedata
from types import ModuleType
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spec import languages
from spec.config import CHATTERBOX_SIZES, multilingual
from spec.languages import CANGJIE, LANGUAGES
from spec.synthetic.tokenizer_file import IDEOGRAPHS, write_cangjie, write_multilingual_tokenizer
from spec.text import MULTILINGUAL_TOKENIZER, load_tokenizer, normalize_punctuation
from tests.upstream import upstream_loader
from tests.upstream.test_text import NASTY, TEXTS, upstream_module, upstream_tokens

assert upstream_loader  # imported for what it prepares
theirs = importlib.import_module("chatterbox.models.tokenizers.tokenizer")

CONFIG = multilingual(CHATTERBOX_SIZES["tiny"]).t3
SAID = {
    "ar": "مرحبًا، كيف حالك؟ ١٢٣",
    "da": "Rødgrød med fløde på",
    "de": "Füße, Öl und ÄRGER: „groß“",
    "el": "Καλημέρα κόσμε· ΤΙ ΚΆΝΕΙΣ;",
    "en": "The ﬁrst [laughter] — it’s   ½ done…",
    "es": "¿Qué tal, señor? ¡Ñandú!",
    "fi": "Hyvää yötä, äiti",
    "fr": "Ça va ? L’été dernier, nœud",
    "he": "שָׁלוֹם עולם, מה נשמע?",
    "hi": "नमस्ते दुनिया, क़लम।",
    "it": "Perché no? È così",
    "ja": "東京へ行く。私は学生です、ハンバーガーとｶﾀｶﾅとがぎぐ。葉は緑、箸へ変化 ABC",
    "ko": " 안녕하세요, 세계! 값이 얼마예요? \ud7a4\ud7af ",
    "ms": "Selamat pagi dunia",
    "nl": "Eén ijsje, alstublieft",
    "no": "Blåbærsyltetøy",
    "pl": "Zażółć gęślą jaźń",
    "pt": "Olá, coração! Não há pão",
    "ru": "Привет, мир! Ёлка и йод — съешь ещё",
    "sv": "Räksmörgås på ön",
    "sw": "Habari ya dunia",
    "tr": "İyi günler, IĞDIR ışığı",
    "zh": "你好，世界。一丁丂七丄丅丆 龜ＡＢＣ、のカ 万丈三！",
}


class InPairs:
    """A segmenter in place of pkuseg, whose model is a download: words of two characters."""

    def cut(self, text: str) -> list[str]:
        return [text[at : at + 2] for at in range(0, len(text), 2)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("multilingual")
    write_multilingual_tokenizer(folder / MULTILINGUAL_TOKENIZER, CONFIG)
    write_cangjie(folder / CANGJIE)
    return folder


@pytest.fixture(scope="module")
def tokenizers(folder):
    """Ours and upstream's, of the same files, with the same segmenter."""
    package = ModuleType("spacy_pkuseg")
    package.pkuseg = InPairs
    with (
        mock.patch.dict(sys.modules, spacy_pkuseg=package),
        mock.patch.object(theirs, "hf_hub_download", lambda *, filename, **_: str(folder / filename)),
        mock.patch.object(languages, "_segmenter", InPairs),
    ):
        yield load_tokenizer(folder, CONFIG), theirs.MTLTokenizer(str(folder / MULTILINGUAL_TOKENIZER))


def assert_equal(tokenizers, text: str, language: str) -> list[int]:
    ours, other = tokenizers
    tokens = ours.encode(text, language).tolist()
    assert tokens == upstream_tokens(other, text, language_id=language)
    return tokens[0]


def test_languages_are_upstreams():
    assert upstream_module("mtl_tts.py", "SUPPORTED_LANGUAGES") == LANGUAGES
    assert SAID.keys() == LANGUAGES.keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_tokens_equal_upstream(tokenizers, language):
    text = normalize_punctuation(SAID[language], multilingual=True)
    tokens = assert_equal(tokenizers, text, language)
    vocabulary = tokenizers[0].vocabulary
    assert tokens[:2] == [vocabulary["[START]"], vocabulary[f"[{language}]"]]
    unknown = tokens.count(vocabulary["[UNK]"])
    assert unknown <= len(tokens) / 5  # what is compared is not the unknown token
    assert len(set(tokens)) > 8


@pytest.mark.parametrize("language", LANGUAGES)
def test_tokens_of_nasty_text_equal_upstream(tokenizers, language):
    for text in [*NASTY, *SAID.values()]:
        for given_text in (text, normalize_punctuation(text, multilingual=True)):
            if len(given_text) < 1000:  # blanks between Chinese words make a long one too long
                assert_equal(tokenizers, given_text, language)


@pytest.mark.parametrize("language", ["ja", "ko", "zh", "fr"])
def test_tokens_of_any_text_equal_upstream(tokenizers, language):
    spans = {"ja": (0x3041, 0x9FFF), "ko": (0xAC00, 0xD7FF), "zh": (IDEOGRAPHS.start - 20, IDEOGRAPHS.stop + 20)}
    characters = st.characters(min_codepoint=spans[language][0], max_codepoint=spans[language][1]) if (
        language in spans) else st.characters(codec="utf-8")  # fmt: skip

    @given(st.lists(st.one_of(st.text(characters, max_size=6), TEXTS), max_size=4).map("".join))
    @settings(max_examples=200, deadline=None, derandomize=True)
    def check(text):
        assert_equal(tokenizers, text, language)

    check()


def test_every_input_code_equals_upstream(folder, tokenizers):
    """Of all characters of the table, those with the same code as others among them."""
    codes, converter = languages.read_cangjie(folder / CANGJIE), tokenizers[1].cangjie_converter
    assert {chr(number): converter._cangjie_encode(chr(number)) for number in IDEOGRAPHS} == codes
    assert any(code.endswith("2") for code in codes.values())


def test_repeated_entries_of_a_table_equal_upstream(tmp_path):
    (tmp_path / CANGJIE).write_text('["一\\tm", "丁\\tmn\\tmore", "一\\tm", "七\\tm", "丁\\tm", "丁\\tmn"]')
    with mock.patch.object(theirs, "hf_hub_download", return_value=str(tmp_path / CANGJIE)):
        converter = theirs.ChineseCangjieConverter()
    codes = languages.read_cangjie(tmp_path / CANGJIE)
    assert codes == {"一": "m", "丁": "mn", "七": "m2"}
    assert codes == {character: converter._cangjie_encode(character) for character in codes}


def test_language_changes_the_tokens(tokenizers):
    """The rules are not all the same rule: each changes its own text beside the tag."""
    for language in ("ja", "zh"):
        assert (
            assert_equal(tokenizers, SAID[language], language)[2:] != assert_equal(tokenizers, SAID[language], "en")[2:]
        )
    assert languages.korean("\uac01") == unicodedata.normalize("NFKD", "\uac01") == theirs.korean_normalize("\uac01")
    assert languages.korean(" \ud7a4") == theirs.korean_normalize(" \ud7a4") != "\ud7a4"


def module_with(**names) -> ModuleType:
    module = ModuleType("marker")
    vars(module).update(names)
    return module


class Marker:
    """Marks every vowel, as dicta_onnx and russian_text_stresser do by their own methods."""

    def mark(self, text: str) -> str:
        return "".join(f"{letter}\u0301" if letter in "иео\u05d5" else letter for letter in text)

    add_diacritics = stress_text = mark


class Failing:
    def __init__(self):
        raise TypeError("model_path is missing")


@pytest.mark.parametrize("kind", [Marker, Failing, None])
@pytest.mark.parametrize("language", ["he", "ru"])
def test_optional_markers_are_used_as_upstream_uses_them(tokenizers, language, kind, caplog):
    """Installed, failing, and not installed."""
    packages: dict = {"dicta_onnx": None, "russian_text_stresser": None, "russian_text_stresser.text_stresser": None}
    if kind:
        marker = module_with(Dicta=kind, RussianTextStresser=kind)
        packages = dict.fromkeys(packages, marker)
    for cached in (languages._dicta, languages._stresser):
        cached.cache_clear()
    with (
        mock.patch.dict(sys.modules, packages),
        mock.patch.multiple(theirs, _dicta=None, _russian_stresser=None),
        caplog.at_level(logging.WARNING),
    ):
        tokens = assert_equal(tokenizers, SAID[language], language)
    warned = [record for record in caplog.records if record.name == "spec.languages"]
    assert len(warned) == (kind is not Marker)
    for cached in (languages._dicta, languages._stresser):
        cached.cache_clear()
    plain = tokenizers[0].framed(f"[{language}]" + unicodedata.normalize("NFKD", SAID[language].lower())).tolist()[0]
    assert (tokens != plain) == (kind is Marker)
