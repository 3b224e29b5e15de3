"""Blocks of a real port that run as one, on the bundle's values: rounding passes, by the floor of the whole block.

A stand-in for a port that cannot be stopped inside a block: the MLX vocoder, block by block, of every depth.
"""

from __future__ import annotations

import pytest

from fixtures import cases
from parity.base import npy
from parity.capture.golden import Golden
from parity.capture.runner import Runner
from parity.capture.trace import keep
from parity.contract import Segment
from parity.contract.implementation import make_side
from parity.run import dumps as offline

CASE, DEPTHS = "tiny-vocoder", 4


@pytest.fixture(scope="module")
def subject(flow_contract, tmp_path_factory):
    """A bundle, and the candidate."""
    case = cases.load(CASE)
    checkpoint, out = cases.synthetic_checkpoint(case), tmp_path_factory.mktemp("blocks") / "bundle"
    offline.capture(flow_contract, case, checkpoint, "reference", out, bundle="reference")
    side = make_side(flow_contract, "candidate", checkpoint, case, "float32")
    return Golden(out), Runner(flow_contract, "candidate", side), flow_contract.segments(case.dims, case.segments)


def depths(segment: Segment) -> dict[str, int]:
    """In how many other taps each tap of a segment is."""
    return {tap.name: sum(tap.path.startswith(f"{outer.path}.") for outer in segment.taps) for tap in segment.taps}


@pytest.fixture
def dumped(flow_contract, subject, tmp_path):
    """Dumps of the blocks of one depth that have taps inside."""

    def dump(depth: int):
        golden, runner, segments = subject
        (tmp_path / "local").mkdir()
        for segment, start in zip(segments, golden.manifest["starts"], strict=True):
            state = {name: npy.read(golden.folder / entry["file"]) for name, entry in start["state"].items()}
            deep, found = depths(segment), {}
            forced = {
                tap.name: golden.load(tap.name)
                for tap in segment.taps
                if deep[tap.name] <= depth or flow_contract.decision(tap)
            }
            blocks = [name for name in deep if deep[name] == depth and golden.entries[name].get("block")]
            runner.run(segment, state, keep(found, blocks), forced=forced)
            for name, array in found.items():
                npy.write(tmp_path / "local" / f"{name}.npy", array)
        return tmp_path

    return dump


@pytest.mark.parametrize("depth", range(DEPTHS))
def test_a_right_block_passes_by_its_own_floor_alone(flow_contract, subject, dumped, depth):
    golden = Golden(subject[0].folder)
    folder = dumped(depth)
    report = offline.compare(flow_contract, golden, folder, allow_missing=True)
    assert report.passed and len(report.verdicts) == [3, 4, 12, 36][depth]
    for entry in golden.entries.values():
        entry.pop("block", None)
    by_the_last_operation = offline.compare(flow_contract, golden, folder, allow_missing=True)
    assert len(by_the_last_operation.failures) >= [3, 3, 12, 36][depth] - 1, "another floor would not be needed"
