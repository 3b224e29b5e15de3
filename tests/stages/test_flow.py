"""The flow on each side alone: batches, withheld frames and prompts. A batch changes what upstream lets it change."""

import numpy as np
import pytest

from parity.base.draws import integers, normal
from parity.base.metrics import rms, rmse
from spec.config import TINY, time_grid

LENGTHS = [14, 9, 5]
FRAMES = [28, 18, 10]
ROUNDINGS = 2e-6
"""Relative RMSE of a few dozen float32 roundings: the same values through products of other shapes. Measured: 4e-7."""


def relative(array: np.ndarray, expected: np.ndarray) -> float:
    return rmse(array, expected) / rms(expected)


@pytest.fixture(scope="module")
def tokens() -> np.ndarray:
    return integers("flow", "tokens", (3, max(LENGTHS)), TINY.encoder.vocab_size)


@pytest.fixture(scope="module")
def given() -> dict[str, np.ndarray]:
    """mu, prompt mel, x-vector and noise of three items with `FRAMES` valid frames."""
    frames = max(FRAMES)
    return {
        "mu": normal("flow", "mu", (3, TINY.mel_bins, frames)),
        "prompt": normal("flow", "prompt", (3, 6, TINY.mel_bins)),
        "embedding": normal("flow", "embedding", (3, TINY.speaker_width)),
        "noise": normal("flow", "noise", (3, TINY.mel_bins, frames)),
    }


def solve_item(side, given: dict[str, np.ndarray], item: int, frames: int) -> np.ndarray:
    """The mel of one item that is alone in its batch, so without a mask."""
    one = {name: array[item : item + 1] for name, array in given.items()}
    conditions = side.conditions(one["mu"][:, :, :frames], [frames], one["prompt"], one["embedding"])
    assert conditions.mask is None
    return side.solve(one["noise"][:, :, :frames], time_grid(TINY.steps), conditions, TINY.guidance)


def test_decoder_gives_each_item_of_a_batch_what_it_gets_alone(side, given):
    conditions = side.conditions(given["mu"], FRAMES, given["prompt"], given["embedding"])
    mel = side.solve(given["noise"], time_grid(TINY.steps), conditions, TINY.guidance)
    for item, frames in enumerate(FRAMES):
        assert relative(mel[item : item + 1, :, :frames], solve_item(side, given, item, frames)) < ROUNDINGS
        # The velocity of padding is 0: its noise is left as it was.
        assert np.array_equal(mel[item, :, frames:], given["noise"][item, :, frames:])


def test_decoder_without_its_mask_gives_short_items_something_else(side, given):
    unmasked = side.conditions(given["mu"], [max(FRAMES)] * 3, given["prompt"], given["embedding"])
    mel = side.solve(given["noise"], time_grid(TINY.steps), unmasked, TINY.guidance)
    for item, frames in enumerate(FRAMES[1:], start=1):
        assert relative(mel[item : item + 1, :, :frames], solve_item(side, given, item, frames)) > 0.01


def test_encoder_item_depends_on_no_other_item(side, tokens):
    mu, frames = side.encode(tokens, LENGTHS)
    assert frames == FRAMES
    for item, length in enumerate(LENGTHS):
        alone, _ = side.encode(tokens[item : item + 1], [length])
        valid = slice(0, 2 * length)
        assert relative(mu[item : item + 1, :, valid], alone[:, :, valid]) < ROUNDINGS


def test_encoder_item_depends_on_no_token_behind_its_length(side, tokens):
    other = tokens.copy()
    for item, length in enumerate(LENGTHS):
        other[item, length:] = 0
    assert not np.array_equal(tokens, other)
    assert np.array_equal(side.encode(tokens, LENGTHS)[0], side.encode(other, LENGTHS)[0])


