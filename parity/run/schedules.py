"""In what order the runs of a stage are made: a schedule makes all but the candidate's, and yields its turns."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

from parity.capture.trace import DiskTrace, Trace, copied
from parity.contract import LOCAL, Segment
from parity.run.runs import Runs, Turn


def together(runs: Runs, segments: list[Segment]) -> Iterator[Turn]:
    """All runs of a segment, then the next. Only one segment's values are held, and the weights of all sides."""
    for segment in segments:
        start = runs.states["reference"]
        reference: Trace = {}
        runs.reference(segment, reference)
        for mode in segment.modes:
            turn = Turn(segment, mode, start, {"reference": reference})
            for which in runs.others:
                turn.traces[which] = {}
                runs.other(which, turn)
            yield turn
            for which in runs.others:
                turn.traces[which].clear()
        reference.clear()


def in_turn(runs: Runs, segments: list[Segment]) -> Iterator[Turn]:
    """All segments by one side, then by the next: the weights of one are held, and the traces lie in a folder."""
    with tempfile.TemporaryDirectory(prefix="parity-") as folder:
        numbers = count()

        def stored() -> DiskTrace:
            return DiskTrace(Path(folder, str(next(numbers))))

        turns = []
        for segment in segments:
            start, reference = stored(), stored()
            start.update(runs.states["reference"])
            runs.reference(segment, reference)
            for mode in segment.modes:
                turns.append(Turn(segment, mode, start if mode == LOCAL else {}, {"reference": reference}))
        runs.release("reference")
        for which in runs.others:
            for turn in turns:
                turn.traces[which] = stored()
                runs.other(which, replace(turn, start=copied(turn.start)))
            runs.release(which)
        for turn in turns:
            yield replace(turn, start=copied(turn.start))
        runs.release("candidate")
