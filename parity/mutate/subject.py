"""What is surveyed: a contract, cases of it with their checkpoints and references, and the files of its candidate."""

from __future__ import annotations

import fnmatch
import hashlib
import importlib.util
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from parity.base import sources
from parity.base.errors import ContractError, InputError, UnknownNameError
from parity.base.files import file_sha256
from parity.base.names import meant
from parity.base.packages import frameworks, package_of
from parity.contract import Contract, Segment
from parity.contract.implementation import Case, case_names, make_case, resolve
from parity.mutate.references import Reference, key
from parity.run import proof

HALF = "in half"
"""Behind a device: its way through the candidate for half precision, where every number keeps its bits all the same."""


class Pair(NamedTuple):
    """A case, the number of one of its segments, and the device whose way is taken: what a mutant is tried in."""

    case: str
    number: int
    device: str = "gpu"


@dataclass(frozen=True)
class File:
    """A file of the candidate: its module's dotted name, its path, and the path in its package, as it is told."""

    module: str
    path: Path
    shown: str

    @property
    def source(self) -> str:
        return self.path.read_text(encoding="utf-8")


@dataclass(frozen=True)
class Subject:
    """What a process needs to try mutants: `references` has a folder for each case, `program` hashes of the code."""

    contract: Contract
    cases: dict[str, Case]
    checkpoints: dict[str, Path]
    references: dict[str, Path]
    program: dict[str, str]

    def segments(self, case: str) -> list[Segment]:
        found = self.cases[case]
        return self.contract.segments(found.dims, found.segments)

    def segment(self, pair: Pair) -> Segment:
        return self.segments(pair.case)[pair.number]

    def label(self, pair: Pair) -> str:
        return f"{pair.case}: {self.segment(pair).label}, {pair.device}"

    def devices(self, case: str) -> list[str]:
        """The devices whose way through the candidate is tried, those for half precision last."""
        devices = list(self.contract.mutate.get("devices", ["gpu"]))
        halved = any(fnmatch.fnmatchcase(case, pattern) for pattern in self.contract.mutate.get("half", ()))
        return devices + [f"{device} {HALF}" for device in devices if halved]

    def pairs(self, stage: str = "") -> list[Pair]:
        """Every segment of every case on every device, those of a stage alone where one is named."""
        found = [
            (Pair(case, number, device), segment.stage)
            for case in self.cases
            for device in self.devices(case)
            for number, segment in enumerate(self.segments(case))
            if not self.contract.unported(segment)
        ]
        stages = list(dict.fromkeys(where for _, where in found))
        if stage and stage not in stages:
            raise UnknownNameError(f"no stage {stage!r} in these cases; {meant(stage, stages)}")
        return [pair for pair, where in found if stage in ("", where)]

    @cached_property
    def opened(self) -> dict[str, Reference]:
        """The references, each opened once in a process."""
        return {case: Reference(folder) for case, folder in self.references.items()}


def subject(contract: Contract, pattern: str, folder: Path, apart: Collection[Path] = ()) -> Subject:
    """The contract with the cases that match one of some patterns, with commas between.

    References are looked for below `folder`. What is written `apart` is no part of what is surveyed.
    """
    if "half" in contract.mutate and contract.sides["candidate"]["framework"] != "mlx":
        raise ContractError(
            f"{contract.path}: half precision in name alone is for a candidate in MLX; leave `half` out"
        )
    known = case_names(contract)
    patterns = (pattern or contract.mutate.get("cases", "*")).split(",")
    for each in patterns:
        if not fnmatch.filter(known, each):
            raise UnknownNameError(f"no case matches {each!r}; {meant(each, known)}")
    names = [name for name in known if any(fnmatch.fnmatchcase(name, each) for each in patterns)]
    cases = {name: make_case(contract, name) for name in names}
    checkpoints = {name: resolve(contract.checkpoints)(case) for name, case in cases.items()}
    program = proof.programs(contract, apart)
    references = {name: folder / key(contract, cases[name], checkpoints[name], program, apart) for name in names}
    return Subject(contract, cases, checkpoints, references, program)


