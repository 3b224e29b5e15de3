"""The cases of what `speak` and `--stream` run: both sides say the same, in double and in each dtype."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures import cases
from fixtures.cases import spoken
from parity import contract as contracts
from parity.contract.implementation import State, make_side
from parity.run.exact import Exact
from parity.run.verify import Verifier

CONTRACT = contracts.load(Path(__file__).resolve().parents[2] / "fixtures" / "contract.toml")
DTYPES = ["float32", "float16", "bfloat16"]


def spoken_by(name: str, *segments: str, observe: Callable = lambda name, value: value) -> State:
    """The state in which the reference ends the segments of a case, by default all of them."""
    case = cases.load(name)
    side = make_side(CONTRACT, "reference", cases.synthetic_checkpoint(case), case, "float32")
    state = case.inputs
    for segment in segments or case.segments:
        state = side.run(segment, None, state, observe)
    return state


@pytest.mark.parametrize("name", spoken.CASES)
def test_what_speak_runs_is_equal_in_double(name):
    case = cases.load(name)
    report = Exact(CONTRACT, case, cases.synthetic_checkpoint(case)).run()
    assert report.passed, report.departures
    assert report.segments == list(case.segments)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["tiny-speak", "tiny-speak-asked", "tiny-speak-stream"])
def test_what_speak_runs_passes_in_every_dtype(name, dtype):
    case = cases.load(name)
    report = Verifier(CONTRACT, case, cases.synthetic_checkpoint(case), precision=CONTRACT.precision(dtype)).run()
    assert report.passed, report.failures
    assert len(report.verdicts) == report.expected


def test_a_whole_run_has_no_segment_that_is_apart():
    names = {segment.name for segment in CONTRACT.segments(cases.load("tiny").dims)}
    assert names.isdisjoint(spoken.SEGMENTS)
    assert CONTRACT.last == "wave"


def test_speech_that_repeats_itself_ends_before_its_last_token():
    case = spoken.CASES["tiny-speak-asked"]
    tokens = spoken_by("tiny-speak-asked", "spoken_voice", "spoken_tokens")["speech_tokens"].tolist()
    assert tokens[-2] == tokens[-1]
    assert len(tokens) < case.tokens


@pytest.mark.parametrize("name", ["tiny-speak-stream", "tiny-speak-prefixes"])
def test_a_stream_comes_in_pieces_of_unequal_length(name):
    lengths = []

    def see(name, value):
        if name == "spoken.lengths":
            lengths.extend(value.tolist())
        return value

    spoken_by(name, observe=see)
    assert len(lengths) >= 2
    assert len(set(lengths)) >= 2
