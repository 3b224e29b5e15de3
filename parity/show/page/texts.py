"""The report as text: Markdown for a job's summary, and JUnit XML for what reads test results."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from parity.contract.parts import label
from parity.show.page import rows
from parity.show.results import Result, device, versions

LONGEST = 1 << 20
"""Bytes that a job summary may have."""
SHOWN = 50


def summary(results: list[Result], extras: dict[str, Any]) -> str:
    """The verdicts, each stage's worst ratios, the failures and what has drifted, in at most `LONGEST` bytes."""
    word = "PASS" if all(r["passed"] for r in results if not r["informative"]) else "FAIL"
    lines = [f"# {word}", "", "| result | case | device | verdicts | failed | worst ratio64 | when |", "|" + "---|" * 7]
    for result in results:
        ratios64 = [v["ratio64"] for v in result["verdicts"] if v["ratio64"] is not None]
        cells = (
            ("pass" if result["passed"] else "**FAIL**") + (", informative" if result["informative"] else ""),
            result["case"],
            f"{device(result)} ({versions(result)})",
            f"{len(result['verdicts'])} of {result['expected_verdicts']}",
            str(result["failures"]),
            f"{max(ratios64):.3g}" if ratios64 else "–",
            result["when"],
        )
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    for result in results:
        if not result["passed"]:
            lines += ["", f"## {_cell(result['case'])}: failed", *_failures(result)]
        lines += [
            "",
            f"## {_cell(result['case'])}: stages",
            "",
            "| stage | verdicts | failed | part of the bound used |",
        ]
        lines.append("|---|---|---|---|")
        for stage in rows.parts(result):
            share = "–" if stage["used"] is None else f"{stage['used']:.0%}"
            lines.append(f"| {_cell(stage['name'])} | {stage['verdicts']} | {stage['failed']} | {share} |")
    if drifted := [trend for trend in extras.get("trends", []) if trend["drift"]]:
        lines += ["", "## Drifted", ""]
        lines += [f"- {_cell(t['series'])}: {t['drift']}" for t in drifted[:SHOWN]]
    text = "\n".join(lines) + "\n"
    if len(text.encode()) > LONGEST:
        note = "\n\n... cut here; the rest is in report.json\n"
        text = text.encode()[: LONGEST - len(note)].decode(errors="ignore") + note
    return text


def _failures(result: Result) -> list[str]:
    failed = [v for v in result["verdicts"] if not v["passed"]]
    lines = [""]
    if first := result["first_failure"]:
        lines.append(
            f"First wrong: `{label(first['tap'], first['branch'])}` ({first['mode']}): {_cell(first['reason'])}"
        )
        findings = (result["diagnosis"] or {}).get("findings", [])
        guesses = (f"{each['family']} ({each['confidence']:.0%}): {each['sentence']}" for each in findings)
        lines += ["", *(f"- looks like: {_cell(guess)}" for guess in guesses), ""]
    lines += [f"- `{label(v['tap'], v['branch'])}` ({v['mode']}): {_cell(v['reason'])}" for v in failed[:SHOWN]]
    if len(failed) > SHOWN:
        lines.append(f"- ... and {len(failed) - SHOWN} more, all in report.json")
    for check in result["checks"]:
        if not check["passed"]:
            lines.append(f"- {_cell(check['name'])}: {check['value']}, expected {_cell(check['bound'])}")
    return lines


def _cell(text: str) -> str:
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;")


def junit(results: list[Result]) -> str:
    """A suite for each result that is no informative one: a test case for each verdict, swap and check, and one
    for their number."""
    top = ElementTree.Element("testsuites", name="parity")
    for result in (result for result in results if not result["informative"]):
        suite = ElementTree.SubElement(top, "testsuite", name=f"{result['case']}, {device(result)}")
        cases = [(v["mode"], label(v["tap"], v["branch"]), v["passed"], v["reason"]) for v in result["verdicts"]]
        for swap in result["swaps"]:
            name = ", ".join(f"{stage} {side}" for stage, side in swap["sides"].items())
            cases.append(("swap", name, swap["passed"], swap["reason"]))
        for check in result["checks"]:
            cases.append(("check", check["name"], check["passed"], f"{check['value']}, expected {check['bound']}"))
        got, want = len(result["verdicts"]), result["expected_verdicts"]
        cases.append(("run", "number of verdicts", got == want > 0, f"{got}, expected {want}"))
        for kind, name, passed, reason in cases:
            case = ElementTree.SubElement(suite, "testcase", classname=f"{result['case']}.{kind}", name=name)
            if not passed:
                ElementTree.SubElement(case, "failure", message=_printable(reason))
        suite.set("tests", str(len(cases)))
        suite.set("failures", str(sum(not case[2] for case in cases)))
        suite.set("time", f"{sum(result['seconds'].values()):.1f}")
        suite.set("timestamp", result["when"])
    return ElementTree.tostring(top, encoding="unicode", xml_declaration=True)


def _printable(text: str) -> str:
    """XML has no control characters."""
    return "".join(char if char.isprintable() else " " for char in text)
