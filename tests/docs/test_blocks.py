"""Every command and program of the pages is run, in order, unless a mark says why not."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT, Block, blocks, pages
from tests.docs.session import Session, missing

EVERY = {(path := page.relative_to(ROOT).as_posix()): blocks(page.read_text(), path) for page in pages()}
RUNNING = [block for found in EVERY.values() for block in found if block.runs]
PRINTED = [
    (before, block) for found in EVERY.values() for before, block in pairwise(found) if block.mark[0] == "printed"
]
NOT_RUN = {block.place: block.mark[1] for found in EVERY.values() for block in found if block.mark[0] == "not run"}


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Session]:
    return {page: Session(found, tmp_path_factory.mktemp("page")) for page, found in EVERY.items()}


@pytest.mark.parametrize("block", RUNNING, ids=lambda block: block.place)
def test_a_block_runs(sessions: dict[str, Session], block: Block):
    outcome = sessions[block.page].until(block)
    kind, code = block.mark
    assert outcome.code == (int(code) if kind == "exits" else 0), outcome.output


@pytest.mark.parametrize(("block", "shown"), PRINTED, ids=lambda block: block.place)
def test_a_block_prints_what_the_page_shows(sessions: dict[str, Session], block: Block, shown: Block):
    outcome = sessions[block.page].until(block)
    assert missing(shown.text, outcome.output) == [], outcome.output


def test_what_is_not_run_has_a_reason():
    """The reasons are few: each is a kind of thing that a test of minutes on a CPU cannot do."""
    print("\n".join(f"{place}: {why}" for place, why in NOT_RUN.items()))
    assert all(why for why in NOT_RUN.values())
    reasons = {why.split(":")[0] for why in NOT_RUN.values()}
    known = {"takes minutes", "needs a GPU", "needs a Mac", "needs a compiler", "needs your own files"}
    assert reasons <= known | {"changes the shell that reads it"}


def page_of(text: str) -> list[Block]:
    return blocks(text.replace("~~~", "```"))


def test_a_block_that_fails_is_seen(tmp_path: Path):
    text = (
        "~~~sh\necho one > a\n~~~\n<!-- exits 3 -->\n~~~sh\ncat a; exit 3\n~~~\n~~~python\nraise SystemExit(4)\n~~~\n"
    )
    found = page_of(text)
    session = Session(found, tmp_path)
    assert session.until(found[2]).code == 4
    assert [session.outcomes[number].code for number in (0, 1)] == [0, 3]
    assert session.until(found[1]).output == "one\n"
    assert (tmp_path / "a").is_file()


def test_a_file_of_a_page_is_written_before_what_needs_it(tmp_path: Path):
    written = "<!-- file: two.py -->\n~~~python\nx = 2\n~~~\n"
    found = page_of(f"{written}~~~sh\necho x = 3 > two.py\n~~~\n~~~python\nimport two\nprint(two.x)\n~~~\n")
    assert [block.runs for block in found] == [False, True, True]
    session = Session(found, tmp_path)
    session.until(found[1])
    assert session.until(found[2]).output == "3\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("~~~\nls\n~~~\n", "language ''"),
        ("~~~swift\nlet x = 1\n~~~\n", "language 'swift'"),
        ("~~~sh\nls\n", "has no end"),
    ],
)
def test_a_block_that_no_rule_is_for_is_refused(text: str, message: str):
    with pytest.raises(ValueError, match=message):
        page_of(text)


def test_a_marked_block_is_not_run():
    swift, slow = page_of(
        "<!-- not run: needs a Mac -->\n~~~swift\nx\n~~~\n<!-- not run: takes minutes -->\n~~~sh\nx\n~~~\n"
    )
    assert (swift.runs, slow.runs) == (False, False)
    assert slow.mark == ("not run", "takes minutes")


def test_what_a_page_shows_is_compared_line_by_line():
    assert missing("a  b\nPASS … verdicts\n", "x\na b\nPASS 84 verdicts of 84\n") == []
    assert missing("a b\nPASS … verdicts\n", "a c\nFAIL 84 verdicts\n") == ["a b", "PASS … verdicts"]
