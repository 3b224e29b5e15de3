"""The multilingual tokenizer: each language's own rules, and what is refused. It needs no framework."""

import json
import logging
import sys
from types import ModuleType
from unittest import mock

import numpy as np
import pytest

from spec import languages
from spec.config import CHATTERBOX_SIZES, multilingual
from spec.languages import CANGJIE, LANGUAGES, SEGMENTER_MODEL, read_cangjie
from spec.synthetic.tokenizer_file import write_cangjie, write_multilingual_tokenizer, write_tokenizer
from spec.text import MULTILINGUAL_TOKENIZER, TOKENIZER, MultilingualTokenizer, TextTokenizer, load_tokenizer

CONFIG = multilingual(CHATTERBOX_SIZES["tiny"]).t3
ENGLISH = CHATTERBOX_SIZES["tiny"].t3


class InPairs:
    """A segmenter in place of pkuseg, whose model is a download: words of two characters."""

    def cut(self, text: str) -> list[str]:
        return [text[at : at + 2] for at in range(0, len(text), 2)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("multilingual")
    write_multilingual_tokenizer(folder / MULTILINGUAL_TOKENIZER, CONFIG)
    write_tokenizer(folder / TOKENIZER, ENGLISH)
    write_cangjie(folder / CANGJIE)
    return folder


@pytest.fixture(scope="module")
def tokenizer(folder):
    return load_tokenizer(folder, CONFIG)


@pytest.fixture(autouse=True)
def nothing_remembered():
    """What one test puts in a package's place is not met by another."""
    yield
    for cached in (languages._kakasi, languages._segmenter, languages._dicta, languages._stresser):
        cached.cache_clear()


def pieces(tokenizer, text: str, language: str) -> str:
    """The tokens between start and stop, as they are written, joined by blanks."""
    (tokens,) = tokenizer.encode(text, language).tolist()
    assert tokens[0] == CONFIG.start_text
    assert tokens[-1] == CONFIG.stop_text
    return " ".join(tokenizer.tokenizer.id_to_token(token) for token in tokens[1:-1])


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "A Bé.", "[en] a [SPACE] b e \u0301 ."),
        ("FR", "ﬁ ½", "[fr] f i [SPACE] 1 [UNK] 2"),  # NFKD; the fraction slash is unknown
        ("tr", "İ", "[tr] i \u0307"),
        ("de", "ẞß", "[de] ß ß"),
        ("ko", " 값 ", "[ko] ᄀ ᅡ ᆹ"),
        ("ko", "\ud7a4", "[ko] \u1113 \u1161"),  # past the last syllable
        ("ja", "東京へ行く", "[ja] と う き ょ う へ い く"),
        ("ja", "葉カ", "[ja] [SPACE] は カ"),
        ("ja", "ABCガ", "[ja] a b c カ \u3099"),
        ("ar", "سلام", "[ar] س ل ا م"),
        ("hi", "नमः", "[hi] न म ः"),
    ],
)
def test_text_in_the_rules_of_its_language(tokenizer, language, text, expected):
    assert pieces(tokenizer, text, language) == expected


def test_chinese_is_segmented_and_spelt_by_its_input_codes(folder, monkeypatch):
    (folder / "zh").mkdir()
    (folder / "zh" / CANGJIE).write_text(json.dumps(["日\ta", "明\tab", "曰\ta\trare"]), encoding="utf-8")
    write_multilingual_tokenizer(folder / "zh" / MULTILINGUAL_TOKENIZER, CONFIG)
    monkeypatch.setattr(languages, "_segmenter", InPairs)
    tokenizer = load_tokenizer(folder / "zh", CONFIG)
    found = pieces(tokenizer, "明日曰の。", "zh")
    assert found == "[zh] [cj_a] [cj_b] [cj_.] [cj_a] [cj_.] [SPACE] [cj_a] [cj_1] [cj_.] の [SPACE] 。"


def test_pkuseg_is_used_only_with_its_model_at_hand(tmp_path, monkeypatch):
    package = ModuleType("spacy_pkuseg")
    package.pkuseg = InPairs
    monkeypatch.setitem(sys.modules, "spacy_pkuseg", package)
    monkeypatch.setenv("PKUSEG_HOME", str(tmp_path))
    with pytest.raises(ValueError, match=rf"{SEGMENTER_MODEL}: no such file; Chinese text needs"):
        languages.chinese("一", {})
    (tmp_path / SEGMENTER_MODEL).touch()
    assert languages.chinese("一二三", {"三": "mm"}) == "一二 [cj_m][cj_m][cj_.]"


