"""The report as text: Markdown for a job's summary, and JUnit XML for what reads test results."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from parity.base.names import printable
from parity.run.not_judged import sentences
from parity.run.report import Report
from parity.show.advice import advice
from parity.show.page import rows
from parity.show.results import device, versions
from parity.show.words import ratio, share, tally

LONGEST = 1 << 20
"""Bytes that a job summary may have."""
SHOWN = 50


def summary(reports: list[Report], extras: dict[str, Any]) -> str:
    """The verdicts; of each report what to do, where, and what changed; what has drifted. At most `LONGEST` bytes."""
    word = "PASS" if all(report.passed for report in reports if not report.informative) else "FAIL"
    lines = [f"# {word}", "", "| result | case | device | verdicts | failed | worst ratio64 | when |", "|" + "---|" * 7]
    for report in reports:
        cells = (
            ("pass" if report.passed else "**FAIL**") + (", informative" if report.informative else ""),
            report.case,
            f"{device(report)} ({versions(report)})",
            f"{len(report.verdicts)} of {report.expected}",
            str(len(report.failures)),
            ratio(report.worst("ratio64")),
            report.when,
        )
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    since = extras["since"]
    for report, changed in zip(reports, since, strict=True):
        lines += ["", f"## {_cell(report.case)}: {tally(report)}", "", *_to_do(report), *_where(report)]
        lines += [f"{_cell(text)}." for text in sentences(report.not_judged)]
        if changed:
            lines += ["", f"Against the run of {changed['at']}: {_cell(changed['sentence'])}."]
            turned = (f"{_code(t['tap'])} ({t['mode']}): {t['old']}, now {t['new']}" for t in changed["turned"])
            lines += ["", *_listed(list(turned), "")]
    if drifted := [trend for trend in extras["trends"] if trend["drift"]]:
        lines += ["", "## Drifted", "", *_listed([f"{_cell(t['series'])}: {t['drift']}" for t in drifted], "")]
    text = "\n".join(lines) + "\n"
    if len(text.encode()) > LONGEST:
        note = "\n\n... cut here; the rest is in report.json\n"
        text = text.encode()[: LONGEST - len(note)].decode(errors="ignore") + note
    return text


def _to_do(report: Report) -> list[str]:
    lines = [_cell(sentence) for sentence in advice(report)]
    if (first := report.first_failure) is not None:
        lines.insert(0, f"First wrong: {_code(first.label)} ({_cell(first.mode)}): {_cell(first.reason)}")
    findings = report.diagnosis.findings if report.diagnosis else []
    guesses = [f"{_cell(each.family)} ({each.confidence:.0%}): {_cell(each.sentence)}" for each in findings]
    departures = [_cell(each) for each in report.departures]
    return [*lines, "", *_listed(departures, "departs: "), *_listed(guesses, "looks like: ")]


def _where(report: Report) -> list[str]:
    """The stages as a table, and the failures."""
    lines = ["", "| stage | verdicts | failed | part of the bound used |", "|---|---|---|---|"]
    for stage in rows.parts(report):
        used = "–" if stage["used"] is None else share(stage["used"])
        lines.append(f"| {_cell(stage['name'])} | {stage['verdicts']} | {stage['failed']} | {used} |")
    failed = [f"{_code(verdict.label)} ({_cell(verdict.mode)}): {_cell(verdict.reason)}" for verdict in report.failures]
    return [*lines, "", *_listed(failed, "")]


def _listed(texts: list[str], before: str) -> list[str]:
    more = [f"- ... and {len(texts) - SHOWN} more, all in report.json"] if len(texts) > SHOWN else []
    return [f"- {before}{text}" for text in texts[:SHOWN]] + more


def _cell(text: str) -> str:
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;")


def _code(name: str) -> str:
    """A name as code, which nothing in it ends."""
    return "`" + _cell(name).replace("`", "'") + "`"


def junit(reports: list[Report]) -> str:
    """A suite for each report that is no informative one: a test case for each verdict, swap and check, and one
    for their number."""
    top = ElementTree.Element("testsuites", name="parity")
    for report in (report for report in reports if not report.informative):
        suite = ElementTree.SubElement(top, "testsuite", name=printable(f"{report.case}, {device(report)}"))
        cases = [(v.mode, v.label, v.passed, v.reason) for v in report.verdicts]
        for swap in report.swaps:
            name = ", ".join(f"{stage} {side}" for stage, side in swap.sides.items())
            cases.append(("swap", name, swap.verdict.passed, swap.verdict.reason))
        for check in report.checks:
            cases.append(("check", check.name, check.passed, f"{check.value}, expected {check.bound}"))
        got, want = len(report.verdicts), report.expected
        cases.append(("run", "number of verdicts", got == want > 0, f"{got}, expected {want}"))
        for kind, name, passed, reason in cases:
            case = ElementTree.SubElement(
                suite, "testcase", classname=printable(f"{report.case}.{kind}"), name=printable(name)
            )
            if not passed:
                ElementTree.SubElement(case, "failure", message=printable(reason))
        for name, one in report.not_judged.items():
            case = ElementTree.SubElement(
                suite, "testcase", classname=printable(f"{report.case}.not judged"), name=printable(name)
            )
            ElementTree.SubElement(case, "skipped", message=printable(one.why))
        suite.set("tests", str(len(cases) + len(report.not_judged)))
        suite.set("skipped", str(len(report.not_judged)))
        suite.set("failures", str(sum(not case[2] for case in cases)))
        suite.set("time", f"{sum(report.seconds.values()):.1f}")
        suite.set("timestamp", report.when)
    return ElementTree.tostring(top, encoding="unicode", xml_declaration=True)
