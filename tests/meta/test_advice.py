"""parity.show.advice: what to do about a report, the first thing first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from parity.diagnose.conclude import Diagnosis
from parity.judge.arithmetic import DEVICE, ROUNDING, WRONG
from parity.judge.verdict import Verdict
from parity.run.report import Check, Report, Swap
from parity.show.advice import advice

RIGHT = Verdict("a", "", "local", True, "", (2,), 2.0, 2.0, ratio32=1.0, ratio64=1.0)
BAD = replace(RIGHT, tap="b", passed=False, ratio32=9.0, word=WRONG)
MIXED = {"one": "reference", "two": "candidate"}


def report(*verdicts: Verdict, **fields: object) -> Report:
    return Report("tiny", "", [], fields.pop("expected", len(verdicts)), list(verdicts), **fields)


@pytest.mark.parametrize(
    ("found", "sentences"),
    [
        (report(RIGHT), ["Nothing: the port is right on this case."]),
        (report(RIGHT, replace(RIGHT, word=ROUNDING)), ["Nothing", "1 verdicts are beyond their bounds by rounding"]),
        (report(RIGHT, informative=True), ["Nothing follows from this run"]),
        (report(RIGHT, expected=3), ["Find out why 2 of 3 verdicts are missing"]),
        (report(expected=0), ["Find out why 0 of 0 verdicts are missing"]),
        (
            report(RIGHT, swaps=[Swap(MIXED, BAD)]),
            ["Look at what the stages hand to each other: one of the reference, two"],
        ),
        (
            report(RIGHT, checks=[Check("SNR", 40.0, ">= 50", False)]),
            ["Look behind the last tap: SNR is 40, expected >= 50"],
        ),
        (report(BAD), ["Correct b: given the inputs of the reference it is wrong."]),
        (
            report(BAD, diagnosis=Diagnosis(BAD, "c returns NaN", note="half")),
            ["Correct b: c returns NaN.", "A note on"],
        ),
        (report(BAD, BAD), ["Correct b", "Then run it again: the other 1 failures may follow from this one."]),
        (
            report(replace(BAD, mode="accumulated")),
            ["Look before b. Given the reference's inputs every block is right."],
        ),
        (
            report(replace(BAD, word=DEVICE), operation={"sentence": "x.py:3"}),
            [
                "Look at the device, not at the formulas",
                "The device is off first at b",
                "`parity doctor`",
                "The first line",
            ],
        ),
    ],
)
def test_what_to_do(found, sentences):
    said = advice(found)
    assert len(said) == len(sentences)
    assert all(sentence.startswith(start) for sentence, start in zip(said, sentences, strict=True))
