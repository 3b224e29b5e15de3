"""Every fault of the battery is caught, at the right tap first, and nearly all are recognised."""

from __future__ import annotations

import pytest

from tests.mutants import decoder, edges, encoder, speech_tokens, voices, waves
from tests.mutants.battery import BATTERY, Mutant, outcome

STAGES = (decoder, edges, encoder, speech_tokens, voices, waves)


@pytest.mark.parametrize("fault", BATTERY, ids=lambda fault: fault.name)
def test_a_fault_is_caught_at_the_right_tap(fault: Mutant):
    caught, tap, _, sentence = outcome(fault)
    assert caught, "every verdict passed"
    assert tap == fault.tap, sentence


def test_nine_of_ten_faults_are_recognised():
    assert len(BATTERY) >= 70
    missed = [fault.name for fault in BATTERY if not set(outcome(fault)[2][:2]) & set(fault.families)]
    share = 1 - len(missed) / len(BATTERY)
    print(f"{len(BATTERY)} faults, {share:.1%} recognised; missed: {', '.join(missed)}")
    assert share >= 0.9, missed
