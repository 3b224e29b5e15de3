"""Files and folders that are written whole or not at all, tried before the work begins, and the digest of a file.

Whatever a command writes goes through `replacing`, and through `try_outputs` first.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath

from parity.base.errors import InputError, OutputError

STANDARD_OUTPUT = Path("-")
JSON, SQLITE, WAV, ZIP, ANY, FOLDER = b"{", b"SQLite format 3\0", b"RIFF", b"PK", b"", None
"""What a file of that kind begins with; a folder is no file."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""The errors that only writing has, whatever wrote."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new name beside `path`, for a file or a folder that takes the place of `path` when the block has ended.

    A block that fails leaves nothing behind, and `path` as it was. A symbolic link stays one: what it leads to is
    replaced. A device or a pipe is written to. Raises `InputError` where nothing can be written.
    """
    with writing(path):
        through, target = _is_stream(path), Path(os.path.realpath(path))
        if target.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        beside = Path(tempfile.gettempdir()) if through else target.parent
        made = [folder for folder in (beside, *beside.parents) if not folder.exists()]
        partial = beside / f".{target.name}.{secrets.token_hex(4)}.partial"
    old = partial.with_suffix(".old")
    try:
        with writing(path):
            if beside.exists() and not beside.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            beside.mkdir(parents=True, exist_ok=True)
        with writing(path, FULL):
            yield partial
    except InputError as error:  # of a file in the folder: nobody knows its name
        raise OutputError(str(error).replace(str(partial), str(path))) from error
    else:
        with writing(path):
            if through:
                _pour(partial, path)
                return
            if target.is_file():
                shutil.copymode(target, partial)
            elif target.exists() and partial.is_dir():  # a folder replaces none that has files
                os.replace(target, old)
            os.replace(partial, target)
    finally:
        if old.exists() and not target.exists():
            os.replace(old, target)
        for left in (partial, old):
            left.unlink(missing_ok=True) if left.is_file() else shutil.rmtree(left, ignore_errors=True)
        for folder in made:
            with suppress(OSError):  # it is there for something
                folder.rmdir()


def write_text(text: str, path: Path) -> None:
    """Write a file whole or not at all. Raises `InputError` where that cannot be done."""
    with replacing(path) as partial, writing(path):
        partial.write_text(text, encoding="utf-8")


def try_outputs(outputs: Iterable[tuple[Path, bytes | None]], inputs: Iterable[Path] = ()) -> None:
    """Try every place to write, and leave all as it is: a result must not be lost when the work is done.

    `outputs`: each file with its kind, so that no file of another kind is replaced. `inputs`: files, and folders for
    all files below them. Raises `InputError` where a place cannot be written, two are one, or one is an input, whatever
    name it has there.
    """
    given: list[tuple[Path, Path, bytes | None]] = []
    for path, kind in outputs:
        if path != STANDARD_OUTPUT:
            with writing(path):
                given.append((Path(os.path.realpath(path)), path, kind))
    files: dict[Path, Path] = {}
    for place, path, kind in sorted(given, key=lambda output: len(output[0].parts)):
        if not _is_stream(path):
            if other := next((files[above] for above in (place, *place.parents) if above in files), None):
                raise OutputError(f"{path}: cannot be written beside {other}; name two places")
            files |= {} if kind is FOLDER else {place: path}
        _try(path, kind)
    there = {identity: path for _, path, _ in given for identity in _identities(path)}
    for source in inputs if there else ():
        if both := there.keys() & _identities(source):
            path = there[both.pop()]
            raise OutputError(f"{path}: is read as well ({source}), and would be destroyed; name another place")


def require_new(files: Iterable[Path]) -> None:
    """Raises `InputError` where a file is already, or where one cannot be written: for what replaces nothing."""
    files = list(files)
    if there := [file for file in files if os.path.lexists(file)]:
        raise OutputError(f"{there[0]} exists; nothing is replaced: remove it or name another place")
    try_outputs((file, ANY) for file in files)


def _try(path: Path, kind: bytes | None) -> None:
    """Write nothing, as `replacing` would write."""
    with writing(path):
        if _is_stream(path):
            if not path.is_fifo():  # one would wait for its reader
                os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY))
        elif kind is not FOLDER and path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        elif path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        elif kind and path.is_file():
            with path.open("rb") as file:
                head = file.read(len(kind))
            if not kind.startswith(head):
                raise OutputError(f"{path}: is a file of another kind, which would be lost; remove it or name another")
    with suppress(_Tried), replacing(path) as partial:
        with writing(path):
            partial.touch()
        raise _Tried


class _Tried(Exception):
    """Ends the trial of a place, whose file is then removed."""


def _is_stream(path: Path) -> bool:
    """Whether a path leads to a device, a pipe or a socket, or is this process's name for a file that it has open."""
    with suppress(OSError):
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            return True
    link = path
    for _ in range(40):  # as many as the system follows
        if re.fullmatch(r"/proc/\d+(/task/\d+)?/fd|/dev/fd", os.path.realpath(link.parent)):
            return True
        if not os.path.islink(link):  # which a name too long is not, either
            return False
        link = link.parent / link.readlink()
    return False


def _pour(partial: Path, stream: Path) -> None:
    sys.stdout.flush()  # which may be this stream
    with partial.open("rb") as source, stream.open("ab") as sink:
        shutil.copyfileobj(source, sink)


def _identities(path: Path) -> set[tuple[int, int]]:
    """Device and number of a regular file, or of every one below a folder: one file has one of them, by any name."""
    found = set()
    for file in (path, *path.rglob("*")) if path.is_dir() else (path,):
        with suppress(OSError):
            about = file.stat()
            if stat.S_ISREG(about.st_mode):
                found.add((about.st_dev, about.st_ino))
    return found


@contextmanager
def writing(path: Path, only: tuple[int, ...] = ()) -> Iterator[None]:
    """Say of which file an error is, as an `InputError`: of every error, or of those that have one of the numbers."""
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte, text that is no Unicode
        number = getattr(error, "errno", None)
        if only and number not in only:
            raise
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise OutputError(f"{path}: cannot be written ({reason}); give another name") from error


def is_below(name: object) -> bool:
    """Whether a name in a file that others wrote is of a file below that one's folder: neither whole nor upwards."""
    path = PurePath(name) if isinstance(name, str | PurePath) else PurePath()
    return bool(path.parts) and not path.anchor and ".." not in path.parts


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
