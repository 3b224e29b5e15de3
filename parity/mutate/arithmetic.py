"""The second score: which mutants the arithmetic verdict alone would notice, on the device that is here.

The reference is recorded once a case, as `parity record` does. A mutant runs the segments that its line reaches on this
device, each from the reference's own state, and is judged in noise floors as a candidate without a program is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from parity.mutate import device, worker
from parity.mutate.changes import Changes, Usual
from parity.mutate.pool import Pool
from parity.mutate.results import BIT_EQUAL, ELSEWHERE, EQUIVALENT, NEVER_RUN, WITHIN, Result, Results
from parity.mutate.subject import File, Pair, Subject
from parity.mutate.surveyed import Measured
from parity.mutate.trial import Seen
from parity.mutate.trying import Progress, Trying, same_bits
from parity.run import recordings

ALL, SURVIVORS = "all", "survivors"


def measured(
    subject: Subject,
    changes: Changes,
    files: list[File],
    pairs: list[Pair],
    found: Mapping[str, Result],
    which: str,
    folder: Path,
    named: tuple[str, str],
    jobs: int,
    progress: Progress,
    spent: Callable[[], bool],
) -> Measured:
    """Judge on the device the mutants that were `found` in double: all, or those that survived there.

    `named` are the name of what results rest on, and that of the file for new ones.
    """
    folders = _recordings(subject, folder / "recordings", jobs, progress)
    with Pool(1, device.begin, subject, folders) as pool:
        ((_, environment),) = pool.map(worker.environment, {"": ()})
    kind = "gpu" if "gpu" in environment.get("mlx device", "") else "cpu"
    here = list(dict.fromkeys(Pair(pair.case, pair.number, kind) for pair in pairs))
    name = hashlib.sha256(json.dumps([named[0], sorted(environment.items())]).encode()).hexdigest()[:16]
    trying = Trying(subject, changes, here, device.begin, _survived, jobs, progress, spent)
    usual = trying.usual(files, folder / "usual" / f"{name}.json", folders, refused=False)
    failing = {place: one.failing for place, one in usual.items() if one.failing}
    chosen = [name for name, result in found.items() if is_chosen(result, which)]
    places = {name: changes.places(name, usual) for name in chosen if found[name].outcome != EQUIVALENT}
    results = Results(folder / "arithmetic", name, named[1])
    try:
        trying.all(
            places,
            usual,
            lambda name: NEVER_RUN if found[name].outcome == NEVER_RUN else ELSEWHERE,
            results,
            folders,
            failing,
        )
    finally:
        results.close()
    judged = [results[name] for name in places if name in results]
    judged += [changes.result(name, EQUIVALENT) for name in chosen if name not in places]
    judged.sort(key=lambda result: (result.file, result.line, result.column))
    count = sum(len(verdicts) for verdicts in failing.values())
    return Measured(judged, len(chosen) - len(judged), which, environment, count)


def is_chosen(result: Result, which: str) -> bool:
    """Whether a mutant is one of `which`; conversions between precisions always are."""
    return which == ALL or result.operator == "dtype" or not (result.killed or result.outcome == EQUIVALENT)


def _recordings(subject: Subject, folder: Path, jobs: int, progress: Progress) -> dict[str, Path]:
    """The recording of each case, made where it is not there yet."""
    folders = {case: folder / reference.name for case, reference in subject.references.items()}
    missing = {
        case: (subject.contract, subject.cases[case], subject.checkpoints[case], path, _silent)
        for case, path in folders.items()
        if not path.exists()
    }
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        with Pool(min(jobs, len(missing))) as pool:
            for number, _ in enumerate(pool.map(recordings.record, missing), 1):
                progress(f"reference recorded: {number} of {len(missing)} cases")
    return folders


def _silent(message: str) -> None:
    """Nobody reads what a process says."""


def _survived(seen: list[Seen], usual: list[Usual]) -> str:
    """The outcome of a mutant that no place notices."""
    return BIT_EQUAL if same_bits(seen, usual) else WITHIN
