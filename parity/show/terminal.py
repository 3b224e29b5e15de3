"""The report in a terminal: one row per part of the model, the chained state, and each failure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from parity.contract import ACCUMULATED, FULL, LOCAL, Contract, Tap
from parity.contract.parts import merged, part
from parity.diagnose.bisect import Found
from parity.diagnose.growth import ends
from parity.judge.verdict import Verdict
from parity.run.report import Report
from parity.show.changes import MOVED, Changes
from parity.show.exercise import show as show_exercise
from parity.show.words import show as show_words
from parity.show.words import tally, unjudged, within

SHOWN_FAILURES = 20
SHOWN_CHANGES = 20


def _worst(verdicts: Iterable[Verdict], name: str) -> str:
    """The ratio that is nearest to its bound, beside it. Integers and taps that are absent have none."""
    pairs = [(getattr(verdict, name), getattr(verdict, f"bound_{name}")) for verdict in verdicts]
    known = [pair for pair in pairs if pair[0] == pair[0]]
    return within(*max(known, key=lambda pair: pair[0] / pair[1])) if known else ""


def parts_table(report: Report) -> Table:
    table = Table(title=f"{escape(report.case)}: worst ratio to the noise floor in each part", title_justify="left")
    table.add_column("part")
    table.add_column("verdicts", justify="right")
    for mode in (LOCAL, ACCUMULATED):
        table.add_column(f"{mode}\nratio64", justify="right")
        table.add_column(f"{mode}\nratio32", justify="right")
    table.add_column("failed", justify="right")
    groups: dict[str, list[Verdict]] = {}
    for verdict in report.verdicts:
        groups.setdefault(part(verdict.tap), []).append(verdict)
    for name, verdicts in merged(groups).items():
        cells = []
        for mode in (LOCAL, ACCUMULATED):
            of_mode = [v for v in verdicts if v.mode == mode]
            cells += [_worst(of_mode, "ratio64"), _worst(of_mode, "ratio32")]
        failed = sum(not v.passed for v in verdicts)
        table.add_row(escape(name), str(len(verdicts)), *cells, f"[bold red]{failed}[/]" if failed else "0")
    return table


def chain_table(report: Report, contract: Contract) -> Table | None:
    """The accumulated error of the tap that the contract names as the chain, segment by segment."""
    chain = contract.chain
    rows = [v for v in report.select(chain["tap"], ACCUMULATED) if v.rmse == v.rmse] if chain else []
    if not rows:
        return None
    title = f"{chain['tap']}, chained from the inputs ({chain['known_as']}: {chain['known']:.2e})"
    table = Table(title=escape(title), title_justify="left")
    for column in ("tap", "RMSE", "relative", "floor", "ratio32", "bound", "ratio64", "bound"):
        table.add_column(column, justify="left" if column == "tap" else "right")
    for v in rows:
        table.add_row(
            escape(v.label),
            f"{v.rmse:.2e}",
            f"{v.relative:.2e}",
            f"{v.floor:.2e}",
            f"{v.ratio32:.2f}",
            f"{v.bound_ratio32:.3g}",
            f"{v.ratio64:.2f}",
            f"{v.bound_ratio64:.3g}",
        )
    return table


def decisions_table(report: Report, contract: Contract) -> Table | None:
    """Discrete decisions by part: how many, how near the nearest was to another, how many were ties; and the values.

    Those are what is decided on: their largest error tells how far a candidate of less precision has drifted.
    """
    relative = {v.tap: v.relative for v in report.verdicts if v.mode == ACCUMULATED}
    groups: dict[str, list[Verdict]] = {}
    for verdict in report.decisions:
        if verdict.mode == ACCUMULATED:
            groups.setdefault(part(verdict.tap), []).append(verdict)
    if not groups:
        return None
    table = Table(title="discrete decisions, in noise floors of what they are made on", title_justify="left")
    for column in ("part", "decisions", "nearest to another", "ties", "agree", "values' relative RMSE"):
        table.add_column(column, justify="left" if column == "part" else "right")
    for name, verdicts in merged(groups).items():
        count = sum(math.prod(verdict.shape) for verdict in verdicts)
        nearest = min(verdict.margin for verdict in verdicts)
        ties = sum(verdict.ties for verdict in verdicts)
        worst = max(relative.get(source(contract, verdict.tap), float("nan")) for verdict in verdicts)
        agree = f"{1 - ties / count:.1%}"
        table.add_row(escape(name), str(count), f"{nearest:.3g}", str(ties), agree, f"{worst:.1e}")
    return table


def source(contract: Contract, tap: str) -> str:
    """The name of the tap that a discrete one is decided on."""
    made = Tap(tap, tap.partition("[")[0], "")
    decision = contract.decision(made)
    return decision.source(made) if decision else ""


def swaps_table(report: Report) -> Table | None:
    """What each way to take the stages from the two sides ends in."""
    if not report.swaps:
        return None
    table = Table(title=f"{report.swaps[0].verdict.tap}, stages of either side", title_justify="left")
    for column in (*report.swaps[0].sides, "ratio32", "ratio64", ""):
        table.add_column(column)
    for swap in report.swaps:
        v = swap.verdict
        ratios = within(v.ratio32, v.bound_ratio32), within(v.ratio64, v.bound_ratio64)
        table.add_row(*swap.sides.values(), *ratios, _word(v.passed))
    return table


def checks_table(report: Report) -> Table | None:
    """The figures of what the run ends in, against their bounds."""
    if not report.checks:
        return None
    table = Table("check", "value", "bound", "", title="candidate against reference, end to end", title_justify="left")
    for check in report.checks:
        table.add_row(escape(check.name), f"{check.value:.4g}", escape(check.bound), _word(check.passed))
    return table


def _word(passed: bool) -> str:
    return "[green]pass[/]" if passed else "[bold red]FAIL[/]"


def describe(verdict: Verdict) -> str:
    """A failure in one paragraph: where, and how much."""
    lines = [f"{verdict.label} ({verdict.mode} error): {verdict.reason}"]
    if verdict.rmse == verdict.rmse:
        lines.append(
            f"  RMSE {verdict.rmse:.3e} = {verdict.relative:.2e} of the reference's RMS {verdict.reference_rms:.3g}; "
            f"floor {verdict.floor:.3e}; worst {verdict.max_abs:.3e} at {verdict.where} of {verdict.shape}; "
            f"gain {verdict.gain:.6f}"
        )
    return "\n".join(lines)


def growth_table(report: Report) -> Table | None:
    """How the accumulated error grows from the first bad tap on: the first parts behind it, and the last ones."""
    first, left_out, last = ends(report.diagnosis.growth if report.diagnosis else [])
    if not first:
        return None
    table = Table("behind it", "relative", "ratio32", "factor", title="the error from there on", title_justify="left")
    for row in [*first, *last]:
        if left_out and last and row is last[0]:
            table.add_row(f"... {left_out} more, in the JSON report", "", "", "")
        factor = f"{row.factor:.3g}" if row.factor == row.factor else ""
        table.add_row(escape(row.tap), f"{row.relative:.2e}", within(row.ratio32, row.bound), factor)
    return table


def show_found(found: Found, console: Console) -> None:
    """Print a binary search: each probe, and what it came to."""
    table = Table(
        "reference up to", "ratio32 of the end", "", title=f"bisection, {found.taps} taps", title_justify="left"
    )
    for probe in found.probes:
        table.add_row(escape(probe.tap or "nothing"), f"{probe.ratio32:.3g}", _word(probe.passed))
    console.print(table)
    text = f"wrong: {found.culprit}" if found.culprit else f"{found.end} is right"
    note = f"; {found.note}" if found.note else ""
    console.print(f"{text}{note}; {counted(found.runs, 'run')}", markup=False, highlight=False, soft_wrap=True)


def counted(count: int, what: str) -> str:
    """So many, in words: `1 run`, `2 runs`."""
    return f"{count} {what}{'s' * (count != 1)}"


def show_trends(trends: list[dict[str, Any]], runs: int, console: Console) -> None:
    """Print what a history has: each series with its oldest and newest value, its bound and its drift."""
    table = Table(
        "series", "runs", "oldest", "newest", "bound", "drift", title=counted(runs, "run"), title_justify="left"
    )
    for trend in trends:
        points, bound = trend["points"], "" if trend["bound"] is None else f"{trend['bound']:.3g}"
        ends = f"{points[0]:.4g}", f"{points[-1]:.4g}"
        table.add_row(escape(trend["series"]), str(len(points)), *ends, bound, escape(trend["drift"]))
    console.print(table)


def show_changes(
    old: Report, new: Report, found: Changes, beside: dict[str, tuple[str, str]], console: Console
) -> None:
    """Print what differs between two results: what they were runs of, what turned, and what moved."""
    if beside:
        table = Table("what was run", "old", "new", title=f"{escape(new.case)}: what differs", title_justify="left")
        for name, pair in beside.items():
            table.add_row(escape(name), *map(escape, pair))
        console.print(table)
    if found.turned:
        table = Table("tap", "error", "old", "new", title="verdicts that turned", title_justify="left")
        for turned in found.turned[:SHOWN_CHANGES]:
            table.add_row(escape(turned.tap), turned.mode, turned.old, turned.new)
        console.print(table)
    if found.moved:
        title = f"ratios that moved by more than {MOVED - 1:.0%}"
        table = Table("tap", "error", "ratio", "old", "new", "factor", title=title, title_justify="left")
        for moved in found.moved[:SHOWN_CHANGES]:
            figures = f"{moved.old:.2f}", f"{moved.new:.2f}", f"{moved.factor:.3g}"
            table.add_row(escape(moved.tap), moved.mode, moved.ratio, *figures)
        console.print(table)
    if (left_out := sum(max(0, len(each) - SHOWN_CHANGES) for each in (found.turned, found.moved))) > 0:
        console.print(f"... and {left_out} more of these, all in the JSON result")
    words = ("pass" if run.passed else "FAIL" for run in (old, new))
    text = f"{new.case}, {old.when} and {new.when}: {', then '.join(words)}; {found.sentence()}"
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def show(report: Report, contract: Contract, console: Console, verbose: bool = False, exercise: bool = False) -> None:
    """Print the whole report; with `verbose` every failure, with `exercise` each place that was not exercised."""
    shown = len(report.failures) if verbose else SHOWN_FAILURES
    console.print(parts_table(report))
    tables = (
        chain_table(report, contract),
        decisions_table(report, contract),
        swaps_table(report),
        checks_table(report),
    )
    for table in tables:
        if table is not None:
            console.print(table)
    for verdict in report.failures[:shown]:
        console.print(describe(verdict), markup=False, highlight=False)
    if (more := len(report.failures) - shown) > 0:
        console.print(f"... and {more} more failures, by --verbose and in the JSON report")
    if (table := growth_table(report)) is not None:
        console.print(table)
    if (first := report.first_failure) is not None:
        looks = report.diagnosis.sentence() if report.diagnosis else f"first wrong: {first.label}, {first.mode}"
        console.print(looks, style="bold red", markup=False, highlight=False, soft_wrap=True)
    show_words(report, console)
    unjudged(report, console)
    show_exercise(report.exercise, console, exercise)
    if spent := ", ".join(f"{what} {seconds:.1f} s" for what, seconds in report.seconds.items()):
        console.print(f"time: {spent}", highlight=False)
    word = "[bold green]PASS[/]" if report.passed else "[bold red]FAIL[/]"
    what = report.case if report.precision == FULL.name else f"{report.case} in {report.precision}"
    console.print(f"{word} {tally(report)}; case {escape(f'{what}, {report.checkpoint}')}", highlight=False)
