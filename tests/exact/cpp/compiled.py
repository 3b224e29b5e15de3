"""`tox -e cpp`: what needs a compiler. The port from a tiny checkpoint as it is published, in several lengths."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from parity.base.draws import normal
from parity.prove import prove
from reference.weights.flow import load_flow
from spec.config import TINY
from spec.files.checkpoint import S3GEN
from tests.exact.cpp import build
from tests.exact.cpp.called import DecoderBlock, Encoder


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


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "usage: export CHECKPOINT"),
        (["encoder"], "usage: export CHECKPOINT"),
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
