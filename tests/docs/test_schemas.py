"""docs/schemas: each JSON that is written is as its schema says, and has no key that the schema does not know."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator, ValidationError

from fixtures import quality
from mlx_impl.convert import command as weights
from parity.base.reduced import reduced
from parity.cli import main
from spec.files.wav_file import wav
from spec.synthetic.cache import cached
from tests.docs.markdown import ROOT
from tests.exact.cpp.build import committed
from tests.exact.cpp.subject import inputs
from tests.meta import toy
from tests.meta.conftest import TOY
from writers import parity_reduced

SCHEMAS = {file.stem: json.loads(file.read_text()) for file in sorted((ROOT / "docs" / "schemas").glob("*.json"))}
COMMANDS = [
    ("result", "verify {toy} --case gain --history {out}/history.sqlite"),
    ("result.pass", "verify {toy}"),
    ("proof", "verify {toy} --case gain --exact"),
    ("exercise", "exercise {out}/proof.json {out}/result.pass.json {toy}"),
    ("port", "prove tests.exact.cpp.called:decoder_block {gelu} --inputs {out}/x.npz"),
    ("port.compare", "compare tests.exact.cpp.called:decoder_block {gelu} --inputs {out}/x.npz"),
    ("port.demo", "demo --fault 6"),
    (
        "discovery",
        "discover tests.meta.faults.models:TorchScale tests.meta.faults.models:MlxScale --inputs {out}/four.npz "
        "--out {out}/discovered",
    ),
    (
        "repro",
        "repro tests.meta.faults.models:reference tests.meta.faults.models:departing --inputs {out}/four.npz "
        "--out {out}/repro.zip",
    ),
    (
        "mutants",
        "mutate --contract tests/mutate/subject/contract.toml --cases small "
        "--stage second --random 2 --arithmetic survivors --state {out}/state",
    ),
    ("certificate", "adopt {out}/weights {toy} --out {out}/adopted"),
    ("certificate.failed", "adopt {out}/weights {toy} --case gain --case tiny --out {out}/not-adopted"),
    ("recording.command", "record {toy} --out {out}/recording"),
    ("manifest.command", "capture {toy} --float64 --out {out}/golden"),
    ("manifest.dumps", "capture {toy} --side candidate --case gain --out {out}/dumps"),
    ("manifest.export", "export {toy} --float64 --axes candidate --out {out}/bundle"),
    ("result.dumps", "compare {toy} {out}/golden {out}/dumps"),
    ("bisect", "bisect {toy} --case gain --state {out}/bisect-state.json"),
    ("bisect.dumps", "bisect {toy} --golden {out}/golden --dumps {out}/dumps"),
    ("history", "history {out}/history.sqlite --add {out}/result.pass.json"),
    ("diff", "diff {out}/result.pass.json {out}/result.pass.json"),
    ("history.tap", "history {out}/history.sqlite --tap mu"),
    (
        "written.report",
        "report {out}/result.json {out}/result.pass.json --out {out}/page --history {out}/history.sqlite",
    ),
    ("written.status", "status {out}/result.json {toy} --out {out}/status.md"),
    ("array", "inspect {out}/golden/mu.npy"),
    ("manifest.inspect", "inspect {out}/golden"),
    ("doctor", "doctor"),
    ("names.cases", "cases {toy}"),
    ("names.stages", "stages {toy}"),
    ("names.taps", "taps {toy}"),
]
FILES = {
    "recording": "recording/recording.json",
    "manifest": "golden/manifest.json",
    "manifest.bundle": "bundle/manifest.json",
    "bisect-state": "bisect-state.json",
    "report": "page/report.json",
    "certificate.file": "adopted/certificate.json",
}


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> dict[str, Any]:
    """What the commands write, by the schema's name and what made it."""
    out = tmp_path_factory.mktemp("written")
    toy.write_checkpoint(out / "weights")
    np.savez(out / "x.npz", **inputs("decoder_block"))
    np.savez(out / "four.npz", x=np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setattr(sys, "path", list(sys.path))
        for name, command in COMMANDS:
            line = command.format(toy=f"--contract {TOY}", out=out, gelu=committed("decoder_block", "gelu"))
            assert main([*line.split(), "--json", str(out / f"{name}.json")]) in (0, 1), line
    found = {name: json.loads((out / f"{name}.json").read_text()) for name, _ in COMMANDS}
    return found | {name: json.loads((out / file).read_text()) for name, file in FILES.items()}


def closed(schema: Any, definition: bool = False) -> Any:
    """The schema, but every object has no other keys than it names."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {
        key: {name: closed(each, key == "$defs") for name, each in value.items()}
        if key in ("properties", "$defs")
        else closed(value)
        for key, value in schema.items()
    }
    names_keys = "properties" in schema or "$ref" in schema
    return inner | ({"unevaluatedProperties": False} if names_keys and not definition else {})


def validate(name: str, value: Any) -> None:
    Draft202012Validator(closed(SCHEMAS[name.partition(".")[0]])).validate(value)


@pytest.mark.parametrize("name", [*(name for name, _ in COMMANDS), *FILES])
def test_what_is_written_is_as_the_schema_says(written, name):
    validate(name, written[name])


def test_a_key_that_lacks_is_new_or_has_another_type_is_seen(written):
    for change in (
        lambda result: result["verdicts"][3].pop("tap"),
        lambda result: result["verdicts"][3].update(new=1),
        lambda result: result.update(cases=[]),
        lambda result: result["diagnosis"].update(inside=3),
    ):
        result = copy.deepcopy(written["result"])
        change(result)
        with pytest.raises(ValidationError):
            validate("result", result)


@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_a_record_of_what_is_too_big_for_a_dump(tmp_path, dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    reduced(array).save(tmp_path / "tap.json")
    validate("reduced", json.loads((tmp_path / "tap.json").read_text()))
    validate("reduced", json.loads(parity_reduced.record(array, 1)))


def test_an_audit_and_a_comparison_of_waves(tmp_path, capsys):
    weights.main(["audit", str(cached("tiny") / "ve.safetensors"), "--json", str(tmp_path / "audit.json")])
    validate("audit", json.loads((tmp_path / "audit.json").read_text()))
    (tmp_path / "a.wav").write_bytes(wav(np.sin(np.arange(12000) / 20), 24000))
    capsys.readouterr()
    assert quality.main([str(tmp_path / "a.wav"), str(tmp_path / "a.wav"), "--json"]) == 0
    validate("quality", json.loads(capsys.readouterr().out))


def test_what_turned_and_what_moved(written, tmp_path):
    result = copy.deepcopy(written["result.pass"])
    result["verdicts"][0] |= {"passed": False}
    next(verdict for verdict in result["verdicts"][1:] if verdict["ratio32"])["ratio32"] *= 2
    for name, value in (("old", written["result.pass"]), ("new", result)):
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    files = [str(tmp_path / f"{name}.json") for name in ("old", "new", "diff")]
    assert main(["diff", *files[:2], "--json", files[2]]) == 1
    found = json.loads(Path(files[2]).read_text())
    assert (len(found["turned"]), len(found["moved"])) == (1, 1)
    validate("diff", found)


def test_every_schema_is_one_and_is_used():
    for schema in SCHEMAS.values():
        Draft202012Validator.check_schema(schema)
    used = {name.partition(".")[0] for name in [*(name for name, _ in COMMANDS), *FILES]}
    assert used | {"audit", "quality", "reduced", "error"} == set(SCHEMAS)  # error: tests/meta/test_error_codes.py
    for name in SCHEMAS:
        assert f"schemas/{name}.json" in Path(ROOT / "docs" / "report.md").read_text()
