"""What a proof in double is of: hashes of the code, the checkpoint, the case and the contract.

A run on a device alone demands a proof of exactly what it runs. The proof says nothing of a device or of rounding. The
port's own floors are not in it: which taps need one is known only on the device, and the stand-in that measures them
runs wherever the port does.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from parity.base import bounded, npy, sources
from parity.base.errors import InputError
from parity.base.files import file_sha256
from parity.contract import Contract, toml_files
from parity.contract.implementation import Case
from parity.judge.arithmetic import Key, by_key
from parity.judge.mathematics import Mathematics
from parity.run.exact_report import KIND

ENGINE = ("exact", "judge", "run", "capture")
"""Folders of the engine that decide what a proof says."""


def subject(
    contract: Contract,
    case: Case,
    checkpoint: Path,
    program: Mapping[str, str] | None = None,
    apart: Collection[Path] = (),
) -> dict[str, str]:
    """What is proven, by name: a SHA-256 each, and the versions of the frameworks, whose Python is part of a program.

    Of a side's code, every file of the package that its factory is in, and of one's own packages that it imports.
    `program` is what `programs` gave. What a command itself writes, its files and folders `apart`, is no part of a
    checkpoint that is the folder in which it works.
    """
    found = dict(program or programs(contract, apart))
    found["contract"] = toml_files.sha256(contract.path)
    found["checkpoint"] = folded(files(checkpoint, apart))
    given = {name: npy.canonical_sha256(array) for name, array in sorted(case.inputs.items())}
    what = [case.name, given, sorted(case.dims.items()), list(case.segments), sorted(case.options.items())]
    found["case"] = hashlib.sha256(json.dumps(what, default=str).encode()).hexdigest()
    return found


def programs(contract: Contract, apart: Collection[Path] = ()) -> dict[str, str]:
    """The part of a subject that all cases share: code and frameworks."""
    found = {f"code of the {name}": code(side["factory"], apart) for name, side in contract.sides.items()}
    engine = Path(__file__).resolve().parents[1]
    found["code of the engine"] = folded(file for folder in ENGINE for file in files(engine / folder))
    for name, side in contract.sides.items():
        found[f"framework of the {name}"] = f"{side['framework']} {_version(side['framework'])}"
    return found


def _version(framework: str) -> str:
    """Without what says for which device a wheel is: `2.13.0+cpu` is 2.13.0."""
    return importlib.metadata.version(framework).partition("+")[0]


def code(factory: str, apart: Collection[Path] = ()) -> str:
    """A hash of what `"package.module:name"` runs: of the files of its package, and of each of one's own it imports.

    What was installed is not among these, but for the package itself.
    """
    package = factory.partition(":")[0].partition(".")[0]
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise InputError(f"{factory!r}: there is no package {package}; run the command where it is")
    found = {package: spec}
    for module in sources.modules(factory):
        name = module.partition(".")[0]
        if name not in found and (other := sources.top(name)) is not None:
            found[name] = other
    return folded(file for name, spec in sorted(found.items()) for file in _package(name, spec, apart))


def _package(name: str, spec: ModuleSpec, apart: Collection[Path]) -> Iterator[tuple[str, Path]]:
    if not spec.submodule_search_locations:
        yield name, Path(str(spec.origin))
    for place in sources.places(spec) if spec.submodule_search_locations else ():
        yield from ((f"{name}/{file}", path) for file, path in files(place, apart))


def files(folder: Path, apart: Collection[Path] = ()) -> Iterator[tuple[str, Path]]:
    """Every file below a folder, with its name there; none that Python compiled, that is hidden, or that is `apart`."""
    excluded = {path.resolve() for path in apart}
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder)
        if file.suffix == ".pyc" or any(part.startswith(".") for part in name.parts) or not file.is_file():
            continue
        absolute = file.resolve() if excluded else file
        if excluded.isdisjoint([absolute, *absolute.parents]):
            yield name.as_posix(), file


def folded(named: Iterable[tuple[str, Path]]) -> str:
    """One hash of files, each with its name."""
    digest = hashlib.sha256()
    for name, file in named:
        digest.update(f"{name} {file_sha256(file)}\n".encode())
    return digest.hexdigest()


def require(path: Path, contract: Contract, case: Case, checkpoint: Path) -> Mapping[Key, Mathematics]:
    """The mathematics verdicts of a proof, by mode, tap and branch.

    Raises `InputError` unless all are equal, and it is a proof of the same.
    """
    try:
        proof = bounded.read_json(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); write it with `parity verify --exact --json`") from error
    if not isinstance(proof, dict) or proof.get("kind") != KIND or not isinstance(proof.get("subject"), dict):
        raise InputError(f"{path}: no proof; write it with `parity verify --exact --json`")
    here = subject(contract, case, checkpoint)
    if differing := [name for name in here if proof["subject"].get(name) != here[name]]:
        raise InputError(
            f"{path}: a proof of another {', another '.join(differing)}; prove this one with `parity verify --exact`"
        )
    if proof.get("passed") is not True:
        raise InputError(f"{path}: its mathematics is not equal; correct the port and prove it again")
    try:
        return by_key([verdict_of(entry) for entry in proof["verdicts"]])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: its verdicts cannot be read ({error}); prove it again") from error


def verdict_of(entry: dict[str, Any]) -> Mathematics:
    """A verdict as `ExactReport` wrote it."""
    known = {name: entry[name] for name in ("tap", "branch", "mode", "passed", "reason")}
    error = entry["error"]
    return Mathematics(**known, shape=tuple(entry["shape"]), error=float("nan") if error is None else float(error))
