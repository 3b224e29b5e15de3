"""What of a candidate a run exercises: each place by its sentence, values as they are, and sums over runs."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from parity import contract as contracts
from parity.base.exercise import CONDITION, DIVISION, LOWER, UPPER, WANTED, Exercise, Site
from parity.cli import main
from parity.contract.implementation import make_case
from parity.exact.exercise import exercised, instrument
from parity.exact.exercise.compiled import compiled
from parity.exact.standin import installed
from parity.run.exact import Exact
from parity.show.exercise import lines
from tests.meta import toy

TOY = Path(toy.__file__).with_name("contract.toml")
CANDIDATE = Path(__file__).with_name("exercised") / "candidate.py"
FACTORY = "tests.exact.exercised.candidate:limits"
FILE = "tests/exact/exercised/candidate.py"


def watched(*calls: tuple) -> Exercise:
    """What calls of the candidate's functions exercise: each a name and its arguments, lists as arrays."""
    with exercised(FACTORY, "mlx") as watching, installed() as mx:
        from tests.exact.exercised import candidate

        for name, *args in calls:
            getattr(candidate, name)(*(mx.array(one) if isinstance(one, list) else one for one in args))
        return watching.found("toy")


def said(found: Exercise, function: str) -> dict[str, str]:
    """Of each place in a function that is not exercised, its source and the sentence."""
    return {site.text: site.sentence() for site in found.missing if site.function == function}


def test_limits():
    assert said(watched(("limits", [0.003, 0.7, 4.9])), "limits") == {
        "mx.maximum(x, 1e-10)": "lower limit 1e-10 never bound (smallest 0.003)",
        "mx.clip(capped, -0.5, 0.5)": "lower limit -0.5 never bound (smallest 0.003)",
        "mx.maximum(x, 0.1 * x)": "lower limit 0.0003 never bound (smallest 0.003)",
        "np.ones(3).clip(None, 4)": "upper limit 4 never bound (largest 1)",
    }
    assert said(watched(("limits", [3.0, 4.0, 5.0])), "limits")["mx.minimum(mx.array(2.0), x)"] == (
        "upper limit 2 always bound"
    )
    assert "mx.maximum(x, 1e-10)" not in said(watched(("limits", [-1.0, 1.0, 1.0])), "limits")


def test_choices():
    assert said(watched(("choices", [-1.0, 1.0], 3)), "choices") == {
        "mx.where(x > 100, 100, x)": "always false",
        "max(count, 1)": "never 1",
        "min(count, count + 1)": "never count + 1",
    }
    assert said(watched(("choices", [101.0], 1)), "choices") == {
        "mx.where(x > 0, x, 0)": "always true",
        "mx.where(x > 100, 100, x)": "always true",
        "max(count, 1)": "always equal",
        "min(count, count + 1)": "never count + 1",
    }


def test_conditions():
    found = watched(("branches", [1.0, 2.0, 3.0]))
    assert said(found, "branches") == {
        "scale is not None": "always false",
        'case "squared"': "never taken",
        "len(x) > 2": "always true",
    }
    found = watched(("branches", [1.0, 2.0, 3.0]), ("branches", [1.0], 2.0, "squared"), ("branches", [1.0], 0.5))
    assert said(found, "branches") == {}


def test_lengths():
    found = watched(("lengths", [9.0, 1.0, 7.0, 1.0, 8.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]))
    assert said(found, "lengths") == {
        "divmod(len(x), 4)": "never leaves a rest (largest 12)",
        "x[:1000]": "cuts nothing off (longest 12)",
        "kept[: 4 * blocks : 2]": "cuts nothing off (longest 12)",
        "for _ in range(blocks - 2)": "runs once at most",
    }


def test_functions_and_what_is_left_out():
    found = watched(("limits", [1.0, 2.0, 3.0]))
    never = {site.text for site in found.missing if site.sentence() == "never called"}
    named = {"paired()", "others()", "Named.__getitem__()", "Named.clip()"}
    assert never == {"choices()", "branches()", "lengths()", "Never.__call__()", *named}
    assert not any("ndim" in site.text or "rest == 0" in site.text for site in found.sites)
    assert all(site.file == FILE for site in found.sites)


