"""Weights are those that are pinned, or refused in a sentence that says where they come from."""

from __future__ import annotations

import hashlib
import zipfile

import pytest

from fixtures.wheels import PERTH, content


def test_a_file_of_a_wheel_is_read_by_its_hash(tmp_path):
    with zipfile.ZipFile(tmp_path / PERTH, "w") as wheel:
        wheel.writestr("a/weights", b"some")
    sha256 = hashlib.sha256(b"some").hexdigest()
    assert content(PERTH, "a/weights", sha256, tmp_path) == b"some"
    with pytest.raises(ValueError, match=r"a/weights has SHA-256 .* expected 0000; remove the wheel"):
        content(PERTH, "a/weights", "0000", tmp_path)
    with pytest.raises(ValueError, match="no wheel with a file b"):
        content(PERTH, "b", sha256, tmp_path)


def test_a_missing_or_broken_wheel_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no such wheel; fetch it: python -m pip download .*tox -e trained"):
        content(PERTH, "a", "0", tmp_path)
    (tmp_path / PERTH).write_bytes(b"PK")
    with pytest.raises(ValueError, match="no wheel with a file a"):
        content(PERTH, "a", "0", tmp_path)
