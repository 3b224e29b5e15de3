"""parity.show.terminal: what is printed names taps in full, and a value that is not a number hides no other."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from parity.contract import ACCUMULATED, LOCAL, Decision
from parity.contract.parts import part
from parity.judge.verdict import Verdict
from parity.run.report import Check, Report, Swap
from parity.show.terminal import SHOWN_FAILURES, describe, show


def verdict(tap: str, mode: str = ACCUMULATED, ratio32: float = 1.0, passed: bool = True) -> Verdict:
    ratios = {"rmse": 1e-6, "reference_rms": 1.0, "floor": 1e-6, "ratio32": ratio32, "ratio64": ratio32 / 2}
    reason = "" if passed else f"ratio32 {ratio32:g} > 2"
    return Verdict(tap, "", mode, passed, reason, (1, 2), 2.0, 2.0, **ratios)


@pytest.fixture
def printed(toy_contract):
    def printed(*verdicts: Verdict, **fields: object) -> str:
        chain = {"tap": "x", "known": 1e-6, "known_as": "elsewhere"}
        report = replace(Report("tiny", "/tmp/[/odd]", [], len(verdicts), list(verdicts)), **fields)
        stream = io.StringIO()
        show(report, replace(toy_contract, chain=chain), Console(file=stream, width=120))
        return stream.getvalue()

    return printed


def row(text: str, name: str) -> list[str]:
    """The cells of the row of a table that begins with a name."""
    lines = [line for line in text.splitlines() if line.startswith(f"│ {name} ")]
    assert len(lines) == 1
    return [cell.strip() for cell in lines[0].strip("│").split("│")]


@pytest.mark.parametrize(
    ("tap", "name"),
    [
        ("mu", "mu"),
        ("encoder.embed.linear", "encoder.embed"),
        ("decoder.mid_blocks.3.resnet.block1[step=4]", "decoder.mid_blocks.3"),
        ("ode.state[step=10]", "ode.state"),
        ("embedding[call=1]", "embedding"),
    ],
)
def test_the_part_of_a_tap(tap, name):
    assert part(tap) == name


def test_a_pass(printed):
    text = printed(verdict("x[step=0]"), verdict("mu.a", LOCAL, 0.25))
    assert "PASS all 2 verdicts passed; case tiny, /tmp/[/odd]" in text
    assert row(text, "mu.a") == ["mu.a", "1", "0.12 of 2", "0.25 of 2", "", "", "0"]
    assert row(text, "x[step=0]")[1:5] == ["1.00e-06", "1.00e-06", "1.00e-06", "1.00"]
    assert "first wrong" not in text


def test_the_worst_ratio_of_a_part_is_shown_beside_values_without_one(printed):
    for ratios in ((float("nan"), 1.5), (1.5, float("nan"))):
        text = printed(*(verdict(f"a.b.{n}", ACCUMULATED, ratio32) for n, ratio32 in enumerate(ratios)))
        text += printed(*(verdict("c.d", ACCUMULATED, ratio32) for ratio32 in ratios))
        assert row(text, "c.d") == ["c.d", "2", "", "", "0.75 of 2", "1.50 of 2", "0"]
    assert row(printed(verdict("e", ACCUMULATED, float("nan"))), "e") == ["e", "1", "", "", "", "", "0"]


def test_a_failure_is_named_in_full(printed):
    text = printed(verdict("a.b"), verdict("c.d[step=3]", LOCAL, 9.0, passed=False))
    assert "first wrong: c.d[step=3], local" in text
    assert "c.d[step=3] (local error): ratio32 9 > 2" in text
    assert "FAIL 1 of 2 verdicts failed; case" in text
    assert row(text, "c.d")[-1] == "1"


def test_a_missing_verdict_is_a_failure(printed):
    assert "FAIL 1 of 2 verdicts are missing; case" in printed(verdict("a"), expected=2)
    assert "FAIL 1 verdicts more than the 1 expected; case" in printed(verdict("a"), verdict("b"), expected=1)
    text = printed(verdict("a", passed=False), verdict("b", passed=False), expected=1)
    assert "FAIL 2 of 2 verdicts failed, 1 verdicts more than the 1 expected" in text


def test_many_failures_are_counted(printed):
    text = printed(*(verdict(f"a.{n}", LOCAL, 9.0, passed=False) for n in range(SHOWN_FAILURES + 3)))
    assert "... and 3 more failures" in text
    assert text.count("(local error): ratio32 9 > 2") == SHOWN_FAILURES


def test_a_failure_is_described_by_how_much_it_is_off():
    text = describe(verdict("a", LOCAL, 9.0, passed=False))
    assert text.splitlines()[0] == "a (local error): ratio32 9 > 2"
    assert len(text.splitlines()) == 2


def test_local_failures_come_first(printed):
    text = printed(
        verdict("a", ACCUMULATED, 9.0, passed=False),
        verdict("b", LOCAL, 9.0, passed=False),
        verdict("c", ACCUMULATED, 9.0, passed=False),
        verdict("d", LOCAL, 9.0, passed=False),
    )
    places = [text.index(f"{name} error)") for name in ("b (local", "d (local", "a (accumulated", "c (accumulated")]
    assert places == sorted(places)


def test_the_ratio_nearest_to_its_bound_is_shown_and_not_the_largest(printed):
    wide = replace(verdict("a.b.1", ACCUMULATED, 2.5), bound_ratio32=3.1)
    assert row(printed(wide, verdict("a.b.2", ACCUMULATED, 1.9)), "a.b.1")[5] == "2.50 of 3.1"
    both = printed(replace(wide, tap="c.d"), verdict("c.d", ACCUMULATED, 1.9))
    assert row(both, "c.d")[5] == "1.90 of 2"


def test_no_time_is_said_where_nothing_was_run(toy_contract, printed):
    assert "time:" not in printed(verdict("a"))


def test_decisions_with_their_margins_and_the_values_they_are_made_on(toy_contract):
    contract = replace(toy_contract, chain={}, decisions=(Decision("a.token", "scores", "x:y"),))
    chosen = replace(verdict("a.token[step=1]"), margin=3.5, ties=1, shape=(1, 2), rmse=float("nan"))
    plain = verdict("b.codes")
    report = Report("tiny", "", [], 3, [replace(verdict("a.scores[step=1]"), rmse=2e-3), chosen, plain])
    stream = io.StringIO()
    show(report, contract, Console(file=stream, width=120))
    assert row(stream.getvalue().partition("discrete decisions")[2], "a.token") == [
        "a.token", "2", "3.5", "1", "50.0%", "2.0e-03",
    ]  # fmt: skip


def test_mixes_and_checks_are_listed(printed):
    crossed = [
        Swap({"one": "reference", "two": side}, verdict("x", passed=side == "reference"))
        for side in ("reference", "candidate")
    ]
    checks = [Check("SNR, dB", 40.0, ">= 50", False), Check("lag, samples", 0.0, "== 0", True)]
    text = printed(verdict("x[step=0]"), swaps=crossed, checks=checks)
    assert row(text, "reference │ candidate")[-1] == "FAIL"
    assert row(text, "SNR, dB")[1:] == ["40", ">= 50", "FAIL"]
    assert row(text, "lag, samples")[1:] == ["0", "== 0", "pass"]
    assert "FAIL 1 of 2 swaps failed, 1 of 2 checks failed; case" in text


def test_many_parts_of_one_kind_are_one_row(printed):
    text = printed(*(verdict(f"a.steps.{n}.x", ACCUMULATED, 1 + n / 100) for n in range(50)), verdict("a.blocks.0.x"))
    assert row(text, "a.steps.0 ... 49")[1] == "50"
    assert row(text, "a.steps.0 ... 49")[5] == "1.49 of 2"
    assert row(text, "a.blocks.0")[1] == "1"


def test_the_precision_is_named(printed):
    assert "case tiny in bfloat16, " in printed(verdict("a"), precision="bfloat16")
