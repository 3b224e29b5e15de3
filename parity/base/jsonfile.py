"""Results as JSON files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from parity.base.files import write_text


def write_json(result: Any, path: Path | None) -> None:
    """Write a result where `--json` says, whole or not at all. NaN, which JSON has not, becomes null."""
    if path is None:
        return
    text = json.dumps(nan_to_none(result), indent=1, allow_nan=False)
    if path == Path("-"):
        print(text)
        return
    write_text(text + "\n", path)


def nan_to_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: nan_to_none(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [nan_to_none(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value
