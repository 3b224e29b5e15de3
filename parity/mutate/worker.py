"""What a process does that tries mutants: it holds the references, and forks for each mutant.

It has not imported the candidate, so that a mutant takes part from the import on.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

from parity.mutate.forked import MEMORY, Say, forked, limit_memory, limit_time
from parity.mutate.lines import LOAD, RUN, Reached, traced
from parity.mutate.mutated import mutated
from parity.mutate.subject import File, Pair, Subject
from parity.mutate.trial import Candidate, Seen, in_double

__all__ = ["LOAD", "RUN", "Trial", "begin", "environment", "prepare", "tried", "tried_whole", "usual", "usual_whole"]

Phase = Callable[[str], object]
SUBJECT: list[Subject] = []
MAKE: list[Callable[[Phase], Any]] = []
"""What makes the candidate of a forked process: something that can `try_` a pair."""
DOUBLE = ExitStack()
"""What a process that tries mutants has for as long as it lives: the framework in double."""
TIMES, SECONDS = 10, 1
"""A mutant may take so many times the processor time of the candidate, and so many seconds on top."""
BYTES = (4 << 30) + (os.cpu_count() or 1) * (256 << 20)
"""That a mutant may take of addresses, beyond what a process has before it imports the candidate. Each thread reserves
some that it never uses, and there may be one a core."""


@dataclass(frozen=True)
class Trial:
    """A mutant, by its module and source, and the pairs that it is tried in, each with its usual seconds."""

    module: str
    source: str
    pairs: tuple[tuple[Pair, float], ...]


def begin(subject: Subject) -> None:
    """Prepare this process: import what every mutant needs, and nothing that can be changed."""
    DOUBLE.enter_context(in_double(subject.contract))
    _ = subject.opened
    prepare(subject, lambda phase: Candidate(subject, phase))


def prepare(subject: Subject, make: Callable[[Phase], Any]) -> None:
    """Say what is surveyed here, and what makes its candidate in a forked process."""
    SUBJECT[:], MAKE[:] = [subject], [make]


def environment() -> dict[str, str]:
    """What a candidate on a device says of it."""
    said, ended = forked(lambda say: say(MAKE[0](_nothing).environment))
    if ended:
        raise RuntimeError(f"the device cannot be asked what it is: ended by {ended}")
    return dict(said[0])


def _nothing(phase: str) -> None:
    """Nobody asks what is done."""


def usual(pair: Pair, files: list[File]) -> tuple[Seen, float, Reached]:
    """The candidate as it is, in a process of its own: what is seen, its seconds, and the lines that it runs."""

    def work(say: Say) -> None:
        began = time.process_time()
        with traced(files) as (reached, phase):
            seen = MAKE[0](phase).try_(pair)
        say([asdict(seen), time.process_time() - began, reached])

    said, ended = forked(work)
    if ended:
        return Seen(crash=f"ended by {ended}"), 0.0, {}
    seen, seconds, reached = said[0]
    return Seen(**seen), seconds, reached


def tried(trial: Trial) -> tuple[list[Seen], str]:
    """What is seen in each pair up to the first that notices the mutant, and how the process ended."""

    def work(say: Say) -> None:
        candidate = MAKE[0](_nothing)
        limit_memory(BYTES)
        with mutated(trial.module, trial.source):
            for pair, seconds in trial.pairs:
                limit_time(TIMES * seconds + SECONDS)
                try:
                    seen = candidate.try_(pair)
                except (MemoryError, OSError) as error:
                    if isinstance(error, OSError) and error.errno != errno.ENOMEM:  # of a file that is mapped
                        raise
                    seen = Seen(crash=MEMORY)
                say(asdict(seen))
                if seen.noticed:
                    return

    said, ended = forked(work)
    return [Seen(**seen) for seen in said], ended


def usual_whole(name: str, files: list[File]) -> tuple[str, float, Reached]:
    """As `usual`, of a whole run of a case that no reference is of: its digest."""

    def work(say: Say) -> None:
        began = time.process_time()
        with traced(files) as (reached, phase):
            candidate = Candidate(SUBJECT[0])
            phase(RUN)
            digest = candidate.run(SUBJECT[0].cases[name])
        say([digest, time.process_time() - began, reached])

    said, ended = forked(work)
    return tuple(said[0]) if said else (f"ended by {ended}", 0.0, {})


def tried_whole(trial: Trial, usual: dict[str, str]) -> str:
    """The first case, of those that a trial names, whose digest is not the usual one; "" where all are."""

    def work(say: Say) -> None:
        candidate = Candidate(SUBJECT[0])
        limit_memory(BYTES)
        with mutated(trial.module, trial.source):
            for (name, *_), seconds in trial.pairs:
                say(name)
                limit_time(TIMES * seconds + SECONDS)
                if candidate.run(SUBJECT[0].cases[name]) != usual[name]:
                    return
        say("")

    said, _ = forked(work)
    return str(said[-1])
