"""parity.show.page: the files of a report say what the results do, passed or failed, and need nothing else."""

from __future__ import annotations

import functools
import html
import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from parity.base.errors import InputError
from parity.base.jsonfile import nan_to_none
from parity.diagnose.conclude import Diagnosis
from parity.diagnose.evidence import Finding
from parity.diagnose.growth import ends
from parity.judge.snapshots import Sound
from parity.show import page
from parity.show.history import History
from parity.show.page.sound import players
from parity.show.page.texts import LONGEST, summary
from parity.show.results import OLD as OLD_WORDS
from parity.show.results import load, read, report_of


@pytest.fixture(scope="module")
def report(verify_toy):
    """A function that gives the report of a case of the toy, run once, with some of it replaced."""
    run = functools.cache(verify_toy)
    return lambda case, **fields: replace(run(case), command=f"parity verify --case {case}", **fields)


@pytest.fixture
def result(report):
    """A function that gives the result of a case of the toy as JSON holds it."""
    return lambda case: json.loads(json.dumps(nan_to_none(report(case).as_dict())))


PLAIN = {"pictures": []}
"""What makes a page quick to draw."""


def data_of(text: str):
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, flags=re.S)
    return json.loads(found)


def test_a_pass(report, result, tmp_path):
    assert page.write([report("tiny")], tmp_path, {})
    assert sorted(file.name for file in tmp_path.iterdir()) == ["index.html", "junit.xml", "report.json", "summary.md"]
    text = (tmp_path / "index.html").read_text()
    assert "Pass: all 92 verdicts passed" in text
    (table,) = data_of(text)
    assert len(table["rows"]) == 92
    assert len(table["tap"]) == 46
    assert (tmp_path / "summary.md").read_text().startswith("# PASS\n")
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("93", "0")


@pytest.mark.parametrize("case", ["gain", "nan", "codes", "transposed", "skip", "extra", "order", "twice"])
def test_a_failure(report, tmp_path, case):
    found = report(case)
    assert not page.write([found], tmp_path, {})
    text = (tmp_path / "index.html").read_text()
    assert "<title>FAIL" in text
    assert "First wrong:" in text
    summary = (tmp_path / "summary.md").read_text()
    assert summary.startswith("# FAIL\n")
    assert f"First wrong: `{found.first_failure.label}`" in summary
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()[0]
    assert len(suite.findall("testcase/failure")) == int(suite.get("failures")) >= len(found.failures)


def test_the_page_answers_in_order(report, tmp_path):
    """Verdict, what to do, where, and what has changed; the part that is wrong first is marked, and so is no other."""
    found = report("gain", **PLAIN)
    page.write([found], tmp_path, {})
    text = (tmp_path / "index.html").read_text()
    verdict, *rest = re.findall(r"<h1.*?</h1>|<h2.*?</h2>", text, flags=re.S)
    assert f"Fail: {len(found.failures)} of {found.expected} verdicts failed" in verdict
    names = ["What to do", "Where", "Against the run before", "Taps"]
    assert [re.sub("<.*?>", "", heading) for heading in rest][:4] == names
    marked = re.findall(r'<button[^>]*class="tile failed first"[^>]*>([^<]*)', text)
    assert [tile.strip() for tile in marked] == ["▶ wrong first: middle.1"]
    (growth,) = re.findall(r'<table class="growth">.*?</table>', text, flags=re.S)
    shown, left_out, _ = ends(found.diagnosis.growth)
    assert growth.count('href="#r0/accumulated/') == 2 * len(shown)
    assert f">{left_out} more, in report.json<" in growth
    page.write([report("tiny", **PLAIN)], tmp_path, {})
    text = (tmp_path / "index.html").read_text()
    assert "wrong first" not in text
    assert 'class="growth"' not in text


@pytest.mark.parametrize("name", ["ratio32", "ratio64"])
def test_the_page_shows_the_ratio_that_is_nearest_to_its_bound(report, tmp_path, name):
    found = report("tiny", **PLAIN)
    near = next(verdict for verdict in found.verdicts if verdict.tap == "mu")
    far = replace(near, **{name: 0.97 * getattr(near, f"bound_{name}")})
    verdicts = [far if verdict is near else verdict for verdict in found.verdicts]
    page.write([replace(found, verdicts=verdicts)], tmp_path, {})
    text = (tmp_path / "index.html").read_text()
    headline = re.sub("<.*?>", "", re.findall(r"<p>Nearest to its bound: .*?</p>", text)[0])
    assert headline.startswith(f"Nearest to its bound: mu ({near.mode} error), {name} ")
    assert "(97 %)" in headline
    assert re.search(r'class="tile used-4" data-part="\d+">mu <b>97 %</b>', text)
    assert "97 % used" in text
    assert "| 97 % |" in (tmp_path / "summary.md").read_text()


