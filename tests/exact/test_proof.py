"""A run on the device alone demands a proof of exactly what it runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity import cli
from parity import contract as contracts
from parity.base.errors import InputError
from parity.contract import Contract
from parity.run import proof
from parity.run.exact import Exact
from tests.meta import toy
from tests.meta.toy import mlx_model

TOY = Path(toy.__file__).with_name("contract.toml")
CODE = proof.code


@pytest.fixture(scope="module", autouse=True)
def of_the_toy() -> Iterator[None]:
    """The toy's own files in the place of its package's, which is all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proof, "code", lambda factory, apart=(): proof.folded(proof.files(TOY.parent)))
        yield


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.write_checkpoint(tmp_path_factory.mktemp("toy-checkpoint"))


@pytest.fixture(scope="module")
def contract() -> Contract:
    return contracts.load(TOY)


@pytest.fixture(scope="module")
def proven(contract: Contract, checkpoint: Path) -> dict[str, Any]:
    """What `parity verify --exact --json` writes of the toy."""
    report = Exact(contract, toy.load("tiny"), checkpoint).run()
    report.subject = proof.subject(contract, toy.load("tiny"), checkpoint)
    return json.loads(json.dumps(report.as_dict()))


@pytest.fixture
def verify(checkpoint: Path, tmp_path: Path) -> Callable[..., int]:
    """Runs `parity verify` on the toy and returns the exit code; what it wrote is in `result.json`."""

    def verify(*options: str) -> int:
        paths = "--contract", str(TOY), "--checkpoint", str(checkpoint), "--json", str(tmp_path / "result.json")
        return cli.main(["verify", "--case", "tiny", *paths, *options])

    return verify


def written(proven: dict[str, Any], folder: Path, **changes: Any) -> Path:
    path = folder / "proof.json"
    path.write_text(json.dumps(proven | changes))
    return path


def test_a_proof_of_the_same_takes_the_place_of_the_run_in_double(verify, proven, tmp_path, monkeypatch):
    monkeypatch.setattr(Exact, "run", lambda self: pytest.fail("proven again"))
    assert verify("--device-only", "--proof", str(written(proven, tmp_path))) == cli.PASS
    found = json.loads((tmp_path / "result.json").read_text())
    assert found["words"] == {"equal": found["expected_verdicts"]}


def test_the_device_still_fails_by_itself(verify, proven, tmp_path, monkeypatch):
    whole = mlx_model.MlxMix.__call__
    monkeypatch.setattr(mlx_model.MlxMix, "__call__", lambda self, x: whole(self, x * (1 + 1e-4)))
    assert verify("--device-only", "--proof", str(written(proven, tmp_path))) == cli.FAILURE
    assert json.loads((tmp_path / "result.json").read_text())["words"]["device"] > 0


def test_what_the_command_writes_is_a_proof(verify, tmp_path):
    assert verify("--exact") == cli.PASS
    proof = (tmp_path / "result.json").rename(tmp_path / "proof.json")
    assert verify("--device-only", "--proof", str(proof)) == cli.PASS


@pytest.mark.parametrize("name", ["code of the candidate", "code of the reference", "code of the engine"])
def test_a_proof_of_other_code_is_refused(name, proven, contract, checkpoint, tmp_path):
    other = {"subject": proven["subject"] | {name: "0" * 64}}
    with pytest.raises(InputError, match=f"a proof of another {name}; prove this one"):
        proof.require(written(proven, tmp_path, **other), contract, toy.load("tiny"), checkpoint)


def test_a_proof_of_another_checkpoint_case_or_contract_is_refused(proven, contract, checkpoint, tmp_path):
    path, case = written(proven, tmp_path), toy.load("tiny")
    other = toy.write_checkpoint(tmp_path / "other")
    (other / toy.WEIGHTS).write_bytes((other / toy.WEIGHTS).read_bytes()[:-1] + b"\x01")
    with pytest.raises(InputError, match="another checkpoint;"):
        proof.require(path, contract, case, other)
    moved = replace(case, inputs=case.inputs | {"x": case.inputs["x"] + np.float32(1)})
    with pytest.raises(InputError, match="another case;"):
        proof.require(path, contract, moved, checkpoint)
    changed = tmp_path / "contract.toml"
    changed.write_text(contract.path.read_text() + "\n# changed\n")
    with pytest.raises(InputError, match="another contract;"):
        proof.require(path, replace(contract, path=changed), case, checkpoint)
    assert len(proof.require(path, contract, case, checkpoint)) == proven["expected_verdicts"]


