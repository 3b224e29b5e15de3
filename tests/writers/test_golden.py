"""The committed dumps are the samples: NumPy wrote them, and the harness reads them under the names of their taps."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from parity.base import npy
from tests.writers.samples import SAMPLES
from writers import parity_dump

GOLDEN = Path(__file__).parent / "golden"


def bytes_of_numpy(array: np.ndarray) -> bytes:
    """The file that numpy.save makes."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def test_the_committed_files_are_those_of_the_samples():
    assert {file.stem for file in GOLDEN.iterdir()} == SAMPLES.keys()


@pytest.mark.parametrize("tap", SAMPLES)
def test_a_committed_file_is_what_numpy_saves(tap):
    file = GOLDEN / f"{tap}.npy"
    assert file.read_bytes() == bytes_of_numpy(SAMPLES[tap])
    assert npy.canonical_sha256(npy.read(file)) == npy.canonical_sha256(SAMPLES[tap])


def test_the_writer_of_numpy_gives_the_committed_files(tmp_path):
    dump = parity_dump.Dump(tmp_path / "deep" / "dumps")
    brains = parity_dump.widened(np.array([0x3F80, 0xC000, 0x4049], np.uint16))
    for tap, array in (SAMPLES | {"bfloat16": brains}).items():
        dump.write(tap, array)
    made = {file.name: file.read_bytes() for file in (tmp_path / "deep" / "dumps").iterdir()}
    assert made == {file.name: file.read_bytes() for file in GOLDEN.iterdir()}
