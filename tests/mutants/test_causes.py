"""The cause is named before the symptom, and weights are not blamed for what rounding them alike does."""

from __future__ import annotations

import mlx.core as mx
import pytest

import mlx_impl.t3.backbone
from fixtures import cases
from parity.run.verify import Verifier
from tests.mutants import factors, positions, speech_tokens
from tests.mutants.battery import BATTERY, Mutant, case, contract, loaded, verify

STAGES = (factors, positions, speech_tokens)


def exchanged_statistics(m: pytest.MonkeyPatch) -> None:
    """The running mean and variance of one batch norm: the root of a negative number."""

    def change(model):
        norm = model.speaker_encoder.head.norm1
        norm.running_mean, norm.running_var = norm.running_var, norm.running_mean

    loaded(m, "prompt", change)


def test_weights_that_explain_what_is_not_finite_are_named_first():
    found = verify(Mutant("statistics", "tiny-conditioning", "", (), exchanged_statistics)).diagnosis
    assert found.families[:2] == ["weights", "not finite"]
    assert "norm1.running_mean: it is the weight of speaker_encoder.head.norm1.running_var" in found.sentence()


@pytest.mark.parametrize("precision", ["float16", "bfloat16-weights", "8bit", "4bit"])
def test_rounded_weights_are_compared_with_weights_rounded_alike(precision):
    """The finding is the fault, whatever the rounding, and no weight is blamed."""
    subject = case("t3")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mlx_impl.t3.backbone, "rotate", forgotten)
        verifier = Verifier(
            contract(), subject, cases.synthetic_checkpoint(subject), precision=contract().precision(precision)
        )
        found = verifier.run().diagnosis
    assert found.first.tap == "t3.backbone.layers.0.self_attn.rotary_q"
    assert found.families == ["rotary", "term", "arithmetic"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("speech positions from 1", "speech_pos_emb.emb.weight, expected 0 1 2 3 4 5 ...: each is 1 later"),
        (
            "logits from before the final norm",
            "of t3.backbone.layers.1, expected of the last position of t3.backbone.norm",
        ),
        ("rotary base 500 for 500000", "frequencies of base 500 as they are"),
        ("rope of neighbouring pairs", "pairs are 2 i and 2 i + 1"),
        ("min-p of 0.045 for 0.05", "3 of t3.scores[token=2]'s values are kept, expected 1"),
        ("the next token's number", "number 1 of the state's uniforms, expected number 0"),
        ("zero-stuffed upsampling", "zeros between the positions, expected each position repeated"),
        ("epsilon 1e-6 for 1e-12", "with epsilon 1e-06, expected 1e-12"),
    ],
)
def test_the_cause_stands_in_the_first_two_sentences(name, words):
    report = verify(next(fault for fault in BATTERY if fault.name == name))
    assert any(words in finding.sentence for finding in report.diagnosis.findings[:2]), report.diagnosis.sentence()


def forgotten(x: mx.array, table: object) -> mx.array:
    """Positions that do not count."""
    return x
