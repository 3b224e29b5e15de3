"""What the cases did not exercise, in lines: limits, conditions and lengths by place, functions by file."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console

from parity.base.exercise import FUNCTION, GROUPS, Exercise, Site

PLACES = 5  # of one condition that stands at several


def lines(exercise: Exercise) -> Iterator[tuple[str, list[str]]]:
    """Of each group that has any, its name and a line for each place that was not exercised.

    A condition that stands at several places has one line, and the functions of a file have one.
    """
    missing = exercise.missing
    for group, kinds in GROUPS.items():
        found = [site for site in missing if site.kind in kinds]
        if found:
            yield group, list(_functions(found) if kinds == (FUNCTION,) else _places(found))


def _places(sites: list[Site]) -> Iterator[str]:
    together: dict[tuple[str, str], list[str]] = {}
    for site in sites:
        together.setdefault((site.text, site.sentence()), []).append(site.place)
    for (text, sentence), places in together.items():
        places = list(dict.fromkeys(places))
        if len(places) == 1:
            yield f"{places[0]} {text}: {sentence}"
        else:
            shown = ", ".join(places[:PLACES]) + (f" and {len(places) - PLACES} more" if len(places) > PLACES else "")
            yield f"{text}: {sentence}, at {len(places)} places: {shown}"


def _functions(sites: list[Site]) -> Iterator[str]:
    together: dict[str, list[str]] = {}
    for site in sites:
        together.setdefault(site.file, []).append(f"{site.function.partition('#')[0]} (line {site.line})")
    for file, names in together.items():
        yield f"{file}: never called: {', '.join(names)}"


def show(exercise: Exercise, console: Console, everything: bool = False) -> None:
    """Print how much was not exercised, or with `everything` each place."""
    if not exercise:
        return
    for group, found in lines(exercise) if everything else ():
        console.print(f"not exercised, {group}:", markup=False, highlight=False)
        for line in found:
            console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
    hint = "" if everything else "; --exercise shows them"
    console.print(f"not exercised: {exercise.summary()}{hint}", markup=False, highlight=False, soft_wrap=True)
