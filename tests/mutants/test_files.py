"""Faults of stored files: a golden that is stale or altered, dumps that lack a tap or are misread."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fixtures import cases
from parity.base import npy
from parity.base.errors import InputError
from parity.capture.golden import MANIFEST, Golden
from parity.run import dumps as offline
from parity.run.report import Report
from tests.mutants.battery import case, contract

LATER = "encoder.encoders.0.self_attn"


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    """A golden folder of the tiny flow, and one of the candidate's own dumps, without a manifest."""
    folder, subject = tmp_path_factory.mktemp("mutants"), case("flow")
    checkpoint = cases.synthetic_checkpoint(subject)
    offline.capture(contract(), subject, checkpoint, "reference", folder / "golden", floors=True)
    offline.capture(contract(), subject, checkpoint, "candidate", folder / "dumps")
    (folder / "dumps" / MANIFEST).unlink()
    return folder


@pytest.fixture
def judged(store, tmp_path) -> Callable[[Callable[[Path, Path], None]], Report]:
    """Judges copies of both folders, changed."""

    def judged(change: Callable[[Path, Path], None]) -> Report:
        for name in ("golden", "dumps"):
            shutil.copytree(store / name, tmp_path / name)
        change(tmp_path / "golden", tmp_path / "dumps")
        return offline.compare(contract(), Golden(tmp_path / "golden"), tmp_path / "dumps")

    return judged


def rewritten(folder: Path, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    array = np.ascontiguousarray(change(npy.read(folder / f"{name}.npy")))
    (folder / f"{name}.npy").unlink()
    npy.write(folder / f"{name}.npy", array)


def require(report: Report, tap: str, family: str) -> None:
    found = report.diagnosis
    assert not report.passed
    assert found is not None
    assert found.first.tap == tap
    assert family in found.families[:2], found.sentence()


def test_right_dumps_pass(judged):
    report = judged(lambda golden, dumps: None)
    assert report.passed
    assert report.diagnosis is None


def test_one_stale_golden_is_recognised(judged):
    def change(golden, dumps):
        rewritten(golden, LATER, lambda array: array * 1.01)
        manifest = json.loads((golden / MANIFEST).read_text())
        (entry,) = [entry for entry in manifest["taps"] if entry["name"] == LATER]
        entry["sha256"] = npy.canonical_sha256(npy.read(golden / f"{LATER}.npy"))
        (golden / MANIFEST).write_text(json.dumps(manifest))

    require(judged(change), LATER, "stale")


def test_one_altered_golden_is_refused(judged):
    with pytest.raises(InputError, match="content was altered"):
        judged(lambda golden, dumps: rewritten(golden, LATER, lambda array: array * 1.01))


def test_one_missing_tap_is_named(judged):
    require(judged(lambda golden, dumps: (dumps / f"{LATER}.npy").unlink()), LATER, "taps")


@pytest.mark.parametrize(
    ("change", "family"),
    [
        (lambda a: a.swapaxes(1, 2), "axis order"),
        (lambda a: a.swapaxes(1, 2).reshape(a.shape), "memory order"),
        (lambda a: a * np.nan, "not finite"),
        (lambda a: a.astype(np.float16).astype(np.float32), "rounding"),
        (lambda a: np.roll(a, 1, axis=1), "shift"),
    ],
)
def test_wrong_dumps_are_recognised(judged, change, family):
    require(judged(lambda golden, dumps: rewritten(dumps, LATER, change)), LATER, family)


def test_weights_of_another_checkpoint_are_refused(store, tmp_path):
    """Weights that the reference did not read would explain nothing."""
    golden, checkpoint = Golden(store / "golden"), cases.synthetic_checkpoint(case("flow"))
    assert offline.compare(contract(), golden, store / "dumps", checkpoint=checkpoint).passed
    with pytest.raises(InputError, match="no safetensors file of the reference's checkpoint"):
        offline.compare(contract(), golden, store / "dumps", checkpoint=tmp_path)
    (tmp_path / "s3gen.safetensors").write_bytes(b"others")
    with pytest.raises(InputError, match="not the file that the reference read"):
        offline.compare(contract(), golden, store / "dumps", checkpoint=tmp_path)
