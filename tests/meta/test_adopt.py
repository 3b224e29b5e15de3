"""`parity adopt`: what a checkpoint comes to, the certificate of it, and what `parity status` makes of one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mlx_impl.convert import adoption
from parity.base import npy
from parity.base.errors import InputError
from parity.base.seal import passed, require_sealed, seal
from parity.cli import main
from parity.contract import load as load_contract
from parity.run.adoption import Adopting
from parity.show.results import load
from spec import synthetic
from spec.config import CHATTERBOX_SIZES
from spec.turbo import NANO_T3, S3GEN_MEANFLOW, TURBO_T3, turbo
from tests.meta import toy
from tests.meta.conftest import ROOT, TOY
from tests.meta.toy.files import SHAPE

S3GEN, KEY = "s3gen.safetensors", "flow.encoder_proj.weight"
PERSON = "Jane Doe"
TURBO = ROOT / "fixtures" / "turbo.toml"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys) -> Callable[..., tuple[int, dict[str, Any], str]]:
    """Adopts a folder, by the toy's contract unless another is given: exit code, certificate, what was printed."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def adopt(folder: Path, *words: str, contract: Path = TOY) -> tuple[int, dict[str, Any], str]:
        out = tmp_path / "adopted"
        code = main(["adopt", str(folder), "--contract", str(contract), "--out", str(out), *words])
        printed = capsys.readouterr()
        file = out / "certificate.json"
        assert file.exists() == (code != 2)
        return code, json.loads(file.read_text()) if code != 2 else {}, printed.err if code == 2 else printed.out

    return adopt


@pytest.fixture
def weights(tmp_path) -> Path:
    return toy.write_checkpoint(tmp_path / PERSON / "weights")


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    """A tiny checkpoint of Chatterbox, with a file that is no part of it."""
    folder = tmp_path / PERSON / "checkpoint"
    synthetic.write(folder, CHATTERBOX_SIZES["tiny"])
    (folder / f"{PERSON}.txt").write_text("not to be told")
    return folder


@pytest.fixture(scope="module")
def adopted(tmp_path_factory) -> Path:
    """The folder of one adoption of the toy's weights."""
    out = tmp_path_factory.mktemp("certificate")
    folder = toy.write_checkpoint(out / PERSON / "weights")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setattr(sys, "path", list(sys.path))
        assert main(["adopt", str(folder), "--contract", str(TOY), "--out", str(out / "adopted")]) == 0
    return out / "adopted"


@pytest.fixture
def certificate(adopted) -> dict[str, Any]:
    made: dict[str, Any] = json.loads((adopted / "certificate.json").read_text())
    return made


def test_a_certificate_says_what_was_verified_and_nothing_of_its_owner(certificate, adopted):
    assert (certificate["passed"], certificate["weights"]) == (True, "published")
    (tiny,) = certificate["runs"]
    assert (tiny["case"], tiny["words"], tiny["in_double"]) == ("tiny", {"equal": 92}, True)
    assert [(stage["stage"], stage["verdicts"]) for stage in tiny["stages"]] == [("prepare", 8), ("refine", 84)]
    assert 0 < tiny["stages"][1]["ratio64"] < 5 and tiny["stages"][1]["mathematics"] < 1e-10
    assert certificate["files"].keys() == {"weights.npy"}
    assert certificate["converted"].keys() == {"copies/weights.npy"}
    text = json.dumps(certificate)
    assert not any(word in text for word in (PERSON, str(adopted.parent), "host"))
    assert {path.name for path in adopted.iterdir()} == {"certificate.json", "report", "weights"}


def test_the_report_is_of_the_same_runs_and_says_where_the_files_are(adopted):
    (report,) = load([adopted / "report" / "report.json"])
    assert (report.passed, report.checkpoint) == (True, str(adopted.parent / PERSON / "weights"))
    assert report.environment["weights"] == "published"


def test_a_failing_case_is_certified_as_such(run, weights):
    code, certificate, said = run(weights, "--case", "gain")
    assert (code, certificate["passed"]) == (1, False)
    (gain,) = certificate["runs"]
    assert not gain["passed"]
    assert gain["failures"] == sum(stage["failures"] for stage in gain["stages"]) > 0
    assert gain["first_failure"] == {"tap": "middle.1[step=0]", "branch": "cond", "mode": "local", "word": "wrong"}
    assert said.splitlines()[-2] == "FAIL 1 file of published weights, 1 case"


