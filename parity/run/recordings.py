"""The reference's run, stored: what a candidate needs to be verified in another process, or on another machine.

A folder has the traces of every segment: the reference in float32, in float64 freely, and in float64 teacher-forced.
The folder also has the states from which the segments start, and the last ones. The verdicts on a candidate are those
that one process gives, to the last bit. The swaps are not run: they need the reference itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from parity.base import bounded, npy
from parity.base.errors import InputError, OutputError
from parity.base.files import file_sha256, replacing
from parity.capture.trace import Trace
from parity.capture.trace_folder import Entries, StoredTrace
from parity.contract import ACCUMULATED, LOCAL, Contract, toml_files
from parity.contract.implementation import Case, State
from parity.run.clock import Progress
from parity.run.own import Fed
from parity.run.report import RECORDING, Report
from parity.run.runs import Turn
from parity.run.verify import Verifier

SCHEMA = 3
INDEX = "recording.json"
KINDS = ("start", "reference", ACCUMULATED, LOCAL)
END = "end"


def record(contract: Contract, case: Case, checkpoint: Path, out: Path, say: Progress) -> dict[str, Any]:
    """Run the reference and write the folder `out`, whole or not at all. Returns what its index says of the run.

    Raises `InputError` when `out` exists, and for a reference that does not give the contract's taps.
    """
    if out.exists():
        raise OutputError(f"{out} exists; nothing was written: name another folder")
    verifier = Verifier(contract, case, checkpoint, say, sides=("reference", "exact"))
    runs = verifier.runs
    about = {"schema": SCHEMA} | _about(contract, case, checkpoint)
    with replacing(out) as partial:
        partial.mkdir()
        index: dict[str, Entries] = {}
        for number, segment in enumerate(verifier.segments):
            traces: dict[str, Trace] = {kind: _trace(partial, f"{number}-{kind}", index) for kind in KINDS}
            start = runs.states["reference"]
            traces["start"].update(start)
            runs.reference(segment, traces["reference"])
            for mode in segment.modes:
                known = {"reference": traces["reference"], "exact": traces[mode]}
                runs.other("exact", Turn(segment, mode, start, known))
            last = segment.stage not in [later.stage for later in verifier.segments[number + 1 :]]
            if segment.stage in contract.in_turn and last:
                runs.release()
        _trace(partial, END, index).update(runs.states["reference"])
        about |= {"environment": verifier.report.environment, "seconds": verifier.report.seconds}
        (partial / INDEX).write_text(json.dumps(about | {"traces": index}, indent=1) + "\n", encoding="utf-8")
    return about


def _trace(folder: Path, place: str, index: dict[str, Entries]) -> StoredTrace:
    """One trace of a recording, whose entries are in its index."""
    return StoredTrace(folder, index.setdefault(place, {}), place)


def _about(contract: Contract, case: Case, checkpoint: Path) -> dict[str, Any]:
    """What a recording and a run that is judged by it must have in common."""
    return {
        "case": case.name,
        "contract": toml_files.sha256(contract.path),
        "inputs": {name: npy.canonical_sha256(array) for name, array in case.inputs.items()},
        "checkpoint": {path.name: file_sha256(path) for path in sorted(checkpoint.glob("*")) if path.is_file()},
    }


class Recorded:
    """What `record` left in a folder, by the number of a segment."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.traces: dict[str, Entries] = bounded.read_json(folder / INDEX)["traces"]

    def start(self, number: int) -> State:
        """The state of the reference in float32 before a segment."""
        return dict(_trace(self.folder, f"{number}-start", self.traces))

    def judges(self, number: int, mode: str) -> dict[str, Trace]:
        """The traces that a candidate is judged by in a mode: of the reference, and of the one in double."""
        kinds = {"reference": "reference", "exact": mode}
        return {name: _trace(self.folder, f"{number}-{kind}", self.traces) for name, kind in kinds.items()}


def verify(
    contract: Contract,
    case: Case,
    checkpoint: Path,
    folder: Path,
    say: Progress,
    informative: bool = False,
    settle: Callable[[Verifier, Fed], None] = lambda verifier, fed: None,
) -> Report:
    """Judge the candidate alone against a recording. Raises `InputError` for one of another case or checkpoint.

    `settle` may replace verdicts by what else is known; it is given what the segments were fed.
    """
    try:
        index = bounded.read_json(folder / INDEX)
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / INDEX}: cannot be read ({error}); expected what `parity record` wrote") from error
    for name, value in ({"schema": SCHEMA} | _about(contract, case, checkpoint)).items():
        if not isinstance(index, dict) or index.get(name) != value:
            raise InputError(f"{folder}: recorded with another {name}; record it again with this one, or use that one")
    verifier = Verifier(contract, case, checkpoint, say, sides=("candidate",), informative=informative)
    verifier.report.environment = index["environment"] | verifier.report.environment
    verifier.report.seconds |= index["seconds"]
    verifier.report.source = RECORDING
    traces = index["traces"]
    for number, segment in enumerate(verifier.segments):
        stored = {kind: _trace(folder, f"{number}-{kind}", traces) for kind in KINDS}
        for mode in segment.modes:
            start: State = dict(stored["start"]) if mode == LOCAL else {}
            verifier.judge(Turn(segment, mode, start, {"reference": stored["reference"], "exact": stored[mode]}))

    def fed(numbers: list[int]) -> Iterator[tuple[int, State, Trace]]:
        for number in numbers:
            start, taps = (_trace(folder, f"{number}-{kind}", traces) for kind in KINDS[:2])
            yield number, dict(start), taps

    settle(verifier, fed)
    verifier.runs.states["reference"] = dict(_trace(folder, END, traces))
    verifier.conclude()
    return verifier.report
