"""The page of a survey of mutants: the candidate's source, with what no case noticed marked in its place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parity.base.files import write_text
from parity.mutate.results import APART, KILLED, Result
from parity.mutate.surveyed import Surveyed
from parity.show.mutation import fate, percent, second, summary
from parity.show.page import OF_A_SURVEY
from parity.show.page.template import filled


def write(found: Surveyed, out: Path) -> None:
    """Write `index.html` to the folder `out`."""
    write_text(page(found), out / OF_A_SURVEY[0])


def page(found: Surveyed) -> str:
    """The whole HTML file, which asks the network for nothing."""
    scores = found.by("file")
    files = [
        {
            "name": name,
            "score": scores[name],
            "lines": _lines(
                text,
                [result for result in found.results if result.file == name],
                {} if found.arithmetic is None else {result.id: result for result in found.arithmetic.results},
            ),
        }
        for name, text in found.sources.items()
        if name in scores
    ]
    return filled(
        "mutation.html.j2",
        {"percent": percent, "fate": fate},
        found=found,
        summary=summary(found),
        second="" if found.arithmetic is None else second(found.arithmetic),
        tables=[("By operator", found.by("operator"))]
        + (
            [] if found.arithmetic is None else [("By operator, the arithmetic alone", found.arithmetic.by("operator"))]
        ),
        files=sorted(files, key=lambda file: (file["score"].share is None, file["score"].share)),
        apart=APART,
    )


def _lines(text: str, results: list[Result], measured: Mapping[str, Result]) -> list[dict[str, Any]]:
    """Each line of a source, with its number, its mutants that survived, and how many were noticed.

    With a mutant stands what became of it on the device, if it was `measured`.
    """
    return [
        {
            "number": number,
            "text": line,
            "killed": sum(result.line == number and result.outcome in KILLED for result in results),
            "survivors": [
                (result, measured.get(result.id)) for result in results if result.line == number and not result.killed
            ],
        }
        for number, line in enumerate(text.splitlines(), 1)
    ]
