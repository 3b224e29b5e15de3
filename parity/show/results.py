"""Results that earlier runs wrote with `--json`, and reports of several, as plain data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from parity.base.errors import InputError
from parity.contract import ACCUMULATED, LOCAL
from parity.run.report import SCHEMA

Result = dict[str, Any]
KNOWN = (2, 3, SCHEMA)
"""A result of schema 2 has no stages, pictures, sounds, command or time: they are left out. Schemas 2 and 3 have other
words (`OLD`)."""
OLD = {
    "truth": "ratio64",
    "distance": "ratio32",
    "bound_truth": "bound_ratio64",
    "bound_distance": "bound_ratio32",
    "straddles": "ties",
    "crossings": "swaps",
}
OLD_MODES = {"created": LOCAL, "inherited": ACCUMULATED}
KEYS = {"passed", "case", "checkpoint", "segments", "expected_verdicts", "failures", "environment", "verdicts"}
LATER: Result = {
    "places": [],
    "pictures": [],
    "sounds": [],
    "chain": {},
    "diagnosis": None,
    "precision": "float32",
    "command": "",
    "when": "",
    "informative": False,
    "words": {},
    "program": "",
    "strict": False,
}
REPORT_SCHEMA = 1


def load(paths: list[Path]) -> list[Result]:
    """The results in the files, those of a report one by one; of a folder, every JSON file below it, by name.

    Raises `InputError` for what is no result, and for a folder without one.
    """
    results = []
    for path in (file for name in paths for file in _files(name)):
        data = read(path)
        found = data["results"] if data.get("report_schema") == REPORT_SCHEMA else [data]
        for result in found:
            results.append(checked(result, path))
    return results


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(path.rglob("*.json"))
    if not files:
        raise InputError(f"{path}: no JSON files there; expected results that `parity verify --json` wrote")
    return files


def read(path: Path) -> Result:
    """A JSON object from a file. Raises `InputError` for anything else."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); name a file that `parity verify --json` wrote"
        ) from error
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON ({error}); write it again with --json") from error
    if not isinstance(data, dict):
        raise InputError(f"{path}: holds a {type(data).__name__}, expected the object that --json writes")
    result: Result = data
    return result


def checked(result: Any, path: Path) -> Result:
    """The result with what its schema may lack. Raises `InputError` for another schema or a missing key."""
    schema = result.get("schema") if isinstance(result, dict) else None
    if schema not in KNOWN:
        raise InputError(
            f"{path}: schema {schema!r}, expected {' or '.join(map(str, KNOWN))}; run the verification again"
        )
    if kind := result.get("kind", ""):
        raise InputError(
            f"{path}: a result of kind {kind!r}, which has no ratios; run the verification without --exact"
        )
    if missing := KEYS - result.keys():
        raise InputError(f"{path}: lacks {', '.join(sorted(missing))}; it is not a result of verify or compare")
    known: Result = result if schema == SCHEMA else renewed(result)
    return LATER | {"swaps": [], "checks": [], "seconds": {}, "ties": 0, "first_failure": None} | known


def renewed(value: Any) -> Any:
    """A result of schema 2 or 3, or a part of it, in the words of today."""
    if isinstance(value, list):
        return [renewed(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    words = {OLD.get(name, name): renewed(entry) for name, entry in value.items()}
    if "mode" in words:
        words["mode"] = OLD_MODES.get(words["mode"], words["mode"])
    if "key" in words:  # of a picture: tap, branch and mode
        words["key"] = [OLD_MODES.get(part, part) for part in words["key"]]
    return words


def benchmarks(data: Result) -> dict[str, Result]:
    """Each benchmark in a file of pytest-benchmark: its `time` in words, and the figures that it has beside.

    Raises `InputError` for another file.
    """
    try:
        return {
            entry["name"]: {"time": _time(entry["stats"])} | dict(entry.get("extra_info", {}))
            for entry in data["benchmarks"]
        }
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"a file of benchmarks lacks {error}; write it with pytest --benchmark-json") from error


def _time(stats: Result) -> str:
    return f"{stats['mean'] * 1e3:.4g} ms ± {stats['stddev'] * 1e3:.2g}, {stats['rounds']} rounds"


def device(result: Result) -> str:
    """What a result's candidate ran on, in words: the frameworks' devices and the machine."""
    environment = result["environment"]
    parts = [
        f"{name.removesuffix(' device')} {value}" for name, value in environment.items() if name.endswith(" device")
    ]
    return ", ".join([*parts, environment.get("machine", "")]).strip(", ") or "unknown"


def versions(result: Result) -> str:
    """The frameworks and their versions: of each that names a device, what the environment says under its own name."""
    environment = result["environment"]
    names = [name.removesuffix(" device") for name in environment if name.endswith(" device")]
    return ", ".join(f"{name} {environment[name]}" for name in names if name in environment) or "unknown"
