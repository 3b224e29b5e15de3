"""Sentences are short enough to be read once: in the pages, and in the docstrings of everything that ships."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("parity", "spec", "reference", "mlx_impl", "fixtures")
LONGEST = 40
ENDS = re.compile(r"(?<=[.!?])[)\"'*]*\s+(?=\W*[A-Z0-9`])")
ITEM = re.compile(r"\s*(?:[-*]|\d+\.)\s+|#+\s")


def paragraphs(text: str) -> Iterator[str]:
    """The prose of a text: without code, examples, tables and comments, each item of a list by itself."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"^\s*>>>.*?(?:\n\s*\n|\Z)", "\n", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"`+[^`]+`+", "`code`", text)
    held: list[str] = []
    for line in [*text.splitlines(), ""]:
        starts, aside = ITEM.match(line), line.startswith(("    ", "|")) and not held
        if starts or aside or not line.strip():
            yield " ".join(held)
            held = []
        if line.strip() and not aside:
            held.append(line[starts.end() :].strip() if starts else line.strip())


def sentences(text: str) -> list[str]:
    """Each sentence of a text's prose. A colon or a semicolon does not end one."""
    return [sentence for held in paragraphs(text) for sentence in ENDS.split(held) if sentence]


def words(sentence: str) -> int:
    """How many words a reader reads: what stands in backquotes is one."""
    return sum(any(character.isalnum() for character in word) for word in sentence.split())


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of every docstring, of variables too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            first, _, rest = node.value.value.partition("\n")
            indented = [len(line) - len(line.lstrip()) for line in rest.splitlines() if line.strip()]
            base = min(indented, default=0)
            yield node.lineno, "\n".join([first, *(line[base:] for line in rest.splitlines())])


def long_ones(place: str, text: str) -> list[str]:
    return [
        f"{place}: {count} words: {sentence}" for sentence in sentences(text) if (count := words(sentence)) > LONGEST
    ]


PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "writers" / "README.md"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_sentences_of_a_page_are_short(page):
    found = long_ones(page.relative_to(ROOT).as_posix(), page.read_text())
    assert found == [], "\n".join(found)


@pytest.mark.parametrize(("page", "lines", "count"), [("README.md", 90, None), ("docs/performance.md", None, 800)])
def test_a_page_is_short(page, lines, count):
    text = (ROOT / page).read_text()
    assert lines is None or len(text.splitlines()) <= lines
    assert count is None or len(text.split()) <= count


@pytest.mark.parametrize("folder", SOURCES)
def test_the_sentences_of_docstrings_are_short(folder):
    found = [
        sentence
        for file in sorted((ROOT / folder).rglob("*.py"))
        for line, text in docstrings(file.read_text())
        for sentence in long_ones(f"{file.relative_to(ROOT)}:{line}", text)
    ]
    assert found == [], "\n".join(found)


FORTY = " ".join(["word"] * 39)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (f"It {FORTY}.", 0),
        (f"It is {FORTY}.", 1),
        (f"It is {FORTY};\n{FORTY}.", 1),
        (f"It {FORTY}. It {FORTY}.", 0),
        (f"It {FORTY}:\n\n- {FORTY}\n- {FORTY}\n", 0),
        (f"- It is\n  {FORTY}.\n", 1),
        (f"It is `{FORTY}`.", 0),
        (f"It\n\n```text\nis {FORTY}\n```\n", 0),
        (f"| It is | {FORTY} |\n|---|---|\n", 0),
        (f"It [is {FORTY}](page.md).", 1),
        (f"It is 1.5 {FORTY}.", 1),
        (f"It.\n\n>>> is {FORTY}\n{FORTY}\n\nIt is {FORTY}.\n", 1),
    ],
)
def test_long_sentences_are_seen(text, count):
    assert len(long_ones("page", text)) == count


def test_docstrings_of_all_kinds_are_read():
    function = f'def f():\n    """First.\n\n    It is\n    {FORTY}.\n    """\n'
    source = f'"""Of a module."""\nX = 1\n"""It is {FORTY}."""\n\n\n{function}'
    found = [(line, len(long_ones("f", text))) for line, text in docstrings(source)]
    assert sorted(found) == [(1, 0), (3, 1), (7, 1)]
