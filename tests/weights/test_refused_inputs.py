"""Inputs that the flow cannot take: both sides refuse them before computing, in words for whoever made them."""

import importlib

import numpy as np
import pytest

from fixtures import cases
from spec.config import CHATTERBOX_SIZES

STREAM = "tiny-flow-stream"  # lengths 12 and 9, the last 3 tokens withheld


@pytest.fixture(params=["reference", "mlx_impl"])
def run_encoder(request, tiny_checkpoint):
    """Runs the first stage of a side's pipeline on inputs in the reference's layout."""
    pipeline = importlib.import_module(f"{request.param}.pipeline").Pipeline

    def run(inputs: dict[str, np.ndarray], finalize: bool = True) -> dict[str, np.ndarray]:
        side = pipeline(tiny_checkpoint, {"config": CHATTERBOX_SIZES["tiny"], "finalize": finalize})
        own = inputs["x"].swapaxes(1, 2) if request.param == "mlx_impl" else inputs["x"]
        return side.run("encoder", None, inputs | {"x": own})

    return run


def edited(array: np.ndarray, value: float) -> np.ndarray:
    """The array with its last value replaced."""
    changed = array.copy()
    changed.flat[-1] = value
    return changed


# Name of the input, what it becomes, and what the error must say.
WRONG = {
    "no tokens": ("tokens", lambda a: a[:, :0], r"tokens have shape \(1, 0\).*is the text empty\?"),
    "no items": ("tokens", lambda a: a[:0], r"tokens have shape \(0, 8\)"),
    "one axis": ("tokens", lambda a: a[0], r"tokens have shape \(8,\), expected \(B, T\)"),
    "special token": ("tokens", lambda a: edited(a, 6561), r"token 6561 is outside the vocabulary 0 \.\.\. 6560"),
    "negative token": ("tokens", lambda a: edited(a, -1), r"token -1 is outside the vocabulary"),
    "too long": ("lengths", lambda a: a + 1, r"lengths are \[9\], expected one per item, each from 1 to 8"),
    "zero long": ("lengths", lambda a: a * 0, r"lengths are \[0\], expected one per item"),
    "two lengths": ("lengths", lambda a: np.repeat(a, 2), r"lengths are \[8, 8\], expected one per item"),
    "prompt of tokens": ("prompt_mel", lambda a: a[:, :, 0], r"prompt_mel has shape \(1, 6\)"),
    "prompt of 79 bins": ("prompt_mel", lambda a: a[:, :, 1:], r"prompt_mel has shape \(1, 6, 79\), expected"),
    "prompt longer than all": (
        "prompt_mel",
        lambda a: np.repeat(a, 3, axis=1),
        r"prompt_mel has 18 frames, expected at most the 16",
    ),
    "NaN in the prompt": ("prompt_mel", lambda a: edited(a, np.nan), "prompt_mel holds NaN or infinite"),
    "narrow x-vector": ("embedding", lambda a: a[:, 1:], r"embedding has shape \(1, 191\), expected \(1, 192\)"),
    "infinite x-vector": ("embedding", lambda a: edited(a, np.inf), "embedding holds NaN or infinite"),
    "noise of other frames": ("x", lambda a: a[:, :, 1:], r"x has shape \(1, 80, 15\), expected \(1, 80, 16\)"),
    "noise of two items": ("x", lambda a: np.repeat(a, 2, axis=0), r"x has shape \(2, 80, 16\)"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_inputs_are_refused(run_encoder, what):
    name, change, message = WRONG[what]
    inputs = cases.load("tiny-flow").inputs
    with pytest.raises(ValueError, match=message):
        run_encoder(inputs | {name: change(inputs[name])})


def test_a_stream_shorter_than_what_it_withholds_is_refused(run_encoder):
    inputs = cases.load(STREAM).inputs
    with pytest.raises(ValueError, match=r"lengths are \[12, 3\], expected more than the 3 tokens that finalize=False"):
        run_encoder(inputs | {"lengths": np.array([12, 3])}, finalize=False)
    with pytest.raises(ValueError, match=r"x has shape \(2, 80, 18\), expected \(2, 80, 24\)"):
        run_encoder(inputs, finalize=True)


def test_right_inputs_are_accepted(run_encoder):
    inputs = cases.load("tiny-flow").inputs
    assert run_encoder(inputs)["frames"].tolist() == [16]
    last = {"tokens": edited(inputs["tokens"], 6560), "prompt_mel": np.zeros((1, 16, 80), np.float32)}
    assert run_encoder(inputs | last)["frames"].tolist() == [16]
    stream = cases.load(STREAM).inputs
    assert run_encoder(stream | {"lengths": np.array([12, 4])}, finalize=False)["frames"].tolist() == [18, 2]


def test_an_unknown_dtype_is_refused(tiny_checkpoint):
    for side, dtype in (("reference", "float16"), ("mlx_impl", "float64")):
        pipeline = importlib.import_module(f"{side}.pipeline").Pipeline
        with pytest.raises(ValueError, match=f"dtype '{dtype}': expected one of float32"):
            pipeline(tiny_checkpoint, {"config": CHATTERBOX_SIZES["tiny"], "finalize": True}, dtype)
