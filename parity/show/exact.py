"""A proof in double in a terminal: a row for each stage, what is equal by its noise floor alone, and each failure."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from parity.contract import ACCUMULATED, LOCAL
from parity.judge.mathematics import AMPLIFIED, BOUND, Mathematics
from parity.run.exact_report import ExactReport
from parity.show.exercise import show as show_exercise
from parity.show.words import tally, unjudged

SHOWN = 20  # failures, and taps that are equal by their noise floor alone
MODES = {LOCAL: "teacher-forced", ACCUMULATED: "free"}


def stages_table(report: ExactReport) -> Table:
    """Of each stage, how many verdicts there are, and the largest error of each mode in RMS of its tap."""
    title = f"{report.case} in double: largest error in each stage, in RMS of its tap"
    table = Table(title=escape(title), title_justify="left")
    table.add_column("stage")
    table.add_column("verdicts", justify="right")
    for name in MODES.values():
        table.add_column(name, justify="right")
    table.add_column("wrong", justify="right")
    place = 0
    for stage, count in report.places:
        verdicts = report.verdicts[place : place + count]
        place += count
        worst = (_largest(v for v in verdicts if v.mode == mode) for mode in MODES)
        wrong = sum(not v.passed for v in verdicts)
        table.add_row(escape(stage), str(count), *worst, f"[bold red]{wrong}[/]" if wrong else "0")
    return table


def _largest(verdicts: Iterable[Mathematics]) -> str:
    errors = [verdict.error for verdict in verdicts if verdict.error == verdict.error]
    return f"{max(errors):.1e}" if errors else ""


def describe(verdict: Mathematics) -> str:
    """A failure in one line: where, in which mode, and how much."""
    return f"{verdict.label} ({MODES[verdict.mode]}): {verdict.reason}"


def by_floor(verdict: Mathematics) -> str:
    """A verdict that is equal by its noise floor alone, in one line."""
    return (
        f"{verdict.label} ({MODES[verdict.mode]}) is equal by its noise floor: {verdict.error:.2e} of its RMS, above "
        f"{BOUND:.0e}, and at most {AMPLIFIED:.1e} of the floor {verdict.floor:.1e}: {verdict.bound:.2e}"
    )


def forced(report: ExactReport) -> str:
    """In one line, which segments ran on the reference's own inputs as well."""
    if not report.teacher_forced:
        return "teacher-forced: not needed, every tap of the free run is equal"
    return f"teacher-forced: {report.teacher_forced[0]} and what follows, {len(report.teacher_forced)} segments"


def show(report: ExactReport, console: Console, exercise: bool = False) -> None:
    """Print the whole report; with `exercise` each place that was not exercised."""
    console.print(stages_table(report))
    for verdicts, line in ((report.amplified, by_floor), (report.failures, describe)):
        for verdict in verdicts[:SHOWN]:
            console.print(line(verdict), markup=False, highlight=False, soft_wrap=True)
        if len(verdicts) > SHOWN:
            console.print(f"... and {len(verdicts) - SHOWN} more of these, all in the JSON report")
    console.print(forced(report), markup=False, highlight=False, soft_wrap=True)
    if report.stopped:
        console.print(report.stopped, style="red", markup=False, highlight=False, soft_wrap=True)
    if (worst := report.worst) is not None:
        text = f"worst: {worst.label}, {MODES[worst.mode]}, {worst.error:.1e} of its RMS for {worst.bound:.1e}"
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    if (first := report.first_failure) is not None:
        text = f"first wrong: {first.label}, {MODES[first.mode]}: {first.reason}"
        console.print(text, style="bold red", markup=False, highlight=False, soft_wrap=True)
    for departure in report.departures[:SHOWN]:
        console.print(f"departs: {departure}", markup=False, highlight=False, soft_wrap=True)
    if len(report.departures) > SHOWN:
        console.print(f"... and {len(report.departures) - SHOWN} more departures, all in the JSON report")
    unjudged(report, console)
    show_exercise(report.exercise, console, exercise)
    spent = ", ".join(f"{what} {seconds:.1f} s" for what, seconds in report.seconds.items())
    console.print(f"time: {spent}", highlight=False)
    word = "[bold green]PASS[/]" if report.passed else "[bold red]FAIL[/]"
    case = escape(f"{report.case} in double, {report.checkpoint}")
    console.print(f"{word} {tally(report)}; case {case}", highlight=False)
