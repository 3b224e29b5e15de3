"""Whether the line of a mutant is among those that `parity verify --exact` would show for it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path

from parity.capture.runner import Runner
from parity.capture.trace import copied
from parity.contract.implementation import make_side
from parity.exact.standin.made import making_noted
from parity.mutate.forked import Say, forked, limit_memory, limit_time
from parity.mutate.mutated import mutated
from parity.mutate.subject import Pair, Subject
from parity.mutate.trial import Candidate
from parity.mutate.worker import BYTES, DOUBLE, SUBJECT, Trial, begin
from parity.run.explained import explained, texts

SECONDS = 60
"""Of the processor, for an explanation."""


def begin_both(subject: Subject) -> None:
    """Prepare a process that explains: it has PyTorch as well."""
    begin(subject)
    if subject.contract.sides["candidate"]["framework"] == "mlx":
        DOUBLE.enter_context(making_noted())
    from parity.exact.torch import record

    record(list, [])  # imports what every recording needs


def shown(trial: Trial) -> list[str]:
    """What is said of the mutant where it was noticed: both programs' formulas where they depart, with their lines."""
    ((pair, _),) = trial.pairs

    def work(say: Say) -> None:
        subject = SUBJECT[0]
        limit_memory(2 * BYTES)
        limit_time(SECONDS)
        reference = _reference(subject, pair)
        with mutated(trial.module, trial.source):
            candidate = Candidate(subject).runner(pair.case, pair.device)
            start = copied(subject.opened[pair.case].start(pair.number))
            found = explained(subject.segment(pair), start, reference, candidate, nullcontext)
            say(texts(found, subject.segment(pair), candidate))

    try:
        said, _ = forked(work)
    except RuntimeError:  # what cannot be explained has no lines
        return []
    return list(said[0]) if said else []


def _reference(subject: Subject, pair: Pair) -> Runner:
    contract = subject.contract.rules_of(pair.case)
    checkpoint, case = subject.checkpoints[pair.case], subject.cases[pair.case]
    return Runner(contract, "reference", make_side(contract, "reference", checkpoint, case, "float64"))


def names(texts: Iterable[str], file: Path, lines: Iterable[int]) -> bool:
    """Whether a text has one of the lines of a file, as `port/layers.py:12`; it may say more of the path."""
    wanted = "|".join(map(str, lines))
    return any(re.search(rf"(?<![\w.-]){re.escape(file.as_posix())}:({wanted})\b", text) for text in texts)