def test_the_run_before_is_compared(report, tmp_path):
    store = History(tmp_path / "history")
    passed, failed = (replace(report(case, **PLAIN), case="tiny") for case in ("tiny", "gain"))
    for found in (passed, failed):
        store.add(found)
    page.write([passed, failed], tmp_path, {"since": [store.since(passed), store.since(failed)]})
    text = (tmp_path / "index.html").read_text()
    turned = f"{len(failed.failures)} of 92 verdicts turned to the worse"
    assert text.count("No run before this one is known") == text.count(turned) == 1
    assert turned in (tmp_path / "summary.md").read_text()


def test_a_missing_verdict_fails_in_every_file(report, tmp_path):
    found = report("tiny", expected=93)
    assert not page.write([found], tmp_path, {})
    assert "Fail: 1 of 93 verdicts are missing" in (tmp_path / "index.html").read_text()
    assert "Find out why 1 of 93 verdicts are missing" in (tmp_path / "summary.md").read_text()
    (failed,) = ElementTree.parse(tmp_path / "junit.xml").getroot().iter("failure")
    assert failed.get("message") == "92, expected 93"


def test_several_results_and_one_that_is_informative(report, tmp_path):
    failed = report("gain", informative=True, **PLAIN)
    assert page.write([report("tiny", **PLAIN), failed], tmp_path, {})
    text = (tmp_path / "index.html").read_text()
    assert "Every result passed" in text
    assert "Informative, no verdict" in text
    assert len(data_of(text)) == 2
    assert len(ElementTree.parse(tmp_path / "junit.xml").getroot()) == 1
    assert not page.write([report("tiny", **PLAIN), report("gain", **PLAIN)], tmp_path, {})


def opened(text: str) -> list[str]:
    """The numbers of the results that a page shows before any script has run."""
    return re.findall(r'<article class="result" id="r(\d+)" data-number="\d+" aria-label', text)


def test_the_first_failing_result_is_open(report, tmp_path):
    passed, failed = (report(case, **PLAIN) for case in ("tiny", "gain"))
    for results, number in (([passed, failed, passed], "1"), ([passed, passed], "0"), ([failed, passed], "0")):
        page.write(results, tmp_path, {})
        text = (tmp_path / "index.html").read_text()
        assert opened(text) == [number]
        assert f'<option value="{number}" selected>' in text
        assert text.count("data-choose=") == len(results)
    page.write([passed, replace(failed, informative=True)], tmp_path, {})
    assert opened((tmp_path / "index.html").read_text()) == ["0"]


def test_nothing_is_fetched_and_nothing_breaks_out(report, tmp_path):
    hostile = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    said = {"case": hostile, "command": hostile, "environment": {hostile: hostile}, "subject": {"a": hostile}}
    found = replace(report("gain"), **said)
    found.verdicts = [replace(verdict, reason=hostile) for verdict in found.verdicts]
    found.diagnosis = Diagnosis(found.first_failure, hostile, [Finding(hostile, 0.5, hostile)], note=hostile)
    turned = {"at": hostile, "passed": True, "sentence": hostile, "moved": []}
    turned["turned"] = [{"tap": hostile, "mode": "local", "old": hostile, "new": hostile}]
    page.write([found], tmp_path, {"audits": {hostile: {"keys": 3}}, "since": [turned]})
    text = (tmp_path / "index.html").read_text()
    assert hostile not in text
    assert "<img" not in text.replace("<image", "")
    assert re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', text) == []
    assert "\x00" not in (tmp_path / "junit.xml").read_text()


def test_a_diagnosis_is_shown_once(report, tmp_path):
    found = report("gain")
    assert found.diagnosis.findings[0].family == "gain"
    page.write([found], tmp_path, {})
    text = html.unescape((tmp_path / "index.html").read_text())
    assert "<li><b>gain</b> (" in text
    assert text.count("<b>gain</b>") == text.count(found.diagnosis.inside) == text.count("First wrong:") == 1
    assert found.diagnosis.sentence() not in text
    assert "- looks like: gain (" in (tmp_path / "summary.md").read_text()


def test_the_summary_fits_a_job(report):
    found = report("gain")
    found.diagnosis = Diagnosis(found.first_failure, findings=[Finding("gain", 0.5, "x" * 50_000)] * 50)
    text = summary([found], {"trends": [], "since": [None]})
    assert len(text.encode()) <= LONGEST
    assert text.endswith("... cut here; the rest is in report.json\n")