@pytest.mark.parametrize(
    ("change", "kind"),
    [(lambda array: array[1:], "shape"), (lambda array: array * np.float32(np.nan), "not finite")],
)
def test_nothing_is_run_on_files_in_which_an_audit_finds_something(run, weights, change, kind):
    array = npy.read(weights / toy.WEIGHTS)
    assert array.shape == SHAPE
    npy.write(weights / toy.WEIGHTS, change(array))
    code, certificate, said = run(weights)
    assert (code, certificate["passed"], certificate["runs"]) == (1, False, [])
    assert certificate["audits"] == {"as published": {"passed": False, "tensors": 1, "counts": {kind: 1}}}
    assert f"  {kind}: " in said and "nothing was run" in said


def test_a_conversion_that_changes_a_weight_is_found_and_not_run(run, weights, monkeypatch):
    from tests.meta.toy import files

    right = files.convert

    def convert(folder: Path, out: Path, say: Any) -> dict[str, Any]:
        options = right(folder, out, say)
        copy = out / files.COPIES / toy.WEIGHTS
        npy.write(copy, npy.read(copy) * np.float32(1.001))
        return options

    monkeypatch.setattr(files, "convert", convert)
    code, certificate, _ = run(weights)
    assert (code, certificate["runs"]) == (1, [])
    assert certificate["audits"]["as published"]["passed"]
    assert certificate["audits"]["converted"]["counts"] == {"other values": 1}


def test_what_cannot_be_adopted_is_refused(run, weights, tmp_path):
    for folder, words, reason in (
        (tmp_path / "none", (), "none: no folder; expected a checkpoint directory as published"),
        (weights, ("--case", "tinny"), "unknown case 'tinny'"),
    ):
        code, _, said = run(folder, *words)
        assert code == 2 and reason in said
    (tmp_path / "adopted").mkdir()
    assert main(["adopt", str(weights), "--contract", str(TOY), "--out", str(tmp_path / "adopted")]) == 2
    assert list((tmp_path / "adopted").iterdir()) == []


def test_a_contract_that_names_nothing_is_refused(run, weights, tmp_path):
    before, _, after = TOY.read_text().partition("[adopt]")
    (tmp_path / "contract.toml").write_text(before + after[after.index("[sides.") :])
    code, _, said = run(weights, contract=tmp_path / "contract.toml")
    assert code == 2 and "contract.toml: does not say how a checkpoint is adopted; add [adopt] with audit" in said


def test_chatterbox_is_adopted_with_the_files_that_its_converter_writes(run, checkpoint, tmp_path):
    code, certificate, _ = run(checkpoint, "--case", "tiny-vocoder", contract=ROOT / "fixtures" / "contract.toml")
    assert (code, certificate["weights"]) == (0, "synthetic")
    assert certificate["audits"]["converted"]["compared"] == certificate["audits"]["converted"]["tensors"] > 700
    assert certificate["runs"][0]["words"] == {"equal": certificate["runs"][0]["verdicts"]}
    assert PERSON not in json.dumps(certificate) and "conds.pt" in certificate["files"]
    converted = tmp_path / "adopted" / "weights" / "converted"
    assert (converted / S3GEN).is_file() and not (converted / S3GEN).is_symlink()
    assert (tmp_path / "adopted" / "weights" / S3GEN).resolve() == checkpoint / S3GEN


@pytest.mark.parametrize(("model", "case"), [("turbo", "tiny-turbo-flow"), ("nano", "tiny-nano-t3")])
def test_turbo_and_nano_are_adopted_by_their_contract(run, model, case, tmp_path):
    config = turbo(model, "tiny")
    synthetic.write(tmp_path / model, config, synthetic.turbo_names(config))
    code, certificate, _ = run(tmp_path / model, "--case", case, contract=TURBO)
    assert (code, certificate["weights"]) == (0, "synthetic")
    assert {config.t3.file, S3GEN_MEANFLOW, "vocab.json"} <= certificate["files"].keys()
    assert certificate["audits"]["converted"]["compared"] == certificate["audits"]["converted"]["tensors"] > 700
    (found,) = certificate["runs"]
    assert (found["case"], found["in_double"]) == (case, True)
    assert found["words"] == {"equal": found["verdicts"]}


