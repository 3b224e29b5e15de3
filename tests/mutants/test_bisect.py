"""`parity bisect` finds the faulty tap in log2(taps) + 2 partial runs, and can be shown again without any."""

from __future__ import annotations

import json
import math

import pytest

from fixtures import cases
from parity.base import npy
from parity.base.errors import InputError
from parity.capture.golden import MANIFEST, Golden
from parity.cli import main
from parity.diagnose.bisect import Bisection
from parity.diagnose.dumps import bisect_dumps
from parity.run import dumps as offline
from tests.mutants import decoder, encoder, speech_tokens, waves
from tests.mutants.battery import BATTERY, Mutant, case, contract

STAGES = (decoder, encoder, speech_tokens, waves)
LAST = {
    "missing root of the width": "encoder.up_embed",
    "skip stacked first": "decoder.up_blocks.0.resnet.res_conv",
}


def fault(name: str) -> Mutant:
    return next(mutant for mutant in BATTERY if mutant.name == name)


def search(mutant: Mutant, **options):
    subject = case(mutant.case)
    with pytest.MonkeyPatch.context() as patch:
        mutant.patch(patch)
        return Bisection(contract(), subject, cases.synthetic_checkpoint(subject), **options).run()


@pytest.mark.parametrize(
    "name",
    [
        "missing root of the width",
        "Euler step backwards",
        "one bit flipped in one weight",
        "skip stacked first",
        "iSTFT sum of w for w squared",
        "guidance 0.5 for 0.7",
    ],
)
def test_the_faulty_tap_is_found_in_few_runs(name):
    mutant = fault(name)
    found = search(mutant)
    # The last tap that the fault makes wrong: a fault of the decoder is one in every step.
    assert found.culprit.partition("[")[0] == LAST.get(name, mutant.tap.partition("[")[0])
    assert found.note == ""
    assert found.partial_runs <= math.log2(found.taps) + 2
    assert found.probes[0].tap == ""
    assert not found.probes[0].passed


def test_what_passes_beside_the_taps_is_said():
    found = search(fault("keys not rotated in the cache"), end="t3.logits[token=0]")
    assert found.culprit
    assert found.partial_runs <= math.log2(found.taps) + 2


def test_a_right_stage_has_no_culprit():
    subject = case("flow")
    found = Bisection(contract(), subject, cases.synthetic_checkpoint(subject)).run()
    assert found.culprit == ""
    assert (found.runs, found.partial_runs) == (1, 0)


def test_a_search_is_shown_again_from_its_state(tmp_path):
    state, mutant = tmp_path / "state.json", fault("gain 1.01")
    first = search(mutant, state=state)
    again = search(mutant, state=state)
    assert again.probes == first.probes
    assert again.partial_runs == 1  # what confirms is not stored
    with pytest.raises(InputError, match=r"expected .*; name another file with --state"):
        search(mutant, state=state, end="mu")
    state.write_text("{}")
    with pytest.raises(InputError, match="not the state of a bisection"):
        search(mutant, state=state)


@pytest.mark.parametrize(("option", "message"), [({"stage": "no"}, "no stage 'no'"), ({"end": "no"}, "no tap 'no'")])
def test_a_stage_or_end_that_is_not_there_is_refused(option, message):
    with pytest.raises(InputError, match=message):
        search(fault("gain 1.01"), **option)


def test_dumps_are_searched_as_far_as_they_reach(tmp_path, capsys):
    subject, mutant = case("flow"), fault("gain 1.01")
    checkpoint = cases.synthetic_checkpoint(subject)
    offline.capture(contract(), subject, checkpoint, "reference", tmp_path / "golden", floors=True)
    with pytest.MonkeyPatch.context() as patch:
        mutant.patch(patch)
        offline.capture(contract(), subject, checkpoint, "candidate", tmp_path / "all")
    (tmp_path / "all" / MANIFEST).unlink()
    every = list(Golden(tmp_path / "golden"))
    kept = [name for name in every if name in ("encoder.embed", "encoder", mutant.tap, "mu", every[-1])]
    (tmp_path / "some").mkdir()
    for name in kept:
        npy.write(tmp_path / "some" / f"{name}.npy", npy.read(tmp_path / "all" / f"{name}.npy"))
    given = ["--golden", str(tmp_path / "golden"), "--dumps", str(tmp_path / "some"), "--json", "-"]
    assert main(["bisect", *given]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["culprit"] == mutant.tap
    assert found["note"] == "the last right one is encoder"
    assert found["runs"] <= math.log2(len(kept)) + 2
    assert main(["bisect", *given[:2]]) == 2


def test_no_dumps_cannot_be_searched():
    with pytest.raises(InputError, match="nothing can be searched"):
        bisect_dumps([], lambda name: pytest.fail("nothing is judged"))
