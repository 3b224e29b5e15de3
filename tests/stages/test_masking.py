"""Padding on each side alone: no NaN in any dtype, nothing seen behind a mask, and no trace of a mask of ones."""

import importlib

import numpy as np
import pytest

from parity.base.draws import integers, normal
from parity.base.metrics import rms, rmse
from spec.config import TINY, time_grid

HALVES = ["float16", "bfloat16"]
LENGTHS, FRAMES = [6, 2], [12, 4]


def dtype(side, name: str):
    """The dtype of that name in the side's framework."""
    return getattr(importlib.import_module({"torch": "torch", "mlx": "mlx.core"}[side.framework]), name)


def in_dtype(side, value, name: str):
    return value.to(dtype(side, name)) if side.framework == "torch" else value.astype(dtype(side, name))


def softmax(side, scores):
    if side.framework == "torch":
        return scores.softmax(-1)
    return importlib.import_module("mlx.core").softmax(scores, axis=-1)


@pytest.fixture
def conditions(side):
    """Builds the side's guided conditions of two items with the given mask over 12 frames."""
    mu, cond = (normal("masking", name, (2, TINY.mel_bins, 12)) for name in ("mu", "cond"))
    speaker = normal("masking", "speaker", (2, TINY.mel_bins))

    def make(mask: np.ndarray | None):
        own = None if mask is None else side.own(mask.astype(np.float32))
        return side.module("ode").Conditions(side.own(mu), side.own(speaker), side.own(cond), own)

    return make


@pytest.fixture
def noise() -> np.ndarray:
    return normal("masking", "noise", (2, TINY.mel_bins, 12))


@pytest.mark.parametrize("name", ["float32", *HALVES])
def test_bias_is_finite_and_hides_padding_entirely(side, name):
    mask = np.array([[1, 1, 0, 1], [0, 0, 0, 0]], np.float32)
    bias = side.module("attention_mask").attention_bias(in_dtype(side, side.as_is(mask), name))
    assert tuple(bias.shape) == (2, 1, 1, 4)
    assert bias.dtype == dtype(side, name)
    scores = in_dtype(side, side.as_is(normal("masking", "scores", (2, 3, 5, 4)) * 20), name)
    bias_values, weights = side.as_numpy(bias), side.as_numpy(softmax(side, scores + bias))
    assert np.isfinite(bias_values).all()
    assert not bias_values[0, 0, 0, [0, 1, 3]].any()
    assert np.isfinite(weights).all()
    assert not weights[0, :, :, 2].any()
    np.testing.assert_allclose(weights.sum(-1), 1, atol=0.02)
    if name == "float32":
        assert np.all(weights[1] == 0.25)  # no valid key: uniform, for the scores are lost in 1e10


def test_upstreams_bias_would_be_nan_in_float16(side):
    """What the test above rejects: (1 - mask) * -1e10 is -inf in float16, and 0 * -inf is NaN."""
    mask = in_dtype(side, side.as_is(np.array([[1, 0], [0, 0]], np.float32)), "float16")
    minus_1e10 = in_dtype(side, side.as_is(np.full((1,), -1e10, np.float32)), "float16")
    weights = side.as_numpy(softmax(side, (1 - mask) * minus_1e10))
    assert np.isnan(weights).all()


def test_lengths_become_a_mask(side):
    padding_mask = side.module("attention_mask").padding_mask
    like = side.as_is(np.zeros(1, np.float32))
    assert padding_mask([3, 3], 3, like) is None
    mask = side.as_numpy(padding_mask([3, 1], 3, like))
    assert mask.dtype == np.float32
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]


def test_no_mask_and_a_mask_of_ones_give_equal_bits(side, conditions, noise):
    grid = time_grid(3)
    plain = side.solve(noise, grid, conditions(None), TINY.guidance)
    ones = side.solve(noise, grid, conditions(np.ones((2, 12))), TINY.guidance)
    assert np.array_equal(plain, ones)
    holed = np.ones((2, 12))
    holed[0, -1] = 0
    assert not np.array_equal(plain, side.solve(noise, grid, conditions(holed), TINY.guidance))


def test_encoder_layer_without_bias_and_with_zeros_give_equal_bits(side):
    encoder = side.flow.encoder
    x = side.as_is(normal("masking", "layer", (2, 7, TINY.encoder.width)))
    positions, zeros = encoder.positions(x), side.as_is(np.zeros((2, 1, 1, 7), np.float32))
    layer = encoder.encoders[0]
    plain = side.as_numpy(layer(x, positions, None))
    assert np.array_equal(plain, side.as_numpy(layer(x, positions, zeros)))


def test_fully_masked_item_is_finite_and_touches_no_other(side, conditions, noise):
    mask = np.ones((2, 12))
    mask[1] = 0
    mel = side.solve(noise, time_grid(3), conditions(mask), TINY.guidance)
    plain = side.solve(noise, time_grid(3), conditions(None), TINY.guidance)
    assert np.array_equal(mel[1], noise[1])  # no velocity where nothing is real
    assert np.array_equal(mel[0], plain[0])


def test_convolutions_see_no_future(side):
    """A change in frame 5 leaves frames 0 to 4 as they were: in the decoder's blocks, in the encoder's upsampling."""
    block, up = side.flow.decoder.final_block, side.flow.encoder.up_layer
    x = normal("masking", "causal", (1, TINY.decoder.width, 9))
    changed = x.copy()
    changed[:, :, 5] += 1
    before, after = (side.common(block(side.own(array), None)) for array in (x, changed))
    moved = np.abs(after - before).max(axis=(0, 1)) > 0
    assert moved.tolist() == [False] * 5 + [True] * 3 + [False]  # a kernel of 3

    before, after = (side.as_numpy(up(side.as_is(array.swapaxes(1, 2)))) for array in (x, changed))
    moved = np.abs(after - before).max(axis=(0, 2)) > 0
    assert moved.tolist() == [False] * 10 + [True] * 6 + [False] * 2  # frames 10 and 11, a kernel of 5


@pytest.mark.parametrize("name", HALVES)
def test_half_precision_flow_is_finite_on_a_padded_batch(side, name, tiny_checkpoint):
    flow = side.module("weights").load_flow(tiny_checkpoint, TINY, dtype(side, name))
    tokens = integers("masking", "tokens", (2, max(LENGTHS)), TINY.encoder.vocab_size)
    floats = {
        "prompt": normal("masking", "prompt", (2, 3, TINY.mel_bins)),
        "embedding": normal("masking", "embedding", (2, TINY.speaker_width)),
        "noise": swapped_for(side, normal("masking", "noise", (2, TINY.mel_bins, max(FRAMES)))),
        "grid": time_grid(2),
    }

    def run(model, name: str) -> np.ndarray:
        own = [in_dtype(side, side.as_is(array), name) for array in floats.values()]
        mel = model(side.own(tokens), LENGTHS, *own, True)
        assert mel.dtype == dtype(side, name)
        return side.as_numpy(mel)

    half, single = run(flow, name), run(side.flow, "float32")
    assert np.isfinite(half).all()
    error = rmse(half, single) / rms(single)
    # bfloat16 has 8 bits, float16 11: the check is of finiteness and of nothing grossly wrong.
    assert 1e-5 < error < 0.2


def swapped_for(side, array: np.ndarray) -> np.ndarray:
    """`(B, C, M)` in the side's own layout, still as NumPy."""
    return side.as_numpy(side.own(array))
