"""Text to tokens: what the rules make of punctuation, and what the tokenizer refuses. Neither needs a framework."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from spec.config import CHATTERBOX_SIZES
from spec.synthetic.tokenizer_file import write_tokenizer
from spec.text import NOTHING_TO_SAY, TextTokenizer, normalize_punctuation

CONFIG = CHATTERBOX_SIZES["tiny"].t3


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    file = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    write_tokenizer(file, CONFIG)
    return file


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the other one, then", ""),
        ("你好 世界, 你", "你好世界"),
        ("Cafe\u0301 😀!", "\u0301😀"),
    ],
)
def test_characters_without_a_token_are_known(file, text, expected):
    assert TextTokenizer(file, CONFIG).unknown(normalize_punctuation(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", NOTHING_TO_SAY),
        ("  \n", "."),
        ("hello", "Hello."),
        ("ßa", "SSa."),
        ("Already done!", "Already done!"),
        ("two  spaces\tand\u00a0more", "Two spaces and more."),
        ("wait...what", "Wait, what."),
        ("one: two; three", "One, two,  three."),
        ("this - that", "This, that."),
        ("em—dash–", "Em-dash-"),
        ("“it’s”", '"it\'s".'),
        ("space , comma", "Space, comma."),
        ("ends, ", "Ends,"),
    ],
)
def test_punctuation(text, expected):
    assert normalize_punctuation(text) == expected


def test_endings_of_the_multilingual_model():
    assert normalize_punctuation("你好。") == "你好。."
    assert normalize_punctuation("你好。", multilingual=True) == "你好。"
    assert normalize_punctuation("你好", multilingual=True) == "你好."


def test_tokens_are_between_start_and_stop(file):
    tokenizer = TextTokenizer(file, CONFIG)
    tokens = tokenizer.encode("The thing")
    vocabulary = tokenizer.tokenizer.get_vocab()
    pieces = ["[START]", "T", "he", "[SPACE]", "th", "ing", "[STOP]"]
    assert tokens.tolist() == [[vocabulary[piece] for piece in pieces]]
    assert str(tokens.dtype) == "int64"
    assert tokenizer.encode("").tolist() == [[255, 0]]
    assert tokenizer.encode("漢").tolist() == [[255, vocabulary["[UNK]"], 0]]


def test_synthetic_file_is_the_same_every_time_and_has_no_hole(file, tmp_path):
    write_tokenizer(tmp_path / "again.json", CONFIG)
    assert (tmp_path / "again.json").read_bytes() == file.read_bytes()
    numbers = sorted(json.loads(file.read_text())["model"]["vocab"].values())
    assert numbers == list(range(len(numbers)))
    assert 255 < len(numbers) <= CONFIG.text_vocab_size


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start_text": 254}, r"\[START\] has the number 255, expected 254"),
        ({"stop_text": 9}, r"\[STOP\] has the number 0, expected 9"),
        ({"text_vocab_size": 300}, r"expected below 300; is it another model's\?"),
    ],
)
def test_another_models_tokenizer_is_refused(file, change, message):
    with pytest.raises(ValueError, match=message):
        TextTokenizer(file, replace(CONFIG, **change))


@pytest.mark.parametrize("content", ["", "{}", "<!DOCTYPE html>", '{"version": "1.0", "model": {"type": "none"}}'])
def test_another_file_is_refused(tmp_path, content):
    with pytest.raises(ValueError, match="no such file"):
        TextTokenizer(tmp_path / "tokenizer.json", CONFIG)
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(ValueError, match=r"not a tokenizer .*; fetch or make it again"):
        TextTokenizer(tmp_path / "tokenizer.json", CONFIG)


def test_no_framework_is_imported():
    code = "import sys, spec.text; print(sorted({'torch', 'mlx', 'mlx.core'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
