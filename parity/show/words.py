"""What mathematics and arithmetic say together, in a terminal: how many of each word, and what passes as rounding."""

from __future__ import annotations

from rich.console import Console

from parity.judge.arithmetic import DEVICE, MULTIPLE, ROUNDING, WORDS, WRONG, error_of
from parity.judge.mathematics import BOUND
from parity.judge.verdict import Verdict
from parity.run.report import Report

SHOWN = 20  # taps that are off by rounding alone


def counts(words: dict[str, int]) -> str:
    """`4800 equal, 62 rounding`: the words in the order of how good they are."""
    return ", ".join(f"{words[word]} {word}" for word in WORDS if words.get(word))


def describe(verdict: Verdict) -> str:
    """A verdict that rests on the port's own floor, in one line."""
    what = f"{verdict.label} ({verdict.mode} error)"
    if verdict.own != verdict.own:
        return (
            f"{what}: decided otherwise up to {verdict.flipped:.3g} noise floors from the threshold, by rounding alone"
        )
    return (
        f"{what}: ratio32 {verdict.ratio32:.3g} for {verdict.bound_ratio32:.3g}, ratio64 {verdict.ratio64:.3g} for "
        f"{verdict.bound_ratio64:.3g}; {error_of(verdict) / verdict.own:.2f} of its own floor, for {MULTIPLE:g}"
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
