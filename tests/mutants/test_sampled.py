"""A mutant as dumps: which families are right for it, which tap, and what is said of it."""

from __future__ import annotations

import pytest

from parity.mutate.operators import OPERATORS
from parity.mutate.sites import Mutant, mutants
from parity.mutate.subject import File, files
from tests.mutants.kinds import CHANGES, families
from tests.mutants.sampled import ENDED, JUDGED, UNREACHED, Sampled, by_chance, figures, judged
from tests.mutants.subjects import contract


def mutant(operator: str, before: str, after: str, function: str = "") -> Mutant:
    return Mutant("", 1, 0, 1, function, operator, before, after, "")


def test_every_operator_has_families():
    assert {operator.word for operator in OPERATORS} == {row.of for row in CHANGES}


@pytest.mark.parametrize(
    ("changed", "module", "right", "wrong"),
    [
        (mutant("constant", "0.01", "0.011", "leaky_relu"), "mlx_impl.ops.functional", "activation", "rotary"),
        (mutant("constant", "6", "7", "sinc_kernel"), "mlx_impl.conditioning.tables", "shape", "mixing"),
        (mutant("axis", "1", "0", "Attention.__call__"), "mlx_impl.decoder", "mixing", "window"),
        (mutant("operator", "a + b", "a - b", "euler_step"), "mlx_impl.ode", "term", "normalisation"),
        (mutant("call", "pad(x, width)", "x"), "mlx_impl.encoder", "shift", "gates"),
    ],
)
def test_families_are_those_of_the_change_and_of_its_place(changed, module, right, wrong):
    found = families(changed, module)
    assert right in found
    assert wrong not in found
    assert "period" not in found


def chosen(path: str, function: str, before: str) -> tuple[File, Mutant]:
    """The first mutant of a place in the candidate."""
    (file,) = files(contract(), [path])
    every = mutants(file.source, file.module)
    return file, next(one for one in every if one.function == function and one.before == before)


def test_mutants_are_judged_as_dumps(tmp_path):
    """A function that is left out is said to be; one that stops the run has no dumps, nor one that no case runs."""
    lost = chosen("mlx_impl/t3/backbone.py", "LlamaMLP.__call__", "F.silu(self.gate_proj(x))")
    other = chosen("mlx_impl/t3/backbone.py", "rotary_table", "rope_frequencies(config, working_float())")
    unreached = chosen("mlx_impl/ode.py", "time_grid", "steps + 1")
    found = list(judged([lost, other, unreached], tmp_path, ["t3"]))
    assert [one.outcome for one in found] == [JUDGED, ENDED, UNREACHED]
    assert found[0].tap == found[0].said_tap == "t3.backbone.layers.0.mlp"
    assert found[0].known[0][:2] == ("activation", 0.97)
    assert found[0].named(found[0].known)
    assert not found[1].known


def test_the_figures_count_what_is_right():
    said = [("gain", 0.97, "twice"), ("term", 0.5, "a term")]
    right = Sampled("1", "", "", "", "", ["gain"], JUDGED, "t3", "a", "a", said, said)
    wrong = Sampled("2", "", "", "", "", ["mixing"], JUDGED, "t3", "b", "a", said, said)
    lines = figures([right, wrong])
    assert lines[1] == "right first tap: 1 of 2"
    assert "right family in two guesses 1 of 2" in lines[2]
    assert "at 0.9 or above 1 of 2 right" in lines[3]
    assert by_chance([right, wrong], "known") == 0.5
