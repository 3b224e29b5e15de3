"""Griffe's extension: examples in docstrings become blocks of code. Markdown takes them for quotations otherwise."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension

EXAMPLE = re.compile(r"^>>> .*?(?=^\s*$|\Z)", flags=re.MULTILINE | re.DOTALL)


def fenced(text: str) -> str:
    """A docstring with each of its examples as a block."""
    return EXAMPLE.sub(lambda found: f"```pycon\n{found[0].rstrip()}\n```\n", text)


class Doctests(Extension):
    """Changes the docstring of everything that is documented."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)