def test_audits_benchmarks_and_trends_are_shown(report, tmp_path):
    trend = {"series": "tiny: x, ratio64", "points": [1.0, 1.0, 2.0], "bound": 2.0, "drift": "2 times its mean"}
    problems = [{"kind": "name", "tensor": f"t{i}"} for i in range(25)]
    extras = {
        "audits": {"a.json": {"keys": 2490, "problems": problems, "counts": {"name": 25}, "others": []}},
        "benchmarks": {"b.json": {"ode": {"time": "3 ms", "GFLOP/s": 12.3456}, "mel": {"time": "1 ms", "ratio": None}}},
        "trends": [trend],
    }
    page.write([report("tiny")], tmp_path, extras)
    text = (tmp_path / "index.html").read_text()
    for piece in (
        "Weights audit",
        "2490",
        "kind name; tensor t19; and 5 more",
        "<td>name 25</td>",
        "<td>–</td>",
        "Benchmarks",
        "<th>time</th><th>GFLOP/s</th><th>ratio</th>",
        "<td>3 ms</td><td>12.35</td><td>–</td>",
        "History",
        "▲ 2 times its mean",
        "<polyline",
    ):
        assert piece in text
    assert "- tiny: x, ratio64: 2 times its mean" in (tmp_path / "summary.md").read_text()


def same(one, other) -> bool:
    """Whether two reports say the same: NaN is equal to NaN."""
    return nan_to_none(one.as_dict()) == nan_to_none(other.as_dict())


@pytest.mark.parametrize("case", ["tiny", "gain", "nan", "codes", "skip"])
def test_a_report_is_read_back_as_it_was(report, result, tmp_path, case):
    assert same(report_of(result(case), tmp_path), report(case))


def test_the_page_of_a_result_is_that_of_the_run(report, result, tmp_path):
    for out, found in (("run", report("gain")), ("result", report_of(result("gain"), tmp_path))):
        page.write([found], tmp_path / out, {})
    for name in ("index.html", "report.json", "summary.md", "junit.xml"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "result" / name).read_bytes()


def test_what_passed_follows_from_the_verdicts(result, tmp_path):
    assert not report_of(result("gain") | {"passed": True, "failures": 0, "first_failure": None}, tmp_path).passed


OLD = {new: old for old, new in OLD_WORDS.items()} | {"local": "created", "accumulated": "inherited"}


def in_old_words(value):
    """A result with the words of schema 3."""
    if isinstance(value, dict):
        return {OLD.get(name, name): in_old_words(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [in_old_words(entry) for entry in value]
    return OLD.get(value, value) if isinstance(value, str) else value


def test_a_result_of_schema_3_is_read_in_todays_words(result, tmp_path):
    new = result("gain")
    old = in_old_words(new) | {"schema": 3}
    assert "created" in json.dumps(old)
    assert same(report_of(old, tmp_path), report_of(new, tmp_path))


def test_a_result_of_schema_2(result, tmp_path):
    later = ("places", "pictures", "sounds", "chain", "diagnosis", "precision", "command", "when", "informative")
    old = {key: value for key, value in result("tiny").items() if key not in later} | {"schema": 2}
    assert page.write([report_of(old, tmp_path)], tmp_path, {})
    assert "The result does not say which command made it." in (tmp_path / "index.html").read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "holds a list, expected the object"),
        ('{"schema": 1}', "schema 1, expected 2 or 3 or 4"),
        ('{"schema": 4, "passed": true}', "lacks case, checkpoint"),
        (
            '{"schema": 4, "passed": true, "case": "", "checkpoint": "", "segments": [], "expected_verdicts": 1,'
            ' "failures": 0, "environment": {}, "verdicts": [{"tap": "x"}]}',
            "cannot be read .TypeError: .*; run the verification again",
        ),
    ],
)
def test_what_is_no_result_is_refused(tmp_path, text, message):
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(InputError, match=message):
        load([tmp_path / "result.json"])


def test_files_that_are_not_there_are_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "none.json")
    with pytest.raises(InputError, match="no JSON files there"):
        load([tmp_path])
    with pytest.raises(InputError, match="no result to report on"):
        page.write([], tmp_path, {})


def test_the_difference_is_amplified_to_be_heard():
    import base64

    import numpy as np

    time = np.arange(24000) / 24000
    theirs = np.sin(2 * np.pi * 440 * time).astype("<f4")
    ours = theirs + np.float32(0.0005) * np.sign(theirs)
    sound = Sound("wave", 24000, theirs, ours.astype("<f4"))
    shown = players(sound)
    assert shown["decibels"] == pytest.approx(60, abs=0.01)
    samples = [np.frombuffer(base64.b64decode(address.split(",")[1])[44:], "<i2") for _, address in shown["players"]]
    assert [len(wave) for wave in samples] == [24000] * 3
    assert np.abs(samples[2]).max() == pytest.approx(32767 / 2, abs=2)
    assert players(replace(sound, candidate=theirs))["decibels"] is None
