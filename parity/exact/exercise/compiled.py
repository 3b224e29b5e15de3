"""The code of a watched source, kept beside what Python itself compiles, for the next run."""

from __future__ import annotations

import hashlib
import marshal
import sys
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path
from types import CodeType

from parity.base import exercise
from parity.base.errors import InputError
from parity.base.exercise import Site
from parity.base.files import replacing
from parity.exact.exercise import instrument

FIELDS = ("file", "line", "column", "function", "kind", "text", "wanted")
OURS = b"".join(Path(str(module.__file__)).read_bytes() for module in (instrument, exercise))
TAG = f"parity{hashlib.sha256(OURS).hexdigest()[:12]}"
"""What is kept by another version of the engine has another name."""


def compiled(path: Path, file: str) -> tuple[CodeType, list[Site]]:
    """The code of a source file, with reports, and its sites, which know the file as `file`."""
    about = path.stat()
    stamp = (about.st_mtime_ns, about.st_size, file, str(path))
    kept = Path(cache_from_source(str(path), optimization=TAG))
    with suppress(OSError, ValueError, EOFError, TypeError):
        known, rows, code = marshal.loads(kept.read_bytes())
        if known == stamp:
            return code, [Site(*row) for row in rows]
    tree, sites = instrument.instrumented(path.read_bytes(), file)
    code = compile(tree, path, "exec", dont_inherit=True)
    if not sys.dont_write_bytecode:
        rows = [tuple(getattr(site, name) for name in FIELDS) for site in sites]
        with suppress(OSError, InputError), replacing(kept) as partial:  # else the next run compiles again
            partial.write_bytes(marshal.dumps((stamp, rows, code)))
    return code, sites
