"""A page of rows, one a pair, and beside it pages of packages, or of their parts, with a section for each departure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from parity.base.files import write_text
from ports.row import Row

LONGEST = 12
"""Lines of a correction that a page shows whole."""


@dataclass(frozen=True)
class Page:
    """What a page says before its table, and each page of departures before its sections.

    `every` departure of a pair is shown with its cause and its correction, or the first one alone.
    """

    head: str
    departures: str
    every: bool

    def section(self, one: Row) -> Iterator[str]:
        """What is said of a pair that departs, or that runs with its lines corrected; nothing for another."""
        if not _has_section(one):
            return
        yield from ("", f"## {one.name}", "")
        if self.every and any(one.causes):
            for sentence, cause, correction in zip_longest(one.departures, one.causes, one.corrections, fillvalue=""):
                yield from (f"- {sentence}", "", "```text", *_shown(cause), *_besides(cause), "```")
                if correction:
                    yield from ("```diff", *_shortened(correction), "```")
                yield ""
            yield f"Proven: {_lower(one.proof)}" if one.proof else "Not proven."
            return
        if one.departures:
            yield from (f"- {sentence}" for sentence in one.departures)
            yield ""
        yield from ("```text", *_shown(one.first))
        if one.proof:
            yield f"proven: {_lower(one.proof)}"
        yield "```"


PORTS = Page(
    """# Ports of others

`python -m ports --write docs/ports.md` makes this page. Weights are random and models are small, except where a name
says otherwise: a row is about a program and its configuration, not about a checkpoint. *Modules* are calls of the
reference's modules that were found in the port by value, without names. *Mathematics* compares both programs in double;
*arithmetic* compares what both give on a CPU with what rounding allows. A departure is *proven* in one of two ways:
the port with the corrected lines is equal in double, or everything behind the reference's own value is.
""",
    """# Departures of {part}

`python -m ports --write docs/ports.md` makes this page, which belongs to [a table of all pairs](../ports.md). Each
section has the first departure as it is printed, shortened, and what it is proven by.
""",
    every=False,
)

PEERS = Page(
    """# Other ports of Chatterbox

`python -m ports --peers --write docs/peers.md` makes this page. Each port is judged against `reference/` in every stage
that it has: at full width, on three short lengths, with random weights that the port loads by its own conversion. T3
has two of its 30 layers, which are alike, and the tokenizer two of its six. `flow/solver` is the flow with small
functions in the places of its encoder and of its estimator, which are judged by themselves. Of a text the code points
are compared, with zeros behind them, and of a call what it takes where nothing is said, each setting as a factor of 1.

*Modules* are calls of the reference's modules that were found in the port by value, without names. *Mathematics*
compares both programs in double; *arithmetic* compares what both give on a CPU with what rounding allows: where a port
departs, that of the port with its lines corrected. What of a departure is a choice and what a mistake is for the
reader. A stage whose name ends with a case has inputs that show what the others do not.
""",
    """# Departures of {part}

`python -m ports --peers --write docs/peers.md` makes this page, which belongs to [a table of all stages](../peers.md).
A departure has the first place at which it is found, the formula of either side there with its line, and the line of
the port with which that stage is equal in double.
""",
    every=True,
)


def write(rows: Sequence[Row], file: Path, page: Page = PORTS) -> None:
    """Write the page and those of departures: without times and without the paths of this machine."""
    folder = file.with_suffix("")
    write_text("\n".join([page.head, *_summary(rows), *_table(rows, folder.name)]) + "\n", file)
    for part in sorted({_part(one) for one in rows if _has_section(one)}):
        texts = [page.departures.format(part=part).rstrip()]
        for one in rows:
            texts += page.section(one) if _part(one) == part else ()
        folder.mkdir(exist_ok=True)
        write_text("\n".join(texts) + "\n", folder / _file(part))


def _summary(rows: Sequence[Row]) -> Iterator[str]:
    equal = [one for one in rows if one.verdict == "equal"]
    found, modules = (sum(one.modules[place] for one in equal if one.modules) for place in (0, 1))
    matches, wrong = (sum(one.matches[place] for one in equal if one.matches) for place in (0, 1))
    words = Counter(one.verdict for one in rows)
    yield f"{len(rows)} pairs; by verdict: {', '.join(f'{word} {count}' for word, count in words.most_common())}."
    runs, mended = sum(bool(one.modules) for one in rows), sum(not one.modules and bool(one.proof) for one in rows)
    if runs:
        share = f"{runs / len(rows):.1%}"
        yield f"{runs} run in double as they are installed ({share}), {mended} more with lines corrected."
    if modules:
        yield f"In those that are equal {found} of {modules} modules were found ({found / modules:.1%})."
        if matches:
            yield f"Of {matches} values that were found, {wrong} are not equal on other inputs."
    yield f"Versions: {', '.join(sorted({text for one in rows for text in one.versions}))}."
    yield ""


def _table(rows: Sequence[Row], folder: str) -> Iterator[str]:
    yield "| pair | modules | mathematics | verdict | arithmetic |"
    yield "|---|---|---|---|---|"
    for one in rows:
        yield f"| {' | '.join([*cells(one, folder), one.arithmetic])} |"


def cells(one: Row, folder: str = "ports") -> list[str]:
    """What the table says of a pair on any machine: all but its arithmetic. A pair with a section has a link."""
    modules = "{} of {}".format(*one.modules) if one.modules else ""
    name = f"[{one.name}]({folder}/{_file(_part(one))}#{_anchor(one.name)})" if _has_section(one) else one.name
    return [name, modules, one.mathematics.replace("|", "\\|"), one.verdict]


def _shown(first: str) -> Iterator[str]:
    """Of what the harness printed: what departs, and each side's formula with its first line."""
    lines = first.splitlines()
    yield from lines[:1]
    for number, line in enumerate(lines):
        if line.startswith(("  reference: ", "  port: ")):
            yield line
            yield from (after for after in lines[number + 1 : number + 2] if after.startswith("    "))


def _besides(cause: str) -> Iterator[str]:
    """What both values have to do with each other, and how often the departure stands there again."""
    for line in cause.splitlines():
        if line.startswith("  the port's"):
            yield line
        elif line.startswith("  the same at"):
            yield line.partition(":")[0]


def _shortened(correction: str) -> list[str]:
    """The lines of a correction; of many that are taken out, the first and the last."""
    lines = correction.splitlines()
    out = [number for number, line in enumerate(lines) if line.startswith("-")]
    return lines if len(out) <= LONGEST else [*lines[: out[3]], "- …", *lines[out[-2] :]]


def _lower(sentence: str) -> str:
    return f"{sentence[0].lower()}{sentence[1:]}"


def _part(one: Row) -> str:
    """What has a page of departures of its own: a package, or a part of the pipeline in a port of Chatterbox."""
    return one.name.rpartition("/")[0]


def _file(part: str) -> str:
    return f"{part.replace('/', '.')}.md"


def _has_section(one: Row) -> bool:
    return bool(one.departures or one.first or one.proof)


def _anchor(name: str) -> str:
    kept = "".join(letter for letter in name.lower() if letter.isalnum() or letter in " -_")
    return kept.replace(" ", "-")
