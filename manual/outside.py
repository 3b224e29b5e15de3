"""Files that lie outside of docs/ and belong on the site: pages of the project, and whatever a page links to."""

from __future__ import annotations

import re
from os.path import normpath, relpath
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = {
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
    "CHANGELOG.md": "project/changelog.md",
    "writers/README.md": "project/writers.md",
    "parity/run/dumps/format.md": "project/format.md",
}
"""Where a page outside of docs/ stands on the site."""

README = "index.md"
"""Where links to the README lead: the site's first page says what it does."""

LINK = re.compile(r"(?<=\]\()([^)\s#]+)(#[^)\s]*)?(?=\))")
NAMED = re.compile(r"\[[\w-]+\.md\](?=\(([^)\s#:]+\.md)[)#])")
"""A link to a page that is called after its file."""


def source(page: str) -> str:
    """The path in the repository of a page of the site."""
    return next((path for path, place in PAGES.items() if place == page), f"docs/{page}")


def place(path: str) -> str | None:
    """Where a path of the repository stands on the site, None for one that does not belong there."""
    if path in PAGES:
        return PAGES[path]
    if path == "README.md":
        return README
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return f"files/{path}" if (ROOT / path).is_file() else None


def linked(page: str, text: str) -> set[str]:
    """The paths in the repository that a page links to, files and folders, apart from the web."""
    folder = PurePosixPath(source(page)).parent
    return {normpath(folder / target) for target, _ in LINK.findall(text) if "://" not in target}


def titled(page: str, text: str) -> str:
    """The text with titles in the place of the names of files, where a link is called after its file."""
    folder = PurePosixPath(source(page)).parent

    def title(found: re.Match[str]) -> str:
        first = (ROOT / normpath(folder / found[1])).read_text(encoding="utf-8")
        return f"[{re.search(r'^# (.+)$', first, flags=re.MULTILINE)[1]}]"

    return NAMED.sub(title, text)


def relinked(page: str, text: str) -> str:
    """The text with links as the site has its files. Raises `ValueError` for a link that leads to none."""
    folder = PurePosixPath(source(page)).parent

    def link(found: re.Match[str]) -> str:
        target, anchor = found[1], found[2] or ""
        if "://" in target:
            return found[0]
        path = normpath(folder / target)
        where = place(path)
        if where is None:
            raise ValueError(f"{source(page)} links to {target}, which is no file: link to a file in it")
        return relpath(where, PurePosixPath(page).parent) + anchor

    return LINK.sub(link, text)
