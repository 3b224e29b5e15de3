"""Two blocks of equal shape exchanged, and nothing to compare the file with: the parity run says at which block."""

import shutil

import pytest
from safetensors.torch import load_file, save_file

import mlx_impl.pipeline
from fixtures import cases
from mlx_impl.convert.audit import audit
from mlx_impl.weights import load_flow
from parity import contract as contracts
from parity.contract import LOCAL
from parity.run.verify import Verifier

FILE = "s3gen.safetensors"
FIRST, SECOND = (f"flow.decoder.estimator.mid_blocks.{block}." for block in "01")


@pytest.fixture
def swapped(tiny_checkpoint, tmp_path):
    """A checkpoint directory with two blocks of the decoder exchanged."""
    tensors = load_file(tiny_checkpoint / FILE)
    for key in [key for key in tensors if key.startswith(FIRST)]:
        other = SECOND + key.removeprefix(FIRST)
        assert tensors[key].shape == tensors[other].shape
        tensors[key], tensors[other] = tensors[other], tensors[key]
    save_file(tensors, tmp_path / FILE)
    return tmp_path


def verify(pytestconfig, checkpoint):
    contract = contracts.load(pytestconfig.getoption("--contract"))
    return Verifier(contract, cases.load("tiny-flow"), checkpoint).run()


def test_the_parity_run_fails_at_the_first_swapped_block(pytestconfig, monkeypatch, tiny_checkpoint, swapped):
    assert audit(swapped / FILE).passed, "the file alone cannot show it, or this test is not needed"
    monkeypatch.setattr(mlx_impl.pipeline, "load_flow", lambda checkpoint, *rest: load_flow(swapped, *rest))
    report = verify(pytestconfig, tiny_checkpoint)
    first = report.first_failure
    assert not report.passed
    assert first.mode == LOCAL
    assert first.tap.startswith("decoder.mid_blocks.0.")
    wrong = {
        verdict.tap.split(".")[2]
        for verdict in report.failures
        if verdict.mode == LOCAL and "mid_blocks" in verdict.tap
    }
    assert wrong == {"0", "1"}
    assert all("mid_blocks" in verdict.tap for verdict in report.failures if verdict.mode == LOCAL)


def test_a_copy_that_is_the_same_passes(pytestconfig, monkeypatch, tiny_checkpoint, tmp_path):
    shutil.copy(tiny_checkpoint / FILE, tmp_path / FILE)
    monkeypatch.setattr(mlx_impl.pipeline, "load_flow", lambda checkpoint, *rest: load_flow(tmp_path, *rest))
    assert verify(pytestconfig, tiny_checkpoint).passed
