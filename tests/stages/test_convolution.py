"""The CPU's convolutions of mlx_impl against PyTorch's, which has another layout and other loops."""

import mlx.core as mx
import numpy as np
import pytest
import torch

from mlx_impl.ops.convolution import Conv1d, ConvTranspose1d
from mlx_impl.ops.taps import between_zeros, overlap_add, stacked_conv1d, tapwise_conv1d
from parity.base.draws import normal
from parity.base.metrics import rmse

pytestmark = pytest.mark.usefixtures("on_cpu")


def both(transposed: bool, width_in: int, width: int, kernel: int, frames: int, **options: int) -> tuple[float, float]:
    """Truth and distance, in noise floors, of a convolution with random weights."""
    name = f"{transposed}{width_in}{width}{kernel}{frames}{options}"
    x = normal(name, "x", (2, width_in, frames))
    weight = normal(name, "weight", (width_in, width, kernel) if transposed else (width, width_in, kernel))
    bias = normal(name, "bias", (width,))
    operation = torch.nn.functional.conv_transpose1d if transposed else torch.nn.functional.conv1d
    tensors = [torch.from_numpy(array) for array in (x, weight, bias)]
    reference = operation(*tensors, **options).numpy()
    exact = operation(*(tensor.double() for tensor in tensors), **options).numpy()
    module = (ConvTranspose1d if transposed else Conv1d)(width_in, width, kernel, **options)
    module.weight = mx.array(np.ascontiguousarray(weight.transpose((1, 2, 0) if transposed else (0, 2, 1))))
    module.bias = mx.array(bias)
    ours = np.array(module(mx.array(np.ascontiguousarray(x.swapaxes(1, 2))))).swapaxes(1, 2)
    assert ours.shape == reference.shape
    floor = rmse(reference, exact)
    return rmse(ours, exact) / floor, rmse(ours, reference) / floor


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((24, 20, 3, 50), {}),
        ((24, 20, 11, 90), {"dilation": 5, "padding": 25}),
        ((64, 20, 11, 92), {"dilation": 3, "padding": 4}),
        ((18, 16, 30, 181), {"stride": 15, "padding": 7}),
        ((18, 16, 6, 61), {"stride": 3, "padding": 1}),
        ((18, 16, 1, 61), {}),
        ((256, 64, 3, 40), {"dilation": 3, "padding": 3}),
        ((130, 16, 3, 40), {"stride": 2, "dilation": 2}),
    ],
)
def test_convolution_is_as_close_as_torch(shape, options):
    truth, distance = both(False, *shape, **options)
    assert truth <= 1.5
    assert distance <= 2.0


@pytest.mark.parametrize("kernel_and_rate", [(16, 8), (11, 5), (7, 3), (4, 4), (3, 5)])
def test_transposed_convolution_is_as_close_as_torch(kernel_and_rate):
    kernel, rate = kernel_and_rate
    truth, distance = both(True, 64, 32, kernel, 20, stride=rate, padding=max(0, (kernel - rate) // 2))
    assert truth <= 1.5
    assert distance <= 2.0


def test_a_convolution_of_wrong_dilation_is_far_off():
    module = Conv1d(4, 4, 3, dilation=2, padding=2)
    x = mx.array(normal("conv", "x", (1, 20, 4)))
    right = np.array(module(x))
    module.dilation, module.padding = 1, 1
    assert rmse(np.array(module(x)), right) > 0.01


def test_overlap_add_adds_frames_where_they_lie():
    frames = normal("overlap", "frames", (2, 5, 7, 3))
    expected = np.zeros((2, 3 * 4 + 7, 3))
    for index in range(5):
        expected[:, 3 * index : 3 * index + 7] += frames[:, index]
    np.testing.assert_allclose(np.array(overlap_add(mx.array(frames), 3)), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "stride", "dilation"),
    [((64, 20, 11, 50), 1, 3), ((256, 32, 7, 40), 1, 5), ((18, 16, 6, 90), 3, 1), ((18, 16, 30, 95), 15, 1)],
)
def test_what_a_gpu_runs_is_the_same_convolution(shape, stride, dilation):
    width_in, width, kernel, frames = shape
    name = f"stacked{shape}"
    x = mx.array(normal(name, "x", (2, frames, width_in)))
    weight = mx.array(normal(name, "weight", (width, kernel, width_in)))
    want = np.array(tapwise_conv1d(mx.pad(x, ((0, 0), (3, 3), (0, 0))), weight, stride, dilation))
    got = np.array(stacked_conv1d(between_zeros(x, 3), weight, stride, dilation))
    np.testing.assert_allclose(got, want, rtol=0, atol=3e-6 * np.abs(want).max())
    other = np.array(stacked_conv1d(between_zeros(x, 3), weight[:, ::-1], stride, dilation))
    assert np.abs(other - want).max() > 0.1 * np.abs(want).max()
