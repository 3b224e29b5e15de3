"""What mathematics and arithmetic say together, in a terminal: how many of each word, and what passes as rounding."""

from __future__ import annotations

from rich.console import Console

from parity.judge.arithmetic import DEVICE, MULTIPLE, ROUNDING, WORDS, WRONG, error_of
from parity.judge.mathematics import BOUND
from parity.judge.slices import said
from parity.judge.verdict import Verdict
from parity.run.exact_report import ExactReport
from parity.run.not_judged import sentences
from parity.run.report import Report

SHOWN = 20  # taps that are off by rounding alone


def counts(words: dict[str, int]) -> str:
    """`4800 equal, 62 rounding`: the words in the order of how good they are."""
    return ", ".join(f"{words[word]} {word}" for word in WORDS if words.get(word))


def tally(report: Report | ExactReport) -> str:
    """How many verdicts failed or are missing, and what else failed; or that all passed."""
    failed, missing = len(report.failures), report.expected - len(report.verdicts)
    found = [f"{failed} of {max(report.expected, len(report.verdicts))} verdicts failed"] if failed else []
    if missing:
        more = f"{-missing} verdicts more than the {report.expected} expected"
        found.append(f"{missing} of {report.expected} verdicts are missing" if missing > 0 else more)
    if isinstance(report, Report):
        for what, ends in (
            ("swaps", [swap.verdict.passed for swap in report.swaps]),
            ("checks", [check.passed for check in report.checks]),
        ):
            if wrong := ends.count(False):
                found.append(f"{wrong} of {len(ends)} {what} failed")
    text = ", ".join(found) or f"all {report.expected} verdicts passed"
    return f"{text}; not judged: {count} tap{'s' * (count != 1)}" if (count := len(report.not_judged)) else text


def unjudged(report: Report | ExactReport, console: Console) -> None:
    """Print what was not judged, and why."""
    for text in sentences(report.not_judged):
        console.print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)


def ratio(value: float) -> str:
    """A ratio with two digits behind the point, of a thousand and more with three in all; a dash without one."""
    return "–" if value != value else f"{value:.2f}" if value < 1000 else f"{value:.3g}"


def share(used: float) -> str:
    """How much of a bound is used up: `55 %`, and beyond ten times the bound `61.7 times`."""
    return f"{used:.0%}".replace("%", " %") if used < 10 else f"{used:.3g} times"


def within(value: float, bound: float) -> str:
    """`0.98 of 1.5`: a ratio beside its bound; nothing without a ratio."""
    return f"{ratio(value)} of {bound:.3g}" if value == value else ""


def describe(verdict: Verdict) -> str:
    """A verdict that rests on the port's own floor, in one line."""
    what = f"{verdict.label} ({verdict.mode} error)"
    if verdict.own != verdict.own:
        return (
            f"{what}: decided otherwise up to {verdict.flipped:.3g} noise floors from the threshold, by rounding alone"
        )
    worst = (
        f"; slice {said(verdict.slice)} {within(verdict.ratio_slice, verdict.bound_ratio_slice)}"
        if verdict.slice
        else ""
    )
    return (
        f"{what}: ratio32 {verdict.ratio32:.3g} for {verdict.bound_ratio32:.3g}, ratio64 {verdict.ratio64:.3g} for "
        f"{verdict.bound_ratio64:.3g}{worst}; {error_of(verdict) / verdict.own:.2f} of its own floor, for {MULTIPLE:g}"
    )


def show(report: Report, console: Console) -> None:
    """Print how many taps are what, and those that are off by rounding; nothing for a run without mathematics."""
    if report.program:
        text = f"no program in double, arithmetic alone decides: {report.program}"
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    words = report.words()
    if not set(words) - {""}:
        return
    amplified = [v for v in report.verdicts if v.mathematics > BOUND and v.word not in ("", WRONG)]
    for verdict in amplified[:SHOWN]:
        text = f"{verdict.label} ({verdict.mode} error) is equal in double by its noise floor alone: "
        text += f"{verdict.mathematics:.2e} of its RMS, above {BOUND:.0e}"
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    if len(amplified) > SHOWN:
        console.print(f"... and {len(amplified) - SHOWN} more of these, all in the JSON report")
    rounding = [verdict for verdict in report.verdicts if verdict.word == ROUNDING]
    for verdict in rounding[:SHOWN]:
        console.print(f"rounding: {describe(verdict)}", markup=False, highlight=False, soft_wrap=True)
    if len(rounding) > SHOWN:
        console.print(f"... and {len(rounding) - SHOWN} more of these, all in the JSON report")
    parts = list(dict.fromkeys(v.tap.partition("[")[0] for v in report.verdicts if v.word == DEVICE))
    if parts:
        text = f"the device is off in {', '.join(parts[:SHOWN])}: the mathematics is equal, and rounding is not enough"
        console.print(text, style="bold red", markup=False, highlight=False, soft_wrap=True)
    if report.operation:
        text = f"first off in {report.operation['sentence']}"
        console.print(text, style="bold red", markup=False, highlight=False, soft_wrap=True)
    console.print(f"mathematics and arithmetic: {counts(words)}", markup=False, highlight=False)
