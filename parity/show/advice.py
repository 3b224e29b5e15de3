"""What to do about a report, in sentences: what comes first stands first."""

from __future__ import annotations

from parity.contract import LOCAL
from parity.judge.arithmetic import DEVICE, ROUNDING
from parity.judge.verdict import Verdict
from parity.run.report import Report


def advice(report: Report) -> list[str]:
    """One to four sentences. What the first failure looks like is not in them: the diagnosis has it."""
    if report.informative:
        return ["Nothing follows from this run: float32 need not have been float32. Run it without --informative."]
    if (first := report.first_failure) is not None:
        return _of_failure(report, first)
    found = []
    if (missing := report.expected - len(report.verdicts)) or not report.verdicts:
        found.append(f"Find out why {missing} of {report.expected} verdicts are missing: what was given passed.")
    if mixed := [swap for swap in report.swaps if not swap.verdict.passed]:
        sides = ", ".join(f"{stage} of the {side}" for stage, side in mixed[0].sides.items())
        found.append(f"Look at what the stages hand to each other: {sides} together are wrong, alone they are right.")
    for check in (check for check in report.checks if not check.passed):
        found.append(f"Look behind the last tap: {check.name} is {check.value:.4g}, expected {check.bound}.")
    if not found:
        part = ", as far as it was judged" if report.not_judged else ""
        found.append(f"Nothing: the port is right on this case{part}.")
        if count := report.words().get(ROUNDING):
            found.append(f"{count} verdicts are beyond their bounds by rounding alone; with --strict they fail.")
    return found


def _of_failure(report: Report, first: Verdict) -> list[str]:
    inside = report.diagnosis.inside if report.diagnosis else ""
    where = f"{first.label}: {inside}" if inside else first.label
    found = []
    if first.word == DEVICE:
        found.append("Look at the device, not at the formulas: in double the port is equal.")
        found.append(f"The device is off first at {where}.")
        found.append("`parity doctor` says whether float32 is float32 here.")
        if report.operation:
            found.append(f"The first line that is off: {report.operation['sentence']}")
    elif first.mode == LOCAL:
        found.append(f"Correct {first.label}: {inside or 'given the inputs of the reference it is wrong'}.")
    else:
        found.append(f"Look before {where}. Given the reference's inputs every block is right.")
    if report.diagnosis and report.diagnosis.note:
        found.append(f"A note on the diagnosis: {report.diagnosis.note}.")
    if others := len(report.failures) - 1:
        found.append(f"Then run it again: the other {others} failures may follow from this one.")
    return found
