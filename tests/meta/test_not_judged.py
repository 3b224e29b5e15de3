"""A candidate that has only a part: what it lacks is said and not judged, what it has is judged as ever."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from parity import contract as contracts
from parity.base.errors import InputError
from parity.capture.results import first, with_first
from parity.cli import main
from parity.contract import NotJudged
from parity.diagnose.bisect import Bisection
from parity.run.both import Both
from parity.run.verify import Verifier
from tests.meta import toy
from tests.meta.conftest import TOY

REFINE = ("first*", "middle.*", "last*", "refine.state*", "handed-on.*[refine,*")
PREPARE = ("codes", "embedding", "mu", "handed-on.*[prepare]")


def without(contract, *patterns):
    return replace(contract, not_judged=(NotJudged(patterns, "not ported"),))


def verified(contract, checkpoint, name):
    return Verifier(contract, toy.load(name), checkpoint).run()


def test_a_tap_that_the_candidate_lacks_is_said_and_is_no_failure(toy_contract, toy_checkpoint):
    assert not verified(toy_contract, toy_checkpoint, "skip").passed
    report = verified(without(toy_contract, "mu"), toy_checkpoint, "skip")
    assert report.passed
    assert report.expected == len(verified(toy_contract, toy_checkpoint, "tiny").verdicts) - 2
    assert {name: (one.why, one.given) for name, one in report.not_judged.items()} == {"mu": ("not ported", False)}


def test_a_tap_that_is_not_judged_is_no_failure_even_where_it_is_wrong_and_is_said_to_be_there(
    toy_contract, toy_checkpoint
):
    report = verified(without(toy_contract, "codes", "handed-on.mu*"), toy_checkpoint, "codes")
    assert report.not_judged["codes"].given
    assert report.first_failure.tap == "embedding"


@pytest.mark.parametrize(("case", "patterns", "left"), [("no refine", REFINE, 8), ("no prepare", PREPARE, 84)])
def test_a_segment_that_is_not_ported_is_not_run(toy_contract, toy_checkpoint, case, patterns, left):
    assert not verified(toy_contract, toy_checkpoint, case).passed
    contract = without(toy_contract, *patterns)
    report = Verifier(contract, toy.load(case), toy_checkpoint).run(
        Both.proven(contract, toy.load(case), toy_checkpoint, strict=True).settle
    )
    assert report.passed
    assert report.words() == {"equal": left}
    assert not any(one.given for one in report.not_judged.values())


def test_a_fault_behind_a_segment_that_is_not_ported_is_found(toy_contract, toy_checkpoint):
    report = verified(without(toy_contract, *PREPARE), toy_checkpoint, "gain")
    assert report.first_failure.tap == "middle.1[step=0]"


def test_the_search_passes_over_what_is_not_judged(toy_contract, toy_checkpoint):
    contract = without(toy_contract, *PREPARE)
    assert Bisection(contract, toy.load("no prepare"), toy_checkpoint).run().culprit == ""
    found = Bisection(contract, toy.load("gain"), toy_checkpoint).run()
    assert found.culprit == "middle.1[step=2]"


def test_a_pattern_that_matches_nothing_is_refused(toy_contract, toy_checkpoint):
    with pytest.raises(InputError, match=r"\[\[not_judged\]\] 'decoder' matches no tap"):
        verified(without(toy_contract, "decoder"), toy_checkpoint, "tiny")


def test_the_order_of_what_does_not_depend_on_each_other_may_be_free(toy_contract, toy_checkpoint):
    free = replace(toy_contract, outline=tuple({**entry, "unordered": True} for entry in toy_contract.outline))
    assert not verified(toy_contract, toy_checkpoint, "order").passed
    assert verified(free, toy_checkpoint, "order").passed
    assert not verified(free, toy_checkpoint, "skip").passed
    assert not verified(free, toy_checkpoint, "twice").passed


def test_a_module_may_have_another_name_in_the_candidate(toy_contract, toy_checkpoint):
    taps = [["first", "g c t"], {"block": "residual", "at": "middle.{}", "each": "depth"}, ["end", "g c t"]]
    prepare, refine = toy_contract.outline
    renamed = replace(
        toy_contract,
        outline=(prepare, {**refine, "taps": [*taps, ["refine.state", "b c t"]]}),
        sides={
            "reference": {"factory": "tests.meta.test_not_judged:Renamed", "framework": "torch"},
            "candidate": toy_contract.sides["candidate"],
        },
    )
    assert not verified(renamed, toy_checkpoint, "tiny").passed
    named = replace(renamed, names={"end": "last"})
    assert verified(named, toy_checkpoint, "tiny").passed
    assert verified(named, toy_checkpoint, "gain").first_failure.tap == "middle.1[step=0]"


class Renamed(toy.Toy):
    """The toy's reference, whose last layer is called `end`."""

    def __init__(self, folder, options, dtype):
        super().__init__(folder, "", dtype, toy.TorchParts)
        kind = type(self.model)
        self.model.__class__ = type(kind.__name__, (kind,), {"forward": _forward})
        self.model.end = self.model._modules.pop("last")