@pytest.mark.parametrize(("language", "package"), [("ja", "pykakasi"), ("zh", "spacy_pkuseg")])
def test_a_missing_package_is_an_error_where_upstream_requires_it(tokenizer, monkeypatch, language, package):
    monkeypatch.setitem(sys.modules, package, None)
    languages._kakasi.cache_clear()
    with pytest.raises(ValueError, match=rf"{package} is not installed .*pip install {package.replace('_', '-')}"):
        tokenizer.encode("一", language)
    tokenizer.encode("一", "fr")


@pytest.mark.parametrize(("language", "package"), [("he", "dicta_onnx"), ("ru", "russian_text_stresser")])
def test_a_missing_package_is_a_warning_where_upstream_does_not(tokenizer, monkeypatch, caplog, language, package):
    monkeypatch.setitem(sys.modules, package, None)
    with caplog.at_level(logging.WARNING):
        found = pieces(tokenizer, "Мל", language)
    assert found == f"[{language}] м ל"
    assert package in caplog.text

    class Marker:
        def add_diacritics(self, text):
            return text + "\u0301"

        stress_text = add_diacritics

    module = ModuleType("marker")
    module.Dicta = module.RussianTextStresser = Marker
    for name in (package, f"{package}.text_stresser"):
        monkeypatch.setitem(sys.modules, name, module)
    assert pieces(tokenizer, "Мל", language) == f"[{language}] м ל \u0301"


@pytest.mark.parametrize("content", ["", "{}x", '["日"]', '[["日", "a"]]', "7", '["日 a"]'])
def test_another_file_than_a_table_of_codes_is_refused(tmp_path, content):
    with pytest.raises(ValueError, match="no such file; Chinese text needs it"):
        read_cangjie(tmp_path / CANGJIE)
    (tmp_path / CANGJIE).write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match="not a JSON list of characters and their codes"):
        read_cangjie(tmp_path / CANGJIE)


@pytest.mark.parametrize("language", [None, "", "xx", "english", "en-us"])
def test_an_unknown_language_is_refused(tokenizer, language):
    with pytest.raises(ValueError, match=rf"language is {language!r}, expected one of ar, da, .*, zh$"):
        tokenizer.encode("a", language)


def test_a_language_is_refused_by_the_english_model(folder):
    tokenizer = load_tokenizer(folder, ENGLISH)
    assert type(tokenizer) is TextTokenizer
    assert tokenizer.encode("a", None).shape == (1, 3)
    with pytest.raises(ValueError, match="language is 'en', expected none: this model is English"):
        tokenizer.encode("a", "en")


def test_another_models_tokenizer_is_refused(folder):
    with pytest.raises(ValueError, match=r"lacks the token \[fr\] of French; is it another model's\?"):
        MultilingualTokenizer(folder / TOKENIZER, CONFIG).encode("a", "fr")
    with pytest.raises(ValueError, match="expected below 704"):
        TextTokenizer(folder / MULTILINGUAL_TOKENIZER, ENGLISH)
    with pytest.raises(ValueError, match=rf"{MULTILINGUAL_TOKENIZER}: no such file"):
        load_tokenizer(folder / "nowhere", CONFIG)


def test_too_long_a_text_is_refused(folder, tokenizer):
    english = load_tokenizer(folder, ENGLISH)
    assert english.encode("x" * 2048).shape == (1, 2050)
    assert tokenizer.encode("x" * 2047, "fr").shape == (1, 2050)  # the tag is a token too
    for encode in (lambda: english.encode("x" * 2049), lambda: tokenizer.encode("x" * 2048, "fr")):
        with pytest.raises(ValueError, match="the text has 2049 tokens, expected at most 2048; split it"):
            encode()


def test_synthetic_files_are_the_same_every_time_and_have_no_hole(folder, tmp_path):
    write_multilingual_tokenizer(tmp_path / MULTILINGUAL_TOKENIZER, CONFIG)
    write_cangjie(tmp_path / CANGJIE)
    for file in (MULTILINGUAL_TOKENIZER, CANGJIE):
        assert (tmp_path / file).read_bytes() == (folder / file).read_bytes()
    numbers = sorted(json.loads((folder / MULTILINGUAL_TOKENIZER).read_text())["model"]["vocab"].values())
    assert numbers == list(range(len(numbers)))
    assert 704 < len(numbers) <= CONFIG.text_vocab_size
    assert set(map(len, map(str, read_cangjie(folder / CANGJIE).values()))) <= set(range(1, 7))
    assert np.unique(list(read_cangjie(folder / CANGJIE).values())).size == len(read_cangjie(folder / CANGJIE))


def test_every_language_has_its_tag_and_plain_letters_need_no_rule(tokenizer):
    with mock.patch.object(languages, "_segmenter", InPairs):
        said = {language: pieces(tokenizer, "ab", language) for language in LANGUAGES}
    assert said == {language: f"[{language}] a b" for language in LANGUAGES}
