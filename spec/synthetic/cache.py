"""Synthetic checkpoints that are made once and kept, for whoever needs one and does not care where it is."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from spec import synthetic
from spec.config import CHATTERBOX_SIZES
from spec.synthetic import DEFAULT, file_names
from spec.turbo import turbo

REFERENCE = Path(__file__).resolve().parent.parent
CHECKPOINTS = REFERENCE.parent / "build" / "checkpoints"
HASH = 12  # hexadecimal digits in the name of a folder


def cached(
    size: str, files: Iterable[str] = DEFAULT, root: Path = CHECKPOINTS, edges: bool = False, model: str = ""
) -> Path:
    """A synthetic checkpoint of that size with at least these files (as in `synthetic.write`), made if need be.

    `model` is `turbo` or `nano`, if it is to be one of those (`spec/turbo.py`).
    Its folder carries a hash of the code that makes it: a change there makes another, and removes those of the same
    size that were made before and that no process uses. A folder in use is held until its process ends.
    """
    kind = "-".join([size, *([model] if model else ()), *(["edges"] if edges else ())])
    folder = root / f"{kind}-{code_hash()}"
    hold(folder)
    missing = [name for name in files if not all((folder / file).is_file() for file in file_names(name))]
    if missing:
        # Processes that find the same file missing each make it, the same bytes, and put it there whole.
        synthetic.write(folder, turbo(model, size) if model else CHATTERBOX_SIZES[size], missing, edges)
        for other in root.glob(f"{kind}-{'[0-9a-f]' * HASH}"):
            if other != folder:
                remove_unless_held(other)
    return folder


@cache
def code_hash() -> str:
    """Of the code that was there when this process first asked, so that a folder keeps its name while it is used."""
    sources = (*sorted((REFERENCE / "synthetic").glob("*.py")), *sorted((REFERENCE / "keys").glob("*.py")))
    configs = REFERENCE / "config.py", REFERENCE / "turbo.py", REFERENCE / "watermark" / "config.py"
    code = b"".join(path.read_bytes() for path in (*sources, *configs))
    return hashlib.sha256(code).hexdigest()[:HASH]


@cache
def hold(folder: Path) -> int:
    """Make a folder and keep others from removing it, as long as this process runs. Returns the open descriptor."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(folder, os.O_RDONLY)
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            if os.path.samestat(os.fstat(descriptor), folder.stat()):
                return descriptor
            os.close(descriptor)
        except FileNotFoundError:  # another process removed it before it was locked: make it again
            pass


def remove_unless_held(folder: Path) -> None:
    """Remove a folder that no process holds. One that cannot be removed is left there: it is in nobody's way."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:  # another process was faster
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        pass
    finally:
        os.close(descriptor)