@pytest.mark.parametrize("padding", [0, 1, 2, 3, 4])
def test_encoder_sees_padding_as_far_as_it_looks_ahead(side, tokens, padding):
    """A padded item is not what it is without padding, upstream as here.

    The embedding of a zeroed token is the linear layer's bias through a layer norm, not zero. The look-ahead
    convolution of the last tokens sees it where it would see the zeros behind the end, and attention spreads the
    difference to every frame. From `lookahead` padding tokens on nothing more changes.
    """
    length = 5
    enough, _ = side.encode(tokens[:1, : length + TINY.encoder.lookahead], [length])
    padded, _ = side.encode(tokens[:1, : length + padding], [length])
    error = relative(padded[:, :, : 2 * length], enough[:, :, : 2 * length])
    assert error < ROUNDINGS if padding >= TINY.encoder.lookahead else error > 0.001


def test_stream_withholds_the_last_frames_and_changes_no_other(side, tokens):
    whole, whole_frames = side.encode(tokens, LENGTHS)
    stream, frames = side.encode(tokens, LENGTHS, finalize=False)
    withheld = TINY.encoder.stride * TINY.encoder.lookahead
    assert stream.shape[2] == whole.shape[2] - withheld
    assert frames == [count - withheld for count in whole_frames]
    assert relative(stream, whole[:, :, :-withheld]) < ROUNDINGS
    conditions = side.conditions(stream, frames, normal("flow", "prompt", (3, 2, 80)), normal("flow", "e", (3, 192)))
    valid = np.arange(stream.shape[2])[None, :] < np.array(frames)[:, None]
    assert np.array_equal(np.array(side.common(conditions.mask)), valid)


def test_withheld_tokens_are_those_that_the_lookahead_layer_sees_incomplete(side, tokens):
    """Attention has no limit: a longer stream changes every frame a little, but only these lack their near future."""
    width, lookahead = TINY.encoder.width, TINY.encoder.lookahead
    x = normal("flow", "lookahead", (1, 12, width))
    layer = side.flow.encoder.pre_lookahead_layer
    longer, shorter = (side.as_numpy(layer(side.as_is(x[:, :count]))) for count in (12, 9))
    whole = 9 - lookahead
    assert relative(shorter[:, :whole], longer[:, :whole]) < ROUNDINGS
    for last in range(whole, 9):
        assert relative(shorter[:, last], longer[:, last]) > 0.001


@pytest.mark.parametrize("frames", [0, 6, 28])
def test_condition_holds_the_prompt_and_then_zeros(side, given, frames):
    prompt = normal("flow", "long prompt", (3, frames, TINY.mel_bins))
    conditions = side.conditions(given["mu"], FRAMES, prompt, given["embedding"])
    cond = side.common(conditions.cond)
    assert cond.shape == given["mu"].shape
    assert np.array_equal(cond[:, :, :frames], prompt.swapaxes(1, 2))
    assert not cond[:, :, frames:].any()


def test_speaker_ignores_the_length_of_the_x_vector(side, given):
    speakers = [
        side.common(side.conditions(given["mu"], FRAMES, given["prompt"], scale * given["embedding"]).speaker)
        for scale in (np.float32(1), np.float32(64), np.float32(0))
    ]
    assert relative(speakers[1], speakers[0]) < ROUNDINGS
    assert np.isfinite(speakers[2]).all()  # a silent voice: 0 / 0 is not taken
    assert relative(speakers[2], speakers[0]) > 0.01


@pytest.mark.parametrize("finalize", [True, False])
def test_whole_flow_is_its_stages(side, tokens, given, finalize):
    mu, frames = side.encode(tokens, LENGTHS, finalize)
    noise, grid = given["noise"][:, :, : mu.shape[2]], time_grid(TINY.steps)
    conditions = side.conditions(mu, frames, given["prompt"], given["embedding"])
    staged = side.solve(noise, grid, conditions, TINY.guidance)
    own = (side.as_is(given["prompt"]), *map(side.own, (given["embedding"], noise, grid)))
    whole = side.flow(side.own(tokens), LENGTHS, *own, finalize)
    bound = ROUNDINGS if side.name == "mlx_impl" else 0  # which computes the guidance branches apart
    assert relative(side.common(whole), staged) <= bound
