"""The pages of kinds of mistakes: there is one for each kind that is known, its program runs, and it has a picture."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from manual import pictures
from parity.diagnose import hypotheses
from tests.docs.markdown import ROOT, blocks, causes
from tests.docs.session import missing

CAUSES = ROOT / "docs" / "causes"
DIAGNOSE = ROOT / "parity" / "diagnose"
PAGES = {page.relative_to(CAUSES).as_posix(): page for page in causes()}
KINDS = {"differs", "missing", "extra", "operand", "order"}
"""Of a departure, as `parity.match.moves.Move` has them."""


def families(source: str) -> set[str]:
    """The words that findings of a module may begin with, as far as they stand in it."""
    found = set()
    for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        given = {"Finding": call.args[:1], "finding": call.args[:1], "unknown": call.args[1:]}.get(name, [])
        found |= {word.value for word in given if isinstance(word, ast.Constant)}
    return found


def rows(index: str) -> dict[str, list[str]]:
    """The pages that a row of the index leads to, by each word of its first column."""
    found: dict[str, list[str]] = {}
    for words, where in (line.split("|")[1:3] for line in index.splitlines() if line.startswith("| `")):
        for word in re.findall(r"`([^`]+)`", words):
            found.setdefault(word, []).extend(re.findall(r"\]\(([^)]+)\)", where))
    return found


INDEX = rows((CAUSES / "index.md").read_text())


def test_every_hypothesis_has_a_page():
    assert {Path(name).stem for name in PAGES if name.startswith("values/")} == set(hypotheses.__all__)


def test_every_word_that_a_finding_begins_with_is_in_the_index():
    said = set().union(*(families(file.read_text()) for file in DIAGNOSE.rglob("*.py")))
    assert len(said) > 30
    assert said - set(INDEX) == set()
    assert set(INDEX) >= KINDS


def test_the_index_leads_to_every_page():
    assert {page for pages in INDEX.values() for page in pages} == set(PAGES)


def test_a_word_that_is_new_is_seen():
    assert families(
        'def f(e):\n    return Finding("new", 1, ""), finding(x, 2), unknown("the LSTM", "gates", "weights")'
    ) == {
        "new",
        "gates",
        "weights",
    }
    assert rows("| `a`, `b c` | [one](x.md), [two](y/z.md) |\ntext\n") == {
        "a": ["x.md", "y/z.md"],
        "b c": ["x.md", "y/z.md"],
    }


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_its_program_its_sentence_its_picture_and_its_cure(name):
    text = PAGES[name].read_text()
    program, printed = blocks(text)
    assert (program.language, printed.mark[0]) == ("python", "printed")
    assert len(pictures.WANTED.findall(text)) == 1
    assert "\n## The cure\n" in text
    names, said = pictures.ran(text, name)
    assert missing(printed.text, said) == [], said
    reference, candidate = pictures.values(names)
    assert reference.shape == candidate.shape
    assert (reference != candidate).any()


def test_a_picture_shows_both_sides_and_takes_the_colours_of_the_page():
    text = (CAUSES / "values" / "gains.md").read_text()
    drawn = pictures.drawn(text)
    assert drawn == pictures.drawn(text)
    picture = re.search(r"<figure>(<svg.*</svg>)\s*<figcaption>(.+)</figcaption></figure>", drawn, flags=re.DOTALL)
    assert picture
    for part in ("var(--local)", "var(--accumulated)", "currentColor", f'aria-label="{picture[2]}"'):
        assert part in picture[1]
    assert pictures.drawn("# No picture\n") == "# No picture\n"


def test_a_drawing_takes_the_colours_of_the_page():
    text = pictures.inline("One.\n\n![Four runs & a verdict](images/verdict.svg)\n")
    assert text.startswith("One.\n\n<figure><svg")
    assert 'aria-label="Four runs &amp; a verdict"' in text
    assert "<style>" in (ROOT / "docs" / "images" / "verdict.svg").read_text()
    assert "<style" not in text
    assert pictures.inline("![a](b.png)") == "![a](b.png)"


def test_a_page_without_a_program_is_refused():
    with pytest.raises(ValueError, match="no program to draw"):
        pictures.drawn("<!-- picture: nothing -->\n")
