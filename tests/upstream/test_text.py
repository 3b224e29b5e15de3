"""Text to tokens against upstream's own functions: punctuation, and the tokenizer on the synthetic file."""

import ast
import importlib.util
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spec.config import CHATTERBOX_SIZES
from spec.synthetic.tokenizer_file import write_tokenizer
from spec.text import TextTokenizer, normalize_punctuation
from tests.upstream import upstream_loader

CONFIG = CHATTERBOX_SIZES["tiny"].t3
assert upstream_loader  # imported for what it prepares

NASTY = [
    "",
    " ",
    "\t\n\u00a0 \u3000",
    ".",
    "...",
    "....",
    ".....x",
    "…",
    "…:",
    "a",
    "ß is two letters",
    "ŉ, too",
    "ǆ",
    "ǅ is titlecase",
    "İstanbul",
    "ﬁne ligature",
    "1 begins",
    "élan",
    "  leading",
    "trailing   ",
    "trailing, ",
    "no-break\u00a0space and\u2009thin\u200bzero\u2028line",
    "a:b;c",
    "a : b ; c",
    "wait - what",
    "wait -what- no",
    " - ",
    "a -  - b",
    "em—dash–en",
    "— — –",
    "“quoted”",
    "‘single’ it’s",
    "He said ...: “no” ;",
    "ends with ellipsis…",
    "ends with dash -",
    "ends with dash - ",
    "ends with colon:",
    "really?!",
    'she said "yes"',
    "(brackets)",
    "你好。",
    "你好",
    "何？",
    "すごい！",
    "一，二",
    "、",
    "a\x00b",
    "a\x1cb\x1fc",
    "\ud7ff\ue000",
    "👩‍👩‍👧 emoji",
    "e\u0301 combining",
    "מה",
    "، arabic؟",
    "x" * 2047,
]


def upstream_module(file: str, name: str):
    """A function or a constant of upstream's, taken out of a module whose other imports are not installed."""
    spec = importlib.util.find_spec("chatterbox")
    tree = ast.parse((Path(spec.submodule_search_locations[0]) / file).read_text(encoding="utf-8"))
    (found,) = [
        node
        for node in tree.body
        if (isinstance(node, ast.FunctionDef) and node.name == name)
        or (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name)
    ]
    names: dict = {}
    exec(compile(ast.Module([found], []), file, "exec"), names)
    return names[name]


ENGLISH, MULTILINGUAL = upstream_module("tts.py", "punc_norm"), upstream_module("mtl_tts.py", "punc_norm")


@pytest.mark.parametrize("text", NASTY)
def test_punctuation_equals_upstream(text):
    assert normalize_punctuation(text) == ENGLISH(text)
    assert normalize_punctuation(text, multilingual=True) == MULTILINGUAL(text)


def test_the_table_tells_the_two_models_and_rules_apart():
    assert any(ENGLISH(text) != MULTILINGUAL(text) for text in NASTY)
    assert ENGLISH("He said ...: “no” ;") != "He said: no."


# Letters of many scripts, and often what the rules look for.
PIECES = st.one_of(st.text(max_size=3), st.sampled_from([*"…:;—–“”‘’,.!?- ", "...", " - ", " ,", "。", "，", "\u00a0"]))
TEXTS = st.lists(PIECES, max_size=30).map("".join)


@given(TEXTS)
@settings(max_examples=2000, deadline=None, derandomize=True)
def test_punctuation_equals_upstream_on_any_text(text):
    assert normalize_punctuation(text) == ENGLISH(text)
    assert normalize_punctuation(text, multilingual=True) == MULTILINGUAL(text)


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory):
    """Ours and upstream's, of the same file."""
    from chatterbox.models.tokenizers import EnTokenizer

    file = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    write_tokenizer(file, CONFIG)
    return TextTokenizer(file, CONFIG), EnTokenizer(str(file))


def upstream_tokens(tokenizer, text: str, **language: str) -> list[list[int]]:
    """With the start and stop tokens that upstream's `generate` puts around them."""
    return [[CONFIG.start_text, *tokenizer.text_to_tokens(text, **language)[0].tolist(), CONFIG.stop_text]]


@pytest.mark.parametrize("text", NASTY)
def test_tokens_equal_upstream(tokenizers, text):
    ours, theirs = tokenizers
    assert ours.encode(text).tolist() == upstream_tokens(theirs, text)
    normal = normalize_punctuation(text)
    assert ours.encode(normal).tolist() == upstream_tokens(theirs, normal)


def test_tokens_equal_upstream_on_any_text(tokenizers):
    ours, theirs = tokenizers

    @given(TEXTS)
    @settings(max_examples=500, deadline=None, derandomize=True)
    def check(text):
        assert ours.encode(text).tolist() == upstream_tokens(theirs, text)

    check()
