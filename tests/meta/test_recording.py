"""parity.run.recordings: a candidate judged by a recorded reference gets the verdicts of a run of both sides."""

from __future__ import annotations

import json
import shutil

import pytest

from parity.base.errors import InputError
from parity.capture.trace_folder import StoredTrace
from parity.run import recordings as recording
from tests.meta import toy
from tests.meta.toy import FAULTS


def quiet(message: str) -> None:
    pass


@pytest.fixture(scope="module")
def recorded(toy_contract, toy_checkpoint, tmp_path_factory):
    """The toy's reference, recorded once for each case."""
    folders = {}

    def recorded(case: str):
        if case not in folders:
            out = tmp_path_factory.mktemp("recorded") / "recording"
            recording.record(toy_contract, toy.load(case), toy_checkpoint, out, quiet)
            folders[case] = out
        return folders[case]

    return recorded


@pytest.mark.parametrize("case", ["tiny", *(fault for fault in FAULTS if fault != "draws")])
def test_equal_verdicts(recorded, verify_toy, toy_contract, toy_checkpoint, case):
    here = verify_toy(case)
    there = recording.verify(toy_contract, toy.load(case), toy_checkpoint, recorded(case), quiet)
    assert there.passed == here.passed == (case == "tiny")
    assert repr(there.verdicts) == repr(here.verdicts)  # NaN is not equal to itself
    assert there.places == here.places
    assert repr(there.pictures) == repr(here.pictures)


@pytest.fixture
def copied(recorded, tmp_path):
    return shutil.copytree(recorded("tiny"), tmp_path / "copied")


def judge(contract, checkpoint, folder, case: str = "tiny"):
    return recording.verify(contract, toy.load(case), checkpoint, folder, quiet)


def test_a_recording_of_something_else_is_refused(copied, toy_contract, toy_checkpoint, tmp_path):
    with pytest.raises(InputError, match="recorded with another case"):
        judge(toy_contract, toy_checkpoint, copied, "full")
    other = shutil.copytree(toy_checkpoint, tmp_path / "other")
    (other / "more").write_text("x")
    with pytest.raises(InputError, match="recorded with another checkpoint"):
        judge(toy_contract, other, copied)
    with pytest.raises(InputError, match="cannot be read"):
        judge(toy_contract, toy_checkpoint, tmp_path)
    index = json.loads((copied / recording.INDEX).read_text())
    (copied / recording.INDEX).write_text(json.dumps(index | {"schema": 9}))
    with pytest.raises(InputError, match="recorded with another schema"):
        judge(toy_contract, toy_checkpoint, copied)


@pytest.mark.parametrize(("how", "said"), [("altered", "its content was altered"), ("missing", "got no regular file")])
def test_a_file_that_is_not_as_recorded_is_refused(copied, toy_contract, toy_checkpoint, how, said):
    file = copied / "0-reference" / "mu.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    if how == "missing":
        file.unlink()
    with pytest.raises(InputError, match=rf"mu\.npy.*{said}"):
        judge(toy_contract, toy_checkpoint, copied)


def test_nothing_is_overwritten_and_nothing_is_left_behind(toy_contract, toy_checkpoint, tmp_path, monkeypatch):
    (tmp_path / "there").mkdir()
    with pytest.raises(InputError, match="exists; nothing was written"):
        recording.record(toy_contract, toy.load("tiny"), toy_checkpoint, tmp_path / "there", quiet)

    def broken(*arguments):
        raise InputError("broken")

    monkeypatch.setattr(StoredTrace, "__setitem__", broken)
    with pytest.raises(InputError, match="broken"):
        recording.record(toy_contract, toy.load("tiny"), toy_checkpoint, tmp_path / "out", quiet)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