def test_what_is_called_alike_runs_and_is_not_noted():
    assert said(watched(("others",)), "others") == {}


def test_a_call_that_fails_fails_as_it_does():
    with pytest.raises(ValueError, match="broadcast"):
        watched(("paired", [1.0, 2.0], [1.0, 2.0, 3.0]))


def test_places_are_those_of_the_source():
    source = CANDIDATE.read_text().splitlines()
    for site in watched(("limits", [1.0, 2.0, 3.0])).sites:
        start = source[site.line - 1][site.column :]
        beginning = {"function": "def ", "loop": site.text[4:], "match": site.text[5:], "slice": ""}
        assert start.startswith(beginning.get(site.kind, site.text)), site


def test_what_is_watched_computes_the_same():
    plain: dict = {}
    exec(compile(ast.parse(CANDIDATE.read_text()), "plain", "exec"), plain)
    with exercised(FACTORY, "mlx"):
        import mlx.core as mx

        from tests.exact.exercised import candidate as device  # on MLX itself

        for values in ([-3.0, 0.2, 8.0], [1.0, 2.0, 3.0]):
            for name, args in (("limits", ()), ("choices", (2,)), ("branches", (2.0, "squared"))):
                ours = getattr(device, name)(mx.array(values), *args)
                np.testing.assert_array_equal(np.array(ours), np.array(plain[name](mx.array(values), *args)))
        x = mx.arange(8.0)
        assert device.lengths(x) == plain["lengths"](x)


def test_afterwards_everything_is_as_it_was():
    before = sys.modules["tests.exact"], list(sys.meta_path), sys.modules.get("tests.exact.exercised.candidate")
    with exercised(FACTORY, "mlx") as watching, installed() as mx:
        from tests.exact.exercised import candidate

        candidate.limits(mx.array([1.0, 2.0, 3.0]))
        found = watching.found("toy")
        held = {site.key: set(site.ways) for site in found.sites}
    after = sys.modules["tests.exact"], list(sys.meta_path), sys.modules.get("tests.exact.exercised.candidate")
    assert after == before
    candidate.limits(mx.array([-1.0, 2.0, 3.0]))  # still held: it runs, and nothing is noted
    assert {site.key: site.ways for site in found.sites} == held


def test_what_was_compiled_is_kept_until_the_source_changes(tmp_path, monkeypatch):
    path, made = tmp_path / "a.py", []
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    real = instrument.instrumented
    monkeypatch.setattr(instrument, "instrumented", lambda *args: made.append(args) or real(*args))
    path.write_text("def f(x):\n    return max(x, 1)\n")
    first, second = compiled(path, "a.py"), compiled(path, "a.py")
    assert len(made) == 1
    assert (first[0].co_code, first[1]) == (second[0].co_code, second[1])
    (kept,) = (tmp_path / "__pycache__").iterdir()
    for change in (lambda: path.write_text("def f(x):\n    return x\n"), lambda: kept.write_bytes(b"?")):
        change()
        assert [one.text for one in compiled(path, "a.py")[1]] == ["f()"]
    assert len(made) == 3


def site(kind: str, *ways: str, nearest: float | None = None, limit: float | None = None, text: str = "x") -> Site:
    return Site("a.py", 1, 0, "f", kind, text, WANTED[kind], set(ways), nearest, limit)


def together(*sites: Site) -> Site:
    (found,) = Exercise.together(Exercise([one], [str(place)]) for place, one in enumerate(sites)).sites
    return found


def test_sums_over_runs():
    assert together(site(CONDITION, "true"), site(CONDITION, "true")).sentence() == "always true"
    assert together(site(CONDITION, "true"), site(CONDITION, "false")).sentence() == ""
    found = together(site(LOWER, "free", nearest=3.0, limit=1.0), site(LOWER, "free", nearest=2.0, limit=1.0))
    assert found.sentence() == "lower limit 1 never bound (smallest 2)"
    found = together(site(UPPER, "free", nearest=3.0, limit=9.0), site(UPPER, "free", nearest=2.5, limit=2.75))
    assert found.sentence() == "upper limit 2.75 never bound (largest 2.5)"
    assert together(site(UPPER, "free", nearest=3.0, limit=9.0), site(UPPER, "bound")).sentence() == ""


