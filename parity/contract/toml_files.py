"""A contract in several files: one that names the others, which lie below its folder, one for each part of a model.

    parts = ["contract/encoder.toml", "contract/decoder.toml"]

Lists are joined in the order of the parts, those of the naming file last; tables hold the keys of all. Segments
stand in the parts in the order of the data flow; the rule for everything else stands at the end of the naming file.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path, PurePosixPath
from typing import Any

from parity.base import bounded
from parity.base.errors import ContractError
from parity.base.files import file_sha256, is_below
from parity.base.names import meant_path

KEY = "parts"


def read(path: Path) -> dict[str, Any]:
    """What a contract's files say together. Raises `InputError` for one that is missing, malformed or says it again."""
    own = _parsed(path, f"name one with --contract{meant_path(path)}")
    found: dict[str, Any] = {}
    for part in _named(path, own):
        _join(found, _parsed(part, f"correct {KEY!r} in {path}{meant_path(part)}"), part)
    own.pop(KEY, None)
    _join(found, own, path)
    return found


def files(path: Path) -> list[Path]:
    """The files of a contract, the naming one first. Raises `InputError` where that cannot be read."""
    return [path, *_named(path, _parsed(path, "name another with --contract"))]


def sha256(path: Path) -> str:
    """Of the file, where it has no parts; else of what all files hold, by name."""
    whole = files(path)
    if len(whole) == 1:
        return file_sha256(path)
    try:
        lines = [f"{file_sha256(file)}  {file.relative_to(path.parent).as_posix()}\n" for file in whole[1:]]
    except OSError as error:
        raise ContractError(f"{path}: cannot read a part ({error}); correct {KEY!r} or bring the file back") from error
    return hashlib.sha256("".join([file_sha256(path), "\n", *lines]).encode()).hexdigest()


def copy(path: Path, target: Path) -> None:
    """Copy a contract to a file, its parts below that one's folder."""
    for file in files(path):
        to = target if file == path else target.parent / file.relative_to(path.parent)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, to)


def _parsed(path: Path, advice: str) -> dict[str, Any]:
    try:
        return bounded.read_toml(path)
    except OSError as error:
        raise ContractError(f"{path}: cannot read the contract ({error.strerror}); {advice}") from error
    except ValueError as error:  # TOML, or the UTF-8 under it
        raise ContractError(f"{path}: not valid TOML: {error}") from error


def _named(path: Path, data: dict[str, Any]) -> list[Path]:
    """The parts that a contract names, each once and below its folder."""
    names = data.get(KEY, [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise ContractError(f"{path}: {KEY} is {names!r}, expected a list of file names, each once")
    for name in map(PurePosixPath, names):
        if not is_below(name):
            raise ContractError(f"{path}: the part {str(name)!r} is outside the contract's folder; put it below")
    return [path.parent / name for name in names]


def _join(found: dict[str, Any], more: dict[str, Any], path: Path) -> None:
    """Add what a file says. Raises `InputError` for what was said before, and for parts of a part."""
    if KEY in more:
        raise ContractError(f"{path}: has {KEY!r}, which only the contract itself may have; name its files there")
    for key, value in more.items():
        if key not in found:
            found[key] = value
        elif isinstance(value, list) and isinstance(found[key], list):
            found[key] = found[key] + value
        elif isinstance(value, dict) and isinstance(found[key], dict):
            if again := sorted(value.keys() & found[key].keys()):
                raise ContractError(f"{path}: [{key}] has {again[0]!r}, as another file of the contract; remove one")
            found[key] = found[key] | value
        else:
            raise ContractError(f"{path}: has {key!r}, as another file of the contract; remove one")
