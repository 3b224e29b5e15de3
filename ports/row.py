"""What is kept of a judged pair: a row of the page, and what its section says."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from parity.base.errors import InputError
from ports.pair import Judged

MACHINE = re.compile(r"(?:/[^\s/:]+)+/(?:(?:site-packages|ports)/|(?=reference/))")
"""Whatever is before a package, or before `reference/`, in the path of a file."""

OURS = re.compile(r"(/(?:reference|ports/chatterbox)/[\w/]+\.py):\d+:")
"""A line of this repository: its number changes with what stands before it."""


def _anywhere(text: str) -> str:
    """What is said on any machine, and after any change of other lines here."""
    return MACHINE.sub("", OURS.sub(r"\1:", text))


@dataclass(frozen=True)
class Row:
    """A pair and its verdict, without the models.

    `modules` are the calls of the reference's modules that were found in the port by value, and all of them. `matches`
    are all values that were found, and those of them that are not equal on unseen inputs. `departures` are sentences;
    of each, `causes` has what the harness printed of it, and `corrections` what of the port's source mends it. `proof`
    says how they are proven, `first` is what the harness printed of the first one. `why` is the cause of a verdict that
    is not as it is said to be.
    """

    name: str
    versions: tuple[str, ...]
    verdict: str
    mathematics: str
    arithmetic: str
    modules: tuple[int, int] | None
    matches: tuple[int, int] | None
    departures: tuple[str, ...]
    causes: tuple[str, ...]
    corrections: tuple[str, ...]
    proof: str
    first: str
    why: str
    seconds: float

    @property
    def line(self) -> str:
        """The row as the command prints it."""
        of = "{} of {} modules; ".format(*self.modules) if self.modules else ""
        said = f"{self.verdict:12} {self.name}: {self.mathematics}; {self.arithmetic}; {of}{self.seconds:.1f} s"
        return f"{said}\n             {self.why}" if self.why else said


def row(judged: Judged) -> Row:
    """The row of a judged pair."""
    pair, found = judged.pair, judged.comparison
    error = MACHINE.sub("", judged.error.partition("\n")[0])
    proven = found is not None and found.proof.proven
    return Row(
        pair.name,
        tuple(pair.versions),
        judged.word,
        ("equal" if proven else "differs") if found is not None else pair.absent or pair.reason or error,
        judged.arithmetic,
        found.modules if found is not None else None,
        judged.matches,
        tuple(known.sentence for known in pair.departures) if found is not None else (),
        tuple(map(_anywhere, judged.causes)),
        tuple("\n".join(text.difference for text in known.corrections) for known in pair.departures),
        _proof(judged),
        MACHINE.sub("", found.departures[0]) if found is not None and found.departures else "",
        {"failed": error, "unexplained": "; ".join(judged.unknown) or "not proven"}.get(judged.word, ""),
        judged.seconds,
    )


def _proof(judged: Judged) -> str:
    if judged.mended is not None and judged.mended.proof.proven:
        return f"With {judged.pair.correction}, all of it is equal in double."
    if judged.healed:
        return "With the reference's values in the places of all departures, all of it is equal in double."
    return ""


def save(rows: Sequence[Row], file: Path) -> None:
    """Write rows as JSON, for `load`."""
    file.write_text(json.dumps([asdict(one) for one in rows], indent=1) + "\n", encoding="utf-8")


def load(files: Sequence[Path]) -> list[Row]:
    """The rows of all these files, by name.

    Raises `InputError` for a file without rows, and for a pair that is in two.
    """
    rows: dict[str, Row] = {}
    for file in files:
        try:
            found = [_row(one) for one in json.loads(file.read_text(encoding="utf-8"))]
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise InputError(f"{file}: {error}; expected a file that `python -m ports --json` wrote") from None
        for one in found:
            if one.name in rows:
                raise InputError(f"{file}: {one.name} is in another file as well; give the shards of one run")
            rows[one.name] = one
    return sorted(rows.values(), key=lambda one: one.name)


def _row(said: dict[str, Any]) -> Row:
    return Row(**{name: tuple(value) if isinstance(value, list) else value for name, value in said.items()})
