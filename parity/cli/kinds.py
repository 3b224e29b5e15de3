"""The kinds of what a command writes, by which its options are declared: nothing is loaded with them."""

from __future__ import annotations

from parity.base.files import ANY, FOLDER, JSON, SQLITE, ZIP

PAGE, COMPARISON, SURVEY = b"page", b"comparison", b"survey"
"""The kinds of folders that `parity.show` writes; the others are those of `try_outputs`."""
__all__ = ["ANY", "COMPARISON", "FOLDER", "JSON", "PAGE", "SQLITE", "SURVEY", "ZIP"]