def _forward(self, x):
    x = self.first(x)
    for block in self.middle:
        x = block(x)
    return self.end(x)


@pytest.fixture
def partial(tmp_path) -> Path:
    """The toy's contract, without what refines."""
    text = TOY.read_text() + f'\n[[not_judged]]\npatterns = {json.dumps(REFINE)}\nwhy = "not ported"\n'
    (tmp_path / "contract.toml").write_text(text)
    return tmp_path / "contract.toml"


def test_everything_that_is_written_says_what_was_not_judged(partial, toy_checkpoint, capsys, tmp_path):
    result, page = tmp_path / "result.json", tmp_path / "page"
    told = ["--checkpoint", str(toy_checkpoint), "--json", str(result), "--report", str(page)]
    assert main(["verify", "--contract", str(partial), "--case", "no refine", *told]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "not judged: 24 taps, not ported" in text
    assert "PASS all 8 verdicts passed; not judged: 24 taps; case" in text
    data = json.loads(result.read_text())
    assert data["expected_verdicts"] == 8
    assert data["not_judged"]["middle.0[step=0]"] == {"why": "not ported", "given": False}
    assert "Not judged: 24 taps, not ported." in (page / "index.html").read_text()
    assert "not judged: 24 taps, not ported." in (page / "summary.md").read_text()
    suite = ElementTree.parse(page / "junit.xml").find("testsuite")
    assert suite.get("skipped") == "24"
    assert len(suite.findall("testcase/skipped")) == 24


def test_the_proof_alone_says_it_too(partial, toy_checkpoint, capsys):
    told = ["--contract", str(partial), "--checkpoint", str(toy_checkpoint), "--exact"]
    assert main(["verify", *told, "--case", "no refine"]) == 0
    assert "not judged: 24 taps, not ported" in " ".join(capsys.readouterr().out.split())
    assert main(["verify", *told, "--case", "codes"]) == 1


def test_a_tap_that_is_given_all_the_same_is_said(tmp_path, toy_checkpoint, capsys):
    file = tmp_path / "contract.toml"
    file.write_text(TOY.read_text() + '\n[[not_judged]]\npatterns = ["mu"]\nwhy = "not ported"\n')
    assert main(["verify", "--contract", str(file), "--checkpoint", str(toy_checkpoint)]) == 0
    assert "given although it is not judged: mu; take it out of [[not_judged]]" in capsys.readouterr().out


def test_of_dumps_a_tap_that_is_not_judged_may_be_missing(tmp_path, toy_checkpoint, capsys):
    file, golden, dumps = tmp_path / "contract.toml", tmp_path / "golden", tmp_path / "dumps"
    file.write_text(TOY.read_text() + '\n[[not_judged]]\npatterns = ["mu", "codes"]\nwhy = "not ported"\n')
    told = ["--contract", str(file), "--checkpoint", str(toy_checkpoint)]
    assert main(["capture", *told, "--floors", "--out", str(golden)]) == 0
    assert main(["capture", *told, "--side", "candidate", "--out", str(dumps)]) == 0
    (dumps / "mu.npy").unlink()
    capsys.readouterr()
    assert main(["compare", str(golden), str(dumps), "--contract", str(file)]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "not judged: 2 taps, not ported" in text
    assert "given although it is not judged: codes;" in text
    (dumps / "embedding.npy").unlink()
    assert main(["compare", str(golden), str(dumps), "--contract", str(file)]) == 1


def test_a_contract_that_says_no_reason_is_refused(tmp_path):
    file = tmp_path / "contract.toml"
    file.write_text(TOY.read_text() + '\n[[not_judged]]\npatterns = ["mu"]\n')
    with pytest.raises(InputError, match=r"\[\[not_judged\]\] lacks why"):
        contracts.load(file)


def test_the_first_array_of_a_result_is_seen_and_replaced():
    def is_array(value):
        return isinstance(value, str)

    for value, wanted in (
        ("x", "y"),
        ((None, ["x", "z"]), (None, ["y", "z"])),
        ({"a": 1, "b": "x"}, {"a": 1, "b": "y"}),
    ):
        assert first(value, is_array) == "x"
        assert with_first(value, "y", is_array) == wanted
    assert first((1, {}), is_array) is None