def test_a_change_of_one_file_is_another_code(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    package = tmp_path / "somebodys_port"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "model.py").write_text("scale = 1.0\n")
    before = CODE("somebodys_port.model:make")
    assert before == CODE("somebodys_port:make")
    (package / "model.py").write_text("scale = 1.1\n")
    assert CODE("somebodys_port.model:make") != before
    (package / "model.py").write_text("def make():\n    from beside.numbers import scale\n    return scale\n")
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "numbers.py").write_text("scale = 1.0\n")
    before = CODE("somebodys_port.model:make")
    (tmp_path / "beside" / "numbers.py").write_text("scale = 1.1\n")
    assert CODE("somebodys_port.model:make") != before
    with pytest.raises(InputError, match="there is no package nobodys_port"):
        CODE("nobodys_port:make")


def test_what_a_command_writes_is_no_part_of_a_checkpoint(tmp_path):
    (tmp_path / "weights.npz").write_bytes(b"1")
    before = proof.folded(proof.files(tmp_path))
    for name in ("result.json", ".git/index", "state/results.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("written")
    assert proof.folded(proof.files(tmp_path, [tmp_path / "state", tmp_path / "result.json"])) == before
    assert proof.folded(proof.files(tmp_path, [tmp_path / "state"])) != before


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"passed": False}, "its mathematics is not equal"),
        ({"kind": "else"}, "no proof"),
        ({"subject": None}, "no proof"),
        ({"verdicts": [{}]}, "its verdicts cannot be read"),
    ],
)
def test_what_proves_nothing_is_refused(changes, reason, proven, contract, checkpoint, tmp_path):
    with pytest.raises(InputError, match=reason):
        proof.require(written(proven, tmp_path, **changes), contract, toy.load("tiny"), checkpoint)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--device-only"], "--device-only and --proof go together"),
        (["--proof", "proof.json"], "--device-only and --proof go together"),
        (["--device-only", "--proof", "absent.json"], "absent.json: cannot be read"),
        (["--device-only", "--proof", "absent.json", "--informative"], "--device-only with --informative"),
        (["--strict", "--recording", "folder"], "--strict with --recording"),
        (["--exact", "--strict"], "--exact with --strict"),
    ],
)
def test_wrong_use_is_one_sentence_and_exit_2(options, said, verify, capsys):
    assert verify(*options) == cli.BROKEN
    assert said in capsys.readouterr().err


def test_a_recording_and_a_proof_give_the_verdicts_of_one_run(checkpoint, tmp_path):
    """On a contract so tight that most taps rest on their own floor, which is then measured from what was recorded."""
    tight = tmp_path / "contract.toml"
    tight.write_text(TOY.read_text().replace("ratio64 = 5.0", "ratio64 = 0.3"))

    def run(command: str, *options: str, name: str = "result") -> dict[str, Any]:
        paths = "--contract", str(tight), "--checkpoint", str(checkpoint), "--json", str(tmp_path / name)
        assert cli.main([command, "--case", "tiny", *paths, *options]) == cli.PASS
        return json.loads((tmp_path / name).read_text())

    run("record", "--out", str(tmp_path / "recording"))
    run("verify", "--exact", name="proof")
    recorded = "--recording", str(tmp_path / "recording")
    elsewhere = run("verify", *recorded, "--device-only", "--proof", str(tmp_path / "proof"))
    here = run("verify")
    assert elsewhere["words"] == here["words"]
    assert here["words"]["rounding"] > 10
    assert elsewhere["verdicts"] == here["verdicts"]
