"""The cases of what `speak` and `--stream` run: both sides say the same, in double and in each dtype.

Those of Turbo and Nano are judged by their own contract.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures import cases
from fixtures.cases import spoken, turbo, turbo_spoken
from parity import contract as contracts
from parity.contract.implementation import State, make_side
from parity.run.exact import Exact
from parity.run.verify import Verifier

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
CONTRACT, TURBO = (contracts.load(FIXTURES / name) for name in ("contract.toml", "turbo.toml"))
DTYPES = ["float32", "float16", "bfloat16"]


def judged(name: str) -> tuple:
    """The contract that a case is judged by, the case, and its checkpoint."""
    contract, made = (TURBO, turbo) if name in turbo_spoken.CASES else (CONTRACT, cases)
    case = made.load(name)
    return contract, case, made.synthetic_checkpoint(case)


def spoken_by(name: str, *segments: str, observe: Callable = lambda name, value: value) -> State:
    """The state in which the reference ends the segments of a case, by default all of them."""
    contract, case, checkpoint = judged(name)
    side = make_side(contract, "reference", checkpoint, case, "float32")
    state = case.inputs
    for segment in segments or case.segments:
        state = side.run(segment, None, state, observe)
    return state


@pytest.mark.parametrize("name", [*spoken.CASES, *turbo_spoken.CASES])
def test_what_speak_runs_is_equal_in_double(name):
    contract, case, checkpoint = judged(name)
    report = Exact(contract, case, checkpoint).run()
    assert report.passed, report.departures
    assert report.segments == list(case.segments)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["tiny-speak", "tiny-speak-asked", "tiny-speak-stream", *turbo_spoken.CASES])
def test_what_speak_runs_passes_in_every_dtype(name, dtype):
    contract, case, checkpoint = judged(name)
    report = Verifier(contract, case, checkpoint, precision=contract.precision(dtype)).run()
    assert report.passed, report.failures
    assert len(report.verdicts) == report.expected


@pytest.mark.parametrize(("contract", "case"), [(CONTRACT, cases.load("tiny")), (TURBO, turbo.load("tiny-turbo"))])
def test_a_whole_run_has_no_segment_that_is_apart(contract, case):
    names = {segment.name for segment in contract.segments(case.dims)}
    assert names.isdisjoint(spoken.SEGMENTS)
    assert contract.last == "wave"


def test_speech_that_repeats_itself_ends_before_its_last_token():
    case = spoken.CASES["tiny-speak-asked"]
    tokens = spoken_by("tiny-speak-asked", "spoken_voice", "spoken_tokens")["speech_tokens"].tolist()
    assert tokens[-2] == tokens[-1]
    assert len(tokens) < case.tokens


@pytest.mark.parametrize("name", ["tiny-speak-stream", "tiny-speak-prefixes", "tiny-turbo-speak-prefixes"])
def test_a_stream_comes_in_pieces_of_unequal_length(name):
    lengths = []

    def see(name, value):
        if name == "spoken.lengths":
            lengths.extend(value.tolist())
        return value

    spoken_by(name, observe=see)
    assert len(lengths) >= 2
    assert len(set(lengths)) >= 2
