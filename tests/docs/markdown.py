"""The code blocks of the project's Markdown pages, each with the mark that stands above it.

A mark is an HTML comment on the line before the block: `<!-- file: NAME -->` (the block is that file's text),
`<!-- not run: WHY -->`, `<!-- exits 1 -->` (expected of the block), `<!-- printed -->` (text, by the block before it).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUN = ("sh", "python")
READ = ("text", "toml")
MARKS = re.compile(r"<!-- (file|not run|exits|printed)(?::? (.+))? -->")


@dataclass(frozen=True)
class Block:
    """A fenced block. `mark` is the kind of its mark with what it says, `("", "")` without one."""

    page: str
    line: int
    language: str
    text: str
    mark: tuple[str, str] = ("", "")

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def runs(self) -> bool:
        """Whether it is a command or a program that a test runs."""
        return self.language in RUN and self.mark[0] in ("", "exits")


def pages() -> list[Path]:
    """Every page for users. `docs/lab/` holds notes, `docs/ports/` and `docs/peers/` what `python -m ports` writes."""
    folders = ("docs", "docs/questions", "docs/porting")
    found = [page for folder in folders for page in sorted((ROOT / folder).glob("*.md"))]
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *found]


def causes() -> list[Path]:
    """The pages of kinds of mistakes: each has one program, which runs in the test's own process."""
    return sorted((ROOT / "docs" / "causes").glob("*/*.md"))


def blocks(text: str, page: str = "page.md") -> list[Block]:
    """The blocks of a page in order. Raises `ValueError` for one without a language, or one that no rule is for."""
    found: list[Block] = []
    lines = text.splitlines()
    start = -1
    for number, line in enumerate(lines):
        if not line.startswith("```"):
            continue
        if start < 0:
            start = number
            continue
        mark = MARKS.fullmatch(lines[start - 1]) if start else None
        kind, said = (mark[1], mark[2] or "") if mark else ("", "")
        block = Block(page, start + 1, lines[start][3:], "\n".join(lines[start + 1 : number]) + "\n", (kind, said))
        known = block.language in RUN + READ or (block.language and kind in ("not run", "file"))
        if not known:
            raise ValueError(
                f"{block.place}: language {block.language!r}, expected {RUN + READ}, or a reason not to run"
            )
        found.append(block)
        start = -1
    if start >= 0:
        raise ValueError(f"{page}:{start + 1}: the block has no end")
    return found
