"""A survey of mutants in a terminal: a score for each file and operator, and each survivor with its reason."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from parity.mutate.results import APART, EQUAL, KILLED, SURVIVED, WITHIN, Result, Score
from parity.mutate.surveyed import Judged, Measured, Surveyed

SHOWN = 40
"""Survivors that are listed; all are in the JSON and on the page."""
FILES = 6
"""Files that are named."""


def show(found: Surveyed, console: Console) -> None:
    """Print the whole survey."""
    for what in ("operator", "file"):
        console.print(_table(what, found.by(what)))
    survivors = [result for result in found.survivors if result.outcome not in APART]
    for result in survivors[:SHOWN]:
        for text in (line(result), context(found, result)):
            console.print(text, markup=False, highlight=False, soft_wrap=True)
    if len(survivors) > SHOWN:
        console.print(f"... and {len(survivors) - SHOWN} more survivors, all in the JSON and on the page")
    console.print(changed(list(found.sources)), markup=False, highlight=False, soft_wrap=True)
    for module in found.aside:
        text = f"not changed: {module}, which is installed; --package {module} changes it"
        console.print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)
    console.print(summary(found), style="bold", markup=False, highlight=False, soft_wrap=True)
    if found.arithmetic is not None:
        console.print(_table("operator", found.arithmetic.by("operator"), ", by the arithmetic alone"))
        console.print(second(found.arithmetic), style="bold", markup=False, highlight=False, soft_wrap=True)


def _table(what: str, scores: dict[str, Score], how: str = "") -> Table:
    table = Table(title=f"mutants noticed{how}, by {what}", title_justify="left")
    table.add_column(what)
    for column in ("killed", "survived", "equivalent", "apart", "score"):
        table.add_column(column, justify="right")
    for name, score in scores.items():
        cells = (score.killed, score.survived, score.equivalent, score.apart, percent(score))
        table.add_row(escape(name), *map(str, cells))
    return table


def percent(score: Score) -> str:
    """Of all that are not equivalent, how many were noticed."""
    return "–" if score.share is None else f"{100 * score.share:.1f} %"


def line(result: Result) -> str:
    """A mutant in one line: where, its column counted from 1, what was changed, and what became of it."""
    place = f"{result.file}:{result.line}:{result.column + 1}"
    return f"{place} {result.operator}: {result.before} → {result.after}: {fate(result)}"


def changed(files: list[str]) -> str:
    """Which files were changed, by the first few."""
    more = f" and {len(files) - FILES} more" if len(files) > FILES else ""
    return f"changed: {', '.join(files[:FILES])}{more}"


def context(found: Surveyed, result: Result) -> str:
    """The line of the source in which a mutant begins."""
    text = found.sources[result.file].splitlines()[result.line - 1]
    return f"    {result.line} | {text.strip()}"


def fate(result: Result) -> str:
    """What became of a mutant, in words."""
    where = f"{result.case} {result.segment} on {result.device}"
    if result.killed:
        noticed = f"{result.tap} {result.reason}" if result.tap else result.reason
        text = f"{result.outcome} in {where}: {noticed}"
        return f"{text}; the contract argues that nobody can notice it" if result.argument else text
    text = (SURVIVED | APART)[result.outcome]
    if result.outcome == WITHIN and result.case:
        text = f"{text}; at most {result.worst:.2f} of a bound, in {where}"
    if result.outcome == EQUAL and result.case:
        text = f"{text}; largest error {result.worst:.1e}, in {where}"
    return "; ".join(filter(None, (text, result.reason, result.argument)))


def summary(found: Surveyed) -> str:
    """The first score in one sentence."""
    parts = _parts(found)
    if argued := sum(bool(result.argument) and not result.killed for result in found.results):
        parts.append(f"an argument is given for {argued}")
    if found.explained:
        count = sum(result.located is True for result in found.explained)
        parts.append(f"the changed line is shown for {count} of {len(found.explained)}")
    return ", ".join(parts + _left(found))


def second(found: Measured) -> str:
    """The second score in one sentence."""
    whose = "" if found.which == "all" else ", of those that survived in double or convert a precision"
    device = found.environment.get("mlx device") or found.environment.get("torch device", "this device")
    parts = [f"by the arithmetic alone, on {device}{whose}: {', '.join(_parts(found))}"]
    if found.failing:
        parts.append(f"{found.failing} verdicts fail of the candidate as it is and judge no mutant")
    return ", ".join(parts + _left(found))


def _parts(found: Judged) -> list[str]:
    score, outcomes = found.score, found.outcomes
    killed, survived = (
        ", ".join(f"{outcomes[name]} {name}" for name in names if name in outcomes) for names in (KILLED, SURVIVED)
    )
    parts = [f"{percent(score)} of {score.killed + score.survived} mutants noticed ({killed or 'none'})"]
    parts.append(f"{score.survived} survived ({survived})" if score.survived else "none survived")
    return parts + [f"{outcomes[name]} {name}" for name in APART if name in outcomes]


def _left(found: Judged) -> list[str]:
    return [f"{found.left} not tried yet"] if found.left else []
