"""The voice without its silent ends, on both sides; `tests/upstream/test_conditioning.py` compares with librosa."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest
import torch

import mlx_impl.conditioning.trim
import reference.conditioning.trim


@pytest.fixture(params=["reference", "mlx_impl"])
def trim(request):
    """A side's function, of a wave `(N,)`."""
    if request.param == "reference":
        return lambda wave: reference.conditioning.trim.trimmed(torch.from_numpy(wave[None]))[0].numpy()
    return lambda wave: np.array(mlx_impl.conditioning.trim.trimmed(mx.array(wave[None])))[0]


def test_silent_ends_are_cut_and_no_pause(trim):
    wave = np.zeros(40 * 512, np.float32)
    wave[10 * 512 : 12 * 512] = 0.5
    wave[20 * 512 : 22 * 512] = -0.5
    # A frame's loudness is that of 2048 samples around its start: one hop more at the start, two at the end.
    assert np.array_equal(trim(wave), wave[9 * 512 : 24 * 512])


def test_all_of_what_is_equally_loud_is_kept(trim):
    for wave in (np.zeros(5000, np.float32), np.full(5000, 0.1, np.float32)):
        assert np.array_equal(trim(wave), wave)
