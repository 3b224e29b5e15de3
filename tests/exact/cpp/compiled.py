"""`tox -e cpp`: what needs a compiler. The port from a tiny checkpoint as it is published, and docs/any-language.md."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from parity.base.draws import normal
from parity.cli import main
from parity.prove import prove
from reference.weights.flow import load_flow
from spec.config import TINY
from spec.files.checkpoint import S3GEN
from tests.docs.markdown import ROOT, blocks
from tests.docs.session import Session, missing
from tests.exact.cpp import build
from tests.exact.cpp.called import Decoder, DecoderBlock, Encoder
from tests.exact.cpp.faults import PARTS

PAGE = ROOT / "docs" / "any-language.md"
COMPILER = ("not run", "needs a compiler")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build.exporter(tmp_path_factory.mktemp("port"))


@pytest.mark.parametrize("lengths", [(9,), (7, 5, 3)])
def test_the_tiny_encoder_is_proven(
    program: Path, tiny_checkpoint: Path, tmp_path: Path, lengths: tuple[int, ...]
) -> None:
    graph = build.exported(
        program, tiny_checkpoint / S3GEN, "encoder", tmp_path / "port.mlxfn", list(map(str, lengths))
    )
    x = normal("compiled", "x", (len(lengths), max(lengths), TINY.encoder.width))
    proven = prove(Encoder(load_flow(tiny_checkpoint, TINY), lengths), str(graph), {"x": x})
    assert proven.proven
    assert proven.outputs[0].error <= 1e-13


@pytest.mark.parametrize("frames", [6, 11])
@pytest.mark.parametrize("name", ["down_blocks.0", "mid_blocks.1", "up_blocks.0"])
def test_each_kind_of_tiny_decoder_block_is_proven(
    program: Path, tiny_checkpoint: Path, tmp_path: Path, name: str, frames: int
) -> None:
    options = [name, str(TINY.decoder.heads), "3", str(frames)]
    graph = build.exported(program, tiny_checkpoint / S3GEN, "decoder_block", tmp_path / "port.mlxfn", options)
    block = load_flow(tiny_checkpoint, TINY).decoder.get_submodule(name)
    mask = np.ones((3, frames), np.float32)
    mask[1, -2:] = 0
    x = normal("compiled", "frames", (3, frames, block.resnet.res_conv.in_channels))
    t = normal("compiled", "t", (3, TINY.decoder.time_width))
    assert prove(DecoderBlock(block), str(graph), {"x": x, "mask": mask, "t": t}).proven


@pytest.mark.parametrize("frames", [6, 11])
def test_the_tiny_decoder_is_proven(program: Path, tiny_checkpoint: Path, tmp_path: Path, frames: int) -> None:
    options = [str(TINY.decoder.heads), "3", str(frames)]
    graph = build.exported(program, tiny_checkpoint / S3GEN, "decoder", tmp_path / "port.mlxfn", options)
    mels = {name: normal("compiled", name, (3, frames, TINY.mel_bins)) for name in ("x", "mu", "cond")}
    mask = np.ones((3, frames), np.float32)
    mask[1, -2:] = 0
    others = {
        "mask": mask,
        "t": np.float32([0.1, 0.5, 0.9]),
        "speaker": normal("compiled", "speaker", (3, TINY.mel_bins)),
    }
    given = {name: (mels | others)[name] for name in ("x", "mask", "mu", "t", "speaker", "cond")}
    proven = prove(Decoder(load_flow(tiny_checkpoint, TINY).decoder), str(graph), given)
    assert proven.proven
    assert proven.found is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "expected CHECKPOINT OUT"),
        (["encoder"], "expected CHECKPOINT OUT"),
        (
            ["decoder_block", "mid_blocks.9", "2", "1", "7"],
            "the file has no tensor flow.decoder.estimator.mid_blocks.9.",
        ),
    ],
)
def test_what_cannot_be_exported_is_said(
    program: Path, tiny_checkpoint: Path, tmp_path: Path, options: list[str], said: str
) -> None:
    command = [program, tiny_checkpoint / S3GEN, tmp_path / "port.mlxfn", *options]
    outcome = subprocess.run(command, capture_output=True, text=True)
    assert outcome.returncode == 2
    assert said in outcome.stderr
    assert not (tmp_path / "port.mlxfn").exists()


def test_the_page_runs_with_a_compiler(tmp_path: Path) -> None:
    found = [replace(block, mark=("", "")) if block.mark == COMPILER else block for block in blocks(PAGE.read_text())]
    session, output = Session(found, tmp_path), ""
    for block in found:
        if block.runs:
            outcome = session.until(block)
            assert outcome.code == 0, outcome.output
            output += outcome.output
        elif block.language == "text":
            assert missing(block.text, output) == [], output
    assert output.count("PROVEN: ") == 2
    assert "NOT PROVEN" not in output


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> Path:
    folder = tmp_path_factory.mktemp("bundle") / "bundle"
    command = ["export", "--case", "tiny-flow-batch", "--checkpoint", str(tiny_checkpoint), "--out", str(folder)]
    assert main([*command, "--contract", str(ROOT / "fixtures" / "contract.toml"), "--quiet"]) == 0
    return folder


@pytest.mark.parametrize("fault", [None, "padding"])
def test_dumps_of_the_encoder_are_judged(
    bundle: Path, tiny_checkpoint: Path, tmp_path: Path, fault: str | None
) -> None:
    program = build.built(tmp_path, "dump.cpp", PARTS["encoder"][fault] if fault else None)
    subprocess.run([program, tiny_checkpoint / S3GEN, bundle, tmp_path / "dumps"], check=True)
    result = tmp_path / "result.json"
    code = main(["compare", str(bundle), str(tmp_path / "dumps"), "--allow-missing", "--quiet", "--json", str(result)])
    failed: dict[str, list[str]] = {"local": [], "accumulated": []}
    verdicts = json.loads(result.read_text())["verdicts"]
    for one in verdicts:
        failed[one["mode"]] += [one["tap"]] * (not one["passed"])
    assert len(verdicts) == 22
    assert code == int(fault is not None)
    assert failed["local"] == (["encoder.pre_lookahead_layer"] if fault else [])
    assert failed["accumulated"][:1] == failed["local"]
