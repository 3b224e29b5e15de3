"""Results as JSON files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from parity.base.errors import InputError


def write_json(result: Any, path: Path | None) -> None:
    """Write a result where `--json` says, whole or not at all. NaN, which JSON has not, becomes null."""
    if path is None:
        return
    text = json.dumps(nan_to_none(result), indent=1, allow_nan=False)
    if path == Path("-"):
        print(text)
        return
    write_text(text + "\n", path)


def require_folder(path: Path | None) -> None:
    """Raises `InputError` where the folder of a file that is to be written is not there. None and `-` need none."""
    if path is not None and path != Path("-") and not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}; make it, or name another file")


def write_text(text: str, path: Path) -> None:
    """Write a file whole or not at all. Raises `InputError` where that cannot be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        try:
            partial.write_text(text, encoding="utf-8")
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    except (OSError, ValueError) as error:  # `.` and `/` have no name to write to
        raise InputError(f"{path}: cannot be written ({error}); name another file") from error


def nan_to_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: nan_to_none(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [nan_to_none(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value
