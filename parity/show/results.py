"""Results that earlier runs wrote with `--json`, and reports of several, read back as the reports that they were."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from parity.base import bounded
from parity.base.errors import InputError
from parity.base.exercise import Exercise
from parity.base.pointer import ADVICE, is_pointer
from parity.base.seal import KIND as CERTIFICATE
from parity.base.seal import require_sealed
from parity.contract import ACCUMULATED, FULL, LOCAL
from parity.diagnose.conclude import Diagnosis
from parity.diagnose.evidence import Finding
from parity.diagnose.growth import Growth
from parity.judge.snapshots import Picture, Sound
from parity.judge.verdict import Verdict
from parity.run.not_judged import Unjudged
from parity.run.report import BOTH, DUMPS, RECORDING, SCHEMA, Check, Report, Swap

Result = dict[str, Any]
Kind = TypeVar("Kind")
KNOWN = (2, 3, SCHEMA)
"""A result of schema 2 has no stages, pictures, sounds, command or time. Schemas 2 and 3 have other words (`OLD`)."""
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
REPORT_SCHEMA = 1
EXERCISE, CODE = "exercise", "code of the candidate"
"""The kind of what `parity exercise` writes, and the entry of a result's `subject` that it sums up by."""


def load(paths: list[Path]) -> list[Report]:
    """The results in the files, those of a report one by one; of a folder, every JSON file below it, by name.

    Raises `InputError` for what is no result, and for a folder without one.
    """
    found = []
    for path, data in _read(paths):
        found += reports_of(data, path)
    return found


def with_certificates(paths: list[Path]) -> tuple[list[Report], list[Result]]:
    """As `load`, and beside the results the certificates that `parity adopt` wrote, each of them sealed."""
    reports, certificates = [], []
    for path, data in _read(paths):
        if data.get("kind") == CERTIFICATE:
            require_sealed(data, path)
            certificates.append(data)
        else:
            reports += reports_of(data, path)
    return reports, certificates


def reports_of(data: Result, path: Path) -> list[Report]:
    """The report that a file holds, or each of several."""
    results = data["results"] if data.get("report_schema") == REPORT_SCHEMA else [data]
    return [report_of(result, path) for result in results]


def _read(paths: list[Path]) -> Iterator[tuple[Path, Result]]:
    for path in (file for name in paths for file in _files(name)):
        yield path, read(path)


def exercised(paths: list[Path]) -> tuple[Exercise, str]:
    """What all results in the files exercised between them: of `verify`, `verify --exact` and `exercise`, of reports.

    Only those of the newest's code count, whose hash is given as well. Raises `InputError` for what cannot be read.
    """
    found = []
    for path in (file for name in paths for file in _files(name)):
        data = read(path)
        results = data["results"] if data.get("report_schema") == REPORT_SCHEMA else [data]
        try:
            for one in results:
                part = one if one.get("kind") == EXERCISE else one.get("exercise", {})
                if part.get("sites"):
                    found.append((one["when"], one["subject"][CODE], Exercise.of(part)))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            text = f"{path}: cannot be read ({type(error).__name__}: {error}); write it again with --json"
            raise InputError(text) from error
    newest = max(found, key=lambda one: one[0])[1] if found else ""
    return Exercise.together(exercise for _, code, exercise in found if code == newest), newest


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(path.rglob("*.json"))
    if not files:
        raise InputError(f"{path}: no JSON files there; expected results that `parity verify --json` wrote")
    return files