def files(contract: Contract, patterns: Sequence[str] = ()) -> list[File]:
    """The candidate's files: of the packages that the contract names, else of what its factory reaches (`_own`).

    `patterns` are of the paths: `mlx_impl/t3/*`. Raises `InputError` where none is left.
    """
    packages = contract.mutate.get("packages")
    found = _own(contract) if packages is None else [file for package in packages for file in _files(package)]
    left_out = [entry for entry in contract.mutate.get("leave_out", {}) if ": " not in entry]
    for pattern in (*left_out, *patterns):
        if not any(fnmatch.fnmatchcase(file.shown, pattern) for file in found):
            advice = meant(pattern, [file.shown for file in found])
            raise UnknownNameError(f"no file of the candidate matches {pattern!r}; {advice}")
    found = [file for file in found if not any(fnmatch.fnmatchcase(file.shown, pattern) for pattern in left_out)]
    if patterns:
        found = [file for file in found if any(fnmatch.fnmatchcase(file.shown, pattern) for pattern in patterns)]
    if not found:
        raise InputError(f"{contract.path}: no file of the candidate is left to change; name others by --files")
    return found


def _spec(module: str) -> importlib.machinery.ModuleSpec:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise UnknownNameError(
            f"{module!r}: there is no such module with a file; correct [mutate] or [sides.candidate]"
        )
    return spec


def _files(package: str) -> Iterator[File]:
    spec, start = _spec(package), Path(*package.split("."))
    for place in spec.submodule_search_locations or ():
        for path in sorted(Path(place).resolve().rglob("*.py")):
            shown = start / path.relative_to(Path(place).resolve())
            yield File(".".join(shown.with_suffix("").parts).removesuffix(".__init__"), path, shown.as_posix())
    if not spec.submodule_search_locations:
        yield File(package, Path(str(spec.origin)).resolve(), f"{start.as_posix()}.py")


def _own(contract: Contract) -> list[File]:
    """The package of the candidate's factory, and each module of one's own that the factory reaches and imports MLX.

    Of the package a file that imports the reference's framework alone is left out.
    """
    side = contract.sides["candidate"]
    found = {file.path: file for file in _files(package_of(side["factory"].partition(":")[0]))}
    for module, path in sources.modules(side["factory"]).items():
        if path not in found and side["framework"] in frameworks(path.read_bytes()):
            shown = Path(*module.split("."), *(["__init__"] if path.name == "__init__.py" else []))
            found[path] = File(module, path, f"{shown.as_posix()}.py")
    others = {other["framework"] for other in contract.sides.values()} - {side["framework"]}
    return [
        file for file in found.values() if not (imported := frameworks(file.path.read_bytes())) or imported - others
    ]


def aside(contract: Contract) -> list[str]:
    """The installed modules that import the candidate's framework and that its own use: `--package` alone names them.

    None where the contract names packages.
    """
    side = contract.sides["candidate"]
    if "packages" in contract.mutate:
        return []
    found = sources.installed(side["factory"]).items()
    return [module for module, path in found if side["framework"] in frameworks(path.read_bytes())]


def of_others(contract: Contract, file: File) -> frozenset[int]:
    """The lines of a file that the reference or the cases reach, and the candidate does not."""
    return sources.of_others(file.module, file.path, contract.sides["candidate"]["factory"], contract.others)


def fingerprint(found: Subject, files: Iterable[File]) -> str:
    """A name of all that a survey's results rest on: references, the candidate's code, and the files that change."""
    parts = sorted(str(folder.name) for folder in found.references.values())
    parts += [found.program["code of the candidate"]]
    parts += sorted(f"{file.module} {file_sha256(file.path)}" for file in files)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