def test_a_number_that_never_varies_is_no_length():
    assert together(site(DIVISION, "none", nearest=8.0), site(DIVISION, "none", nearest=8.0)).sentence() == ""
    found = together(site(DIVISION, "none", nearest=8.0), site(DIVISION, "none", nearest=16.0))
    assert found.sentence() == "never leaves a rest (largest 16)"
    assert site(DIVISION, "none", nearest=8.0, text="len(x) // 4").sentence() == "never leaves a rest (largest 8)"


def test_json_holds_all_that_a_sum_needs():
    parts = [watched(("limits", [1.0, 2.0, 3.0])), watched(("choices", [1.0, -1.0], 3))]
    read = [Exercise.of(json.loads(json.dumps(part.as_dict()))) for part in parts]
    ours, theirs = Exercise.together(parts), Exercise.together(read)
    assert list(lines(ours)) == list(lines(theirs))
    assert ours.summary() == theirs.summary()


@pytest.mark.parametrize("framework", ["mlx", "torch"])
def test_a_proof_says_what_its_case_did_not_exercise(framework):
    contract = contracts.load(TOY)
    contract.sides["candidate"].update(factory=f"tests.meta.toy:{framework}_candidate", framework=framework)
    case = make_case(contract, "tiny")
    found = Exact(contract, case, toy.checkpoint(case)).run().exercise
    shown = {f"{site.place} {site.text}: {site.sentence()}" for site in found.missing}
    assert any(line.endswith('self.fault == "codes": always false') for line in shown)
    assert not any("stage" in line for line in shown)
    files = {site.file for site in found.sites if site.line}
    assert files == {"tests/meta/toy/__init__.py", f"tests/meta/toy/{framework}_model.py"}
    limits = [site for site in found.sites if "mx.maximum" in site.text]
    assert [one.missing for one in limits] == ([[]] if framework == "mlx" else [])


def test_what_a_file_has_of_others_is_not_the_candidates():
    """The file with both sides, cases and a checkpoint has its candidate watched, and nothing else."""
    contract = contracts.load(TOY)
    case = make_case(contract, "tiny")
    found = Exact(contract, case, toy.checkpoint(case)).run().exercise
    functions = {site.function for site in found.sites if site.file == "tests/meta/toy/__init__.py"}
    assert "mlx_candidate" in functions
    assert functions.isdisjoint({"torch_reference", "load", "checkpoint"})


def test_the_command_sums_up_results_and_cases(tmp_path, capsys):
    proof, first, second = (str(tmp_path / name) for name in ("proof.json", "first.json", "second.json"))
    assert main(["verify", "--contract", str(TOY), "--exact", "--case", "tiny", "--json", proof]) == 0
    out = capsys.readouterr().out
    assert "limits and conditions, " in out and "; --exercise shows them" in out
    assert main(["exercise", proof, "--contract", str(TOY), "--json", first]) == 0
    assert 'self.fault == "codes": always false' in capsys.readouterr().out
    assert main(["exercise", first, "--contract", str(TOY), "--case", "code*", "--json", second]) == 1
    out = capsys.readouterr().out
    assert 'self.fault == "codes": always false' not in out
    assert "FAIL codes" in out and "of 2 cases: tiny, codes" in out
    assert main(["exercise", "--contract", str(TOY), "--case", "nosuch*"]) == 2
    assert main(["exercise", "--contract", str(TOY)]) == 2
    page = tmp_path / "status.md"
    result = str(tmp_path / "result.json")
    assert main(["verify", "--contract", str(TOY), "--json", result]) == 0
    assert main(["status", result, "--contract", str(TOY), "--exercise", second, "--out", str(page)]) == 0
    assert "\nBy 2 cases: 11 of 13 limits and conditions, " in page.read_text()