def read(path: Path, writer: str = "`parity verify --json`") -> Result:
    """A JSON object from a file that `writer` wrote. Raises `InputError` for anything else."""
    try:
        data = bounded.read_json(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name a file that {writer} wrote") from error
    except ValueError as error:
        if is_pointer(path):
            raise InputError(f"{path}: {ADVICE}") from error
        raise InputError(f"{path}: not valid JSON ({error}); write it again with --json") from error
    if not isinstance(data, dict):
        raise InputError(f"{path}: holds a {type(data).__name__}, expected the object that --json writes")
    result: Result = data
    return result


def report_of(result: Any, path: Path) -> Report:
    """The report that a result is of. Raises `InputError` for another schema, and for what no run wrote.

    Whether it passed, what failed first and how many verdicts have each word follows from the verdicts.
    """
    schema = result.get("schema") if isinstance(result, dict) else None
    if isinstance(result, dict) and result.get("kind") == CERTIFICATE:
        raise InputError(f"{path}: a certificate, which has no taps; `parity status` reads it")
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
    try:
        return _report(result if schema == SCHEMA else renewed(result))
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        text = f"{path}: cannot be read ({type(error).__name__}: {error}); run the verification again"
        raise InputError(text) from error


def _report(result: Result) -> Report:
    command = result.get("command", "")
    report = Report(
        case=result["case"],
        checkpoint=result["checkpoint"],
        segments=result["segments"],
        expected=result["expected_verdicts"],
        verdicts=[_made(Verdict, entry) for entry in result["verdicts"]],
        swaps=[Swap(entry["sides"], _made(Verdict, entry)) for entry in result.get("swaps", [])],
        checks=[_made(Check, entry) for entry in result.get("checks", [])],
        places=[(stage, count) for stage, count in result.get("places", [])],
        pictures=[_made(Picture, entry) for entry in result.get("pictures", [])],
        sounds=[_sound(entry) for entry in result.get("sounds", [])],
        environment=result["environment"],
        seconds=result.get("seconds", {}),
        precision=result.get("precision", FULL.name),
        chain=result.get("chain", {}),
        command=command,
        when=result.get("when", ""),
        informative=result.get("informative", False),
        program=result.get("program", ""),
        strict=result.get("strict", False),
        operation=result.get("operation") or {},
        departures=result.get("departures", []),
        not_judged={name: _made(Unjudged, one) for name, one in result.get("not_judged", {}).items()},
        subject=result.get("subject", {}),
        exercise=Exercise.of(result.get("exercise", {})),
        source=result.get("source") or _source(command),
    )
    first, entry = report.first_failure, result.get("diagnosis")
    if first is not None and entry is not None:
        findings = [_made(Finding, finding) for finding in entry["findings"]]
        grown = [_made(Growth, row) for row in entry.get("growth", [])]
        told = {name: entry[name] for name in ("inside", "note", "fed") if name in entry}
        departures = [] if findings else report.departures
        report.diagnosis = Diagnosis(first, findings=findings, growth=grown, departures=departures, **told)
    return report


def _source(command: str) -> str:
    """What an older result was judged from: it has the command alone."""
    return RECORDING if "--recording" in command else DUMPS if command.startswith("parity compare") else BOTH


def _made(kind: type[Kind], entry: Result) -> Kind:
    """What an entry is of. JSON has neither NaN nor tuples."""
    known = {field.name: entry[field.name] for field in fields(kind) if field.name in entry}  # type: ignore[arg-type]
    return kind(**{name: _value(value) for name, value in known.items()})


def _value(value: Any) -> Any:
    return float("nan") if value is None else tuple(map(_value, value)) if isinstance(value, list) else value


def _sound(entry: Result) -> Sound:
    waves = (np.frombuffer(base64.b64decode(entry[side]), "<f4") for side in ("reference", "candidate"))
    return Sound(entry["name"], entry["rate"], *waves)


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


class Ran(Protocol):
    """What says in its environment where it was run: a report, or a run of a certificate."""

    @property
    def environment(self) -> Mapping[str, str]: ...


def device(report: Ran) -> str:
    """What a report's candidate ran on, in words: the frameworks' devices, the system and the machine."""
    environment = report.environment
    parts = [
        f"{name.removesuffix(' device')} {value}" for name, value in environment.items() if name.endswith(" device")
    ]
    parts += [environment[name] for name in ("system", "machine") if name in environment]
    return ", ".join(parts) or "unknown"


def versions(report: Ran) -> str:
    """The frameworks and their versions: of each that names a device, what the environment says under its own name."""
    environment = report.environment
    names = [name.removesuffix(" device") for name in environment if name.endswith(" device")]
    return ", ".join(f"{name} {environment[name]}" for name in names if name in environment) or "unknown"
