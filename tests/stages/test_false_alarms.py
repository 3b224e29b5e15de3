"""Clean runs of random tiny cases fail nowhere. `python -m fixtures.false_alarms` does so for 200, in every way."""

import pytest

from fixtures.false_alarms import random_case, verify
from parity.show.terminal import describe

CASES = range(10)


@pytest.mark.parametrize("number", CASES)
def test_a_clean_run_of_a_random_case_passes(number):
    report = verify(number)
    assert report.passed, "\n".join(map(describe, report.failures[:5]))
    assert report.diagnosis is None


def test_cases_are_random_and_always_the_same():
    cases = [random_case(number) for number in CASES]
    assert len({case.segments for case in cases}) == 4
    again = random_case(0)
    assert {name: array.tobytes() for name, array in again.inputs.items()} == {
        name: array.tobytes() for name, array in cases[0].inputs.items()
    }
    assert len({str({name: array.shape for name, array in case.inputs.items()}) for case in cases}) == len(cases)


def test_a_fault_in_a_random_case_fails(monkeypatch):
    from mlx_impl.vocoder.stft import ISTFT

    right = ISTFT.__call__
    monkeypatch.setattr(ISTFT, "__call__", lambda *args: 1.0001 * right(*args))
    report = verify(2)
    assert not report.passed
    assert report.first_failure.tap == "vocoder.generator.istft"
