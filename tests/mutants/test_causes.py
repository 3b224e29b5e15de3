"""The cause is named before the symptom, and weights are not blamed for what rounding them alike does."""

from __future__ import annotations

import mlx.core as mx
import pytest

import mlx_impl.t3.backbone
from fixtures import cases
from parity.run.verify import Verifier
from tests.mutants.battery import Mutant, case, contract, loaded, verify


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
    assert found.families == ["term", "arithmetic"]


def forgotten(x: mx.array, table: object) -> mx.array:
    """Positions that do not count."""
    return x
