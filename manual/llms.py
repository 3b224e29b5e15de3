"""`llms.txt` as it stands on the site: its links lead to pages there in the place of files of the repository."""

from __future__ import annotations

import re
from collections.abc import Mapping

from manual import outside

FILE = outside.ROOT / "llms.txt"


def for_site(urls: Mapping[str, str]) -> str:
    """The text with links by the addresses of the site's files. Raises `KeyError` for one that is not on the site."""

    def link(found: re.Match[str]) -> str:
        target, anchor = found[1], found[2] or ""
        return found[0] if "://" in target else urls[outside.place(target) or target] + anchor

    return outside.LINK.sub(link, FILE.read_text(encoding="utf-8"))
