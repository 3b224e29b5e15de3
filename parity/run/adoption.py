"""Adopt a checkpoint: audit its files, convert them for the candidate, and verify both sides, each on its own files.

What knows the files is named by the contract, under `[adopt]`, as `package.module:name`:

- `audit(folder, say)` says what is wrong with a folder as published: the JSON of an audit, with `passed`.
- `convert(folder, out, say)` fills the empty folder `out` with a checkpoint that both sides load, and gives the options
  with which the candidate takes the converted files. What is not changed is linked: the reference reads what was
  published.
- `check(folder, out, say)` says what is wrong with the conversion, as `audit` does, against what it was made from.
- `about(folder)` gives the names of the published files that hold the model, and the kind of their weights.
- `cases` are names, or `cases(folder)` gives those that fit what is published.

`say` is told what is being done. In double both sides read what was published, so that the mathematics is of the code
alone: a conversion rounds, as where it folds weight norm. The check compares it with its source, and the candidate runs
on its device with the converted files, as it is shipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from parity.base.errors import ContractError, InputError, MissingError
from parity.base.files import file_sha256
from parity.contract import Contract
from parity.contract.implementation import make_case, resolve
from parity.run import proof
from parity.run.both import Both
from parity.run.origin import origin
from parity.run.report import WEIGHTS, Report
from parity.run.verify import Verifier

Progress = Callable[[str], None]
PUBLISHED, CONVERTED = "as published", "converted"
"""The names of the two audits."""


@dataclass
class Adoption:
    """What came of it. `files` and `converted` have the size in bytes and the SHA-256 of each file, by its name.

    `weights` says of which kind they are. Where an audit has found something, nothing that follows was done.
    """

    files: dict[str, dict[str, Any]]
    weights: str
    audits: dict[str, dict[str, Any]] = field(default_factory=dict)
    converted: dict[str, dict[str, Any]] = field(default_factory=dict)
    reports: list[Report] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Both audits found nothing, and every run passed."""
        audited = len(self.audits) == 2 and all(audit["passed"] for audit in self.audits.values())
        return audited and bool(self.reports) and all(report.passed for report in self.reports)


class Adopting:
    """Adopts the checkpoint in `folder` by a contract, with cases by name, those of the contract when none is given.

    Raises `InputError` for a contract that names nothing to adopt with, an unknown case, and a folder that is none.
    """

    def __init__(self, contract: Contract, names: Sequence[str], folder: Path):
        if not contract.adopt:
            raise ContractError(
                f"{contract.path}: does not say how a checkpoint is adopted; add [adopt] with audit, convert, check, "
                "about and cases, as fixtures/contract.toml has it"
            )
        if not folder.is_dir():
            raise MissingError(f"{folder}: no folder; expected a checkpoint directory as published")
        self.contract, self.folder = contract, folder
        self.cases = [make_case(contract, name) for name in dict.fromkeys(names or _cases(contract, folder))]
        named = {name: resolve(contract.adopt[name]) for name in ("audit", "convert", "check", "about")}
        self.audit, self.convert, self.check, self.about = named.values()

    def run(self, out: Path, say: Progress) -> Adoption:
        """Audit, convert into the empty folder `out`, and verify: mathematics and arithmetic, as `parity verify` does.

        Raises `InputError` for what cannot be read, converted or run.
        """
        with usable(self.folder):
            say("auditing the files as published")
            names, weights = self.about(self.folder)
            adoption = Adoption(hashes(self.folder, names), weights)
            adoption.audits[PUBLISHED] = self.audit(self.folder, say)
            if not adoption.audits[PUBLISHED]["passed"]:
                return adoption
            say("converting")
            options = self.convert(self.folder, out, say)
            adoption.audits[CONVERTED] = self.check(self.folder, out, say)
        written = [name for name, file in proof.files(out) if not file.is_symlink()]
        adoption.converted = hashes(out, written)
        if adoption.audits[CONVERTED]["passed"]:
            programs = proof.programs(self.contract)
            for case in self.cases:
                shipped = replace(case, options=dict(case.options) | dict(options))
                verifier = Verifier(self.contract, shipped, out, say)
                report = verifier.run(Both.proven(self.contract, case, out, strict=False, progress=say).settle)
                report.checkpoint = str(self.folder)
                report.environment |= origin(self.contract.path.parent) | {WEIGHTS: weights}
                report.subject = proof.subject(self.contract, shipped, out, programs)
                adoption.reports.append(report)
        return adoption


def _cases(contract: Contract, folder: Path) -> Sequence[str]:
    """The cases that the contract names, by themselves or by a function."""
    cases: str | Sequence[str] = contract.adopt["cases"]
    with usable(folder):
        return resolve(cases)(folder) if isinstance(cases, str) else cases


def hashes(folder: Path, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Of each file of a folder its size in bytes and its SHA-256."""
    files = {name: folder / name for name in sorted(names)}
    return {name: {"bytes": file.stat().st_size, "sha256": file_sha256(file)} for name, file in files.items()}


@contextmanager
def usable(folder: Path) -> Iterator[None]:
    """A `ValueError` of what a contract names is bad input."""
    try:
        yield
    except ValueError as error:
        raise InputError(f"{folder}: {error}") from error