def test_a_contract_may_choose_the_cases_by_what_is_published(run, weights, tmp_path):
    contract = load_contract(TURBO)
    for file in (NANO_T3, TURBO_T3):
        (tmp_path / file).touch()
        chosen = [case.name for case in Adopting(contract, (), tmp_path).cases]
        assert chosen == {NANO_T3: ["full-nano"], TURBO_T3: ["full-turbo", "full-nano"]}[file]
    code, _, said = run(weights, contract=TURBO)
    assert code == 2 and f"{weights}: expected {TURBO_T3} or {NANO_T3}; name the contract of the model" in said


def without(folder: Path) -> None:
    (folder / "ve.safetensors").unlink()


def changed(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        tensors = load_file(folder / S3GEN)
        tensors[KEY] = np.ascontiguousarray(change(tensors[KEY]))
        save_file(tensors, folder / S3GEN)

    return apply


@pytest.mark.parametrize(
    ("hurt", "kind"),
    [
        (without, "file"),
        (changed(np.transpose), "layout"),
        (changed(lambda weight: weight[:-1]), "shape"),
        (changed(lambda weight: weight * np.float32(np.nan)), "not finite"),
    ],
    ids=["a file is missing", "turned", "shape", "NaN"],
)
def test_what_is_wrong_with_chatterbox_s_files_is_certified(run, checkpoint, hurt, kind):
    hurt(checkpoint)
    code, certificate, said = run(checkpoint, "--case", "tiny-vocoder", contract=ROOT / "fixtures" / "contract.toml")
    assert (code, certificate["passed"], certificate["runs"]) == (1, False, [])
    counts = certificate["audits"]["as published"]["counts"]
    assert sum(counts.values()) >= 1 and any(kind in each for each in counts), counts
    assert "nothing was run" in said


def test_weights_that_nobody_drew_are_published(checkpoint):
    assert adoption.about(checkpoint)[1] == "synthetic"
    for file in checkpoint.glob("*.safetensors"):
        save_file(
            {key: np.multiply(array, 2, dtype=array.dtype, out=array) for key, array in load_file(file).items()}, file
        )
    assert adoption.about(checkpoint)[1] == "published"


def test_status_makes_a_published_row_of_a_certificate(certificate, verify_toy, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    (tmp_path / "certificate.json").write_text(json.dumps(certificate))  # without line breaks: its form is not sealed
    (tmp_path / "tiny.json").write_text(json.dumps(verify_toy("tiny").as_dict()))
    page = tmp_path / "status.md"
    assert main(["status", str(tmp_path), "--contract", str(TOY), "--out", str(page)]) == 0
    text = page.read_text()
    assert "| pass | tiny | published | torch cpu, mlx" in text and "| pass | tiny | not recorded |" in text
    assert "No published checkpoint" not in text


def test_a_certificate_that_was_altered_is_refused(certificate, tmp_path):
    require_sealed(certificate, tmp_path)
    for change in (
        {"weights": "published by another"},
        {"files": {}},
        {"runs": [certificate["runs"][0] | {"when": "2030-01-01T00:00:00+00:00"}]},
        {"new": 1},
    ):
        with pytest.raises(InputError, match="was altered after it was made"):
            require_sealed(certificate | change, tmp_path)


def test_a_certificate_that_was_sealed_again_must_still_add_up(certificate, tmp_path):
    (tiny,) = certificate["runs"]
    for run in (
        tiny | {"failures": 1},
        tiny | {"verdicts": 91},
        tiny | {"expected_verdicts": 0, "verdicts": 0, "stages": []},
        tiny | {"swaps": {"verdicts": 1, "failed": 1}},
        tiny | {"checks": [{"name": "SNR", "value": 3.0, "bound": ">= 50 dB", "passed": False}]},
    ):
        altered = certificate | {"runs": [run]}
        with pytest.raises(InputError, match="what it lists says otherwise"):
            require_sealed(altered | {"seal": seal(altered)}, tmp_path)
    assert not passed(certificate["audits"].values(), [])
    assert not passed([certificate["audits"]["as published"]], certificate["runs"])


def test_another_schema_and_half_a_certificate_are_refused(certificate, tmp_path):
    with pytest.raises(InputError, match="certificate of schema 2, expected 1"):
        require_sealed(certificate | {"certificate_schema": 2}, tmp_path)
    with pytest.raises(InputError, match="no whole certificate"):
        require_sealed({name: value for name, value in certificate.items() if name != "runs"}, tmp_path)


def test_what_needs_taps_refuses_a_certificate(certificate, tmp_path):
    (tmp_path / "certificate.json").write_text(json.dumps(certificate))
    with pytest.raises(InputError, match="a certificate, which has no taps; `parity status` reads it"):
        load([tmp_path / "certificate.json"])
