"""What two readers found in a port's source, row by row, and what the run says of each.

`readings/mlx_audio.csv` is a list of theirs. A departure names the rows that it is, and a row is *found* where the run
shows it: each stage that is named departs as the departures say, and is equal in double with all of them corrected.
`mlx_audio.readings.toml` has what no departure names: under `equal` the stage that is equal in double although the
port has that line, and under `unreached` why no stage can show a row.
"""

from __future__ import annotations

import csv
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from parity.base.errors import InputError
from parity.base.files import write_text
from ports.chatterbox import PORTS
from ports.chatterbox.port import Port
from ports.row import Row

FOLDER = Path(__file__).parent
WORDS = FOUND, EQUAL, UNREACHED, MISSED = "found", "equal", "not reached", "missed"


def kinds(port: Port) -> dict[str, str]:
    """The kind of each row of the port's list, by its id."""
    with (FOLDER / "readings" / f"{port.stem}.csv").open(encoding="utf-8", newline="") as file:
        return {row["id"]: row["kind"] for row in csv.DictReader(file)}


def said(port: Port, rows: Sequence[Row]) -> dict[str, tuple[str, str]]:
    """Of each row of the port's list, by its id, one of `WORDS`, and the stages or the reason.

    Raises `InputError` for an id that the list does not have, and for one of which nothing is said, or two things.
    """
    table = tomllib.loads((FOLDER / f"{port.stem}.readings.toml").read_text(encoding="utf-8"))
    judged = {row.name.removeprefix(f"{port.name}/"): row for row in rows if row.name.startswith(f"{port.name}/")}
    made = [(one, (UNREACHED, group["why"])) for group in table["unreached"] for one in group["rows"]]
    for one, stage in table["equal"].items():
        row = judged.get(stage)
        made.append((one, (EQUAL if row and (row.verdict == "equal" or row.proof) else MISSED, stage)))
    for departure, stages in port.departures:
        found = all(
            stage in judged and judged[stage].verdict == "departs" and departure.sentence in judged[stage].departures
            for stage in stages
        )
        made += [(one, (FOUND if found else MISSED, "; ".join(stages))) for one in departure.readings]
    listed, names = kinds(port), [one for one, _ in made]
    if odd := [one for one in dict.fromkeys([*listed, *names]) if names.count(one) != 1 or one not in listed]:
        raise InputError(f"{port.stem}.csv: {', '.join(odd)}: expected each row once, in a departure or in the table")
    return {one: dict(made)[one] for one in listed}


def write(rows: Sequence[Row], folder: Path) -> None:
    """Write a page for each port, `mlx-audio.readings.md`: each row of its list, and what the run says of it."""
    for port in PORTS:
        write_text("\n".join(_page(port, rows)) + "\n", folder / f"{port.name}.readings.md")


def _page(port: Port, rows: Sequence[Row]) -> Iterator[str]:
    of, found = kinds(port), said(port, rows)
    yield from (f"# What two readers listed of {port.name}", "")
    yield f"The rows of [the list](../../ports/chatterbox/readings/{port.stem}.csv), and what the run says of each."
    yield "*Found*: [a departure](../peers.md) is that row, with its proof. *Equal*: the stage is equal in double,"
    yield "although the port has that line. The others are *not reached*, and are not judged."
    yield from ("", f"| kind | {' | '.join(WORDS)} |", f"|---|{'---|' * len(WORDS)}")
    count = Counter((of[one], word) for one, (word, _) in found.items())
    for kind in dict.fromkeys(of.values()):
        yield f"| {kind} | {' | '.join(str(count[kind, word]) for word in WORDS)} |"
    yield from ("", "| row | kind | word | where, or why not |", "|---|---|---|---|")
    yield from (f"| {one} | {of[one]} | {word} | {where} |" for one, (word, where) in found.items())
