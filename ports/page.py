"""`docs/ports.md`: a row a pair, and a section for each that departs or cannot run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from parity.base.files import write_text
from ports.pair import Judged

HEAD = """# Ports of others

`python -m ports --write docs/ports.md` makes this page. Weights are random, and models are small: a row is about the
program and its configuration, not about a checkpoint. A departure is *proven* in one of two ways. Either the port with
the corrected lines is equal in double, or the port is equal behind the reference's value in the
place of its own.

"""
MACHINE = re.compile(r"(?:/[^\s/:]+)+/(?:site-packages|ports)/")
"""Whatever is before a package in the path of a file."""


def line(judged: Judged) -> str:
    """The row of a pair, as the command prints it."""
    return f"{judged.word:12} {judged.pair.name}: {_mathematics(judged)}; {judged.arithmetic}; {judged.seconds:.1f} s"


def write(found: Sequence[Judged], file: Path) -> None:
    """Write the page: without times and without the paths of this machine."""
    write_text(HEAD + "\n".join([*_table(found), *(text for one in found for text in _section(one))]) + "\n", file)


def _table(found: Sequence[Judged]) -> Iterator[str]:
    versions = sorted({text for one in found for text in one.pair.versions})
    yield f"Versions: {', '.join(versions)}."
    yield ""
    yield "| pair | packages | modules matched | mathematics | arithmetic | verdict |"
    yield "|---|---|---|---|---|---|"
    for one in found:
        matched = "{} of {}".format(*one.comparison.modules) if one.comparison else ""
        row = (one.pair.name, ", ".join(one.pair.packages), matched, _mathematics(one), one.arithmetic, one.word)
        yield f"| {' | '.join(row)} |"


def _mathematics(judged: Judged) -> str:
    if judged.comparison is None:
        return judged.pair.reason or MACHINE.sub("", judged.error.partition("\n")[0])
    return "equal" if judged.comparison.proof.proven else "differs"


def _section(judged: Judged) -> Iterator[str]:
    pair, comparison = judged.pair, judged.comparison
    if judged.word == "equal" or comparison is None:
        return
    yield ""
    yield f"## {pair.name}"
    yield ""
    for departure in pair.departures:
        yield f"- {departure.sentence}"
    if judged.mended:
        yield ""
        yield f"Proven: with {pair.correction}, all of it is equal in double."
    elif judged.healed:
        yield ""
        yield "Proven: with the reference's values in the places of all departures, all of it is equal in double."
    yield ""
    yield "```text"
    for text in comparison.departures[:1]:
        yield MACHINE.sub("", text)
    yield "```"
