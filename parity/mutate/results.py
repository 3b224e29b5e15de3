"""What became of each mutant, one line of JSON a mutant, and the score."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from parity.base.errors import InputError
from parity.base.files import writing

WRONG, CRASH, LIMIT = "wrong", "crash", "limit"
KILLED = {
    WRONG: "a tap is wrong",
    CRASH: "the candidate raises an exception",
    LIMIT: "the candidate takes ten times as long, or too much memory",
}
"""The ways in which a mutant is noticed."""
NEVER_RUN, EQUAL, BY_FLOOR, BIT_EQUAL, EQUIVALENT = "never run", "equal", "by floor", "bit-equal", "equivalent"
WITHIN, PRECISION, ELSEWHERE = "within", "precision", "elsewhere"
SURVIVED = {
    NEVER_RUN: "no case runs the line",
    EQUAL: "every tap is equal to 1e-10, but not to the bit",
    BY_FLOOR: "a tap is beyond 1e-10, and equal by its noise floor alone",
    BIT_EQUAL: "every tap has the same bits, in these cases",
    WITHIN: "every tap is within its bounds on the device, but not the same to the bit",
}
"""The ways in which a mutant is not."""
APART = {
    EQUIVALENT: "every tap has the same bits, in these cases and in every random one",
    PRECISION: "a conversion between precisions, of which a run in double has one: --arithmetic judges it",
    ELSEWHERE: "a line that only another device than this one runs",
}
"""What is counted in no score: no fault that the verdict could show."""


@dataclass(frozen=True)
class Result:
    """A mutant, and what became of it.

    `case`, `segment`, `device`, `tap` and `error` say where it was noticed, of one that survived where its error
    `worst` is largest. It was tried in `tried` of the `reaching` segments that its line reaches, on all devices.
    `located` says whether its line is among those that an explanation shows, None where none was asked for.
    `argument` is why nobody can notice it, if the contract says so.
    """

    id: str
    file: str
    line: int
    column: int
    function: str
    operator: str
    before: str
    after: str
    outcome: str
    reason: str = ""
    case: str = ""
    segment: str = ""
    device: str = ""
    tap: str = ""
    error: float | None = None
    worst: float | None = None
    tried: int = 0
    reaching: int = 0
    random: int = 0
    located: bool | None = None
    argument: str = ""

    @property
    def killed(self) -> bool:
        return self.outcome in KILLED


class Results(Mapping[str, Result]):
    """Results by the mutants' names: those in the files `*.jsonl` of a folder that are of the same `subject`.

    New ones are written to `file` there, at once.
    """

    def __init__(self, folder: Path, subject: str, file: str):
        self.folder, self.subject, self.file = folder, subject, file
        self.found: dict[str, Result] = {}
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.glob("*.jsonl")):
            for line in path.read_text(encoding="utf-8").splitlines():
                self._read(path, line)
        self.stream: IO[str] = (folder / file).open("a", encoding="utf-8")

    def _read(self, path: Path, line: str) -> None:
        try:
            entry: dict[str, Any] = json.loads(line)
            if entry.pop("subject") != self.subject:
                return
            result = Result(**entry)
            if result.id not in self.found or result.random >= self.found[result.id].random:
                self.found[result.id] = result
        except ValueError:
            return  # the last line of a survey that was ended while it wrote
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path}: no result of a survey ({error}); remove the file") from error

    def add(self, result: Result) -> None:
        self.found[result.id] = result
        self.stream.write(json.dumps({"subject": self.subject} | asdict(result)) + "\n")
        self.stream.flush()

    def close(self) -> None:
        self.stream.close()

    def __getitem__(self, name: str) -> Result:
        return self.found[name]

    def __iter__(self) -> Any:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self.found)


@dataclass(frozen=True)
class Score:
    """Counts of mutants. Those that are `equivalent`, or `apart` for another reason, are no fault that could show."""

    killed: int
    survived: int
    equivalent: int
    apart: int = 0

    @classmethod
    def of(cls, results: Iterable[Result]) -> Score:
        outcomes = Counter(result.outcome for result in results)
        equivalent = outcomes[EQUIVALENT]
        apart = sum(outcomes[name] for name in APART) - equivalent
        killed = sum(outcomes[name] for name in KILLED)
        return cls(killed, outcomes.total() - killed - equivalent - apart, equivalent, apart)

    @property
    def share(self) -> float | None:
        """Killed, of all that are counted; None where there is none."""
        counted = self.killed + self.survived
        return self.killed / counted if counted else None

    @property
    def percent(self) -> str:
        """The share in words."""
        return "none" if self.share is None else f"{100 * self.share:.1f} %"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"score": self.share}
