"""Matrix products of mlx_impl: MLX's own, or in blocks where the device is found to add the terms in order."""

import json
import os
import subprocess
import sys

import mlx.core as mx
import numpy as np
import pytest
import torch
from mlx import nn

from mlx_impl.ops import linear, order
from mlx_impl.ops.linear import FEW, Linear, QuantizedLinear, addmm, matmul
from mlx_impl.ops.order import SHORT, sums_in_order
from parity.base.draws import normal
from parity.base.metrics import rms, rmse

MEASURE = """
import json
from parity.base.runtime import prepare
prepare()
import mlx.core as mx
import numpy as np
import torch
from mlx_impl.ops.linear import matmul
from mlx_impl.ops.order import sums_in_order
from parity.base.draws import normal
from parity.base.metrics import rmse
mx.set_default_device(mx.cpu)
torch.set_num_threads(1)
found = {}
for length in (64, 500, 1024):
    own, ours, theirs = [], [], []
    for row in range(20):
        x, weight = (normal(f"{length} {row}", name, (rows, length)) for name, rows in (("x", 1), ("weight", 64)))
        exact = x.astype(np.float64) @ weight.astype(np.float64).T
        a, b = mx.array(x), mx.array(weight).T
        theirs.append(rmse(torch.nn.functional.linear(torch.tensor(x), torch.tensor(weight)).numpy(), exact))
        own.append(rmse(np.array(a @ b), exact))
        ours.append(rmse(np.array(matmul(a, b)), exact))
    found[length] = [sums_in_order(length), np.mean(own) / np.mean(theirs), np.mean(ours) / np.mean(theirs)]
print(json.dumps(found))
"""


@pytest.mark.parametrize("blas", ["torch", "plain"])
def test_a_product_is_as_exact_as_pytorchs_whatever_the_blas(blas):
    command = [sys.executable, "-c", MEASURE]
    done = subprocess.run(command, env=os.environ | {"PARITY_BLAS": blas}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for length, (in_order, own, ours) in json.loads(done.stdout).items():
        assert in_order == (own > 1.4), (length, own)  # what the probe says is what its errors are
        assert ours < 1.2, (length, ours)
        if sys.platform == "linux":
            assert in_order == (blas == "plain"), length


@pytest.fixture
def in_order(monkeypatch):
    monkeypatch.setattr(order, "_sums_in_order", lambda device, bits: True)


@pytest.mark.parametrize(
    ("left", "right"),
    [((3, 17), (17, 5)), ((2, 1, 64), (64, 8)), ((2, 3, 4, 499), (2, 3, 499, 6)), ((1, 2, 7, 20), (1, 2, 20, 1))],
)
@pytest.mark.parametrize("gpu", [False, True])
def test_blocks_add_up_to_the_product(in_order, monkeypatch, gpu, left, right):
    monkeypatch.setattr(linear, "on_gpu", lambda: gpu)
    x, y = normal("blocks", "x", left), normal("blocks", "y", right)
    exact = x.astype(np.float64) @ y.astype(np.float64)
    floor = rmse((torch.from_numpy(x) @ torch.from_numpy(y)).numpy(), exact)
    ours = np.array(matmul(mx.array(x), mx.array(y)))
    assert ours.shape == exact.shape
    assert rmse(ours, exact) <= 2.0 * floor
    assert rmse(ours, x[..., :-1].astype(np.float64) @ y[..., :-1, :]) > 100 * floor  # a term left out


def test_a_term_is_added_to_either_product(monkeypatch):
    term, x, y = (
        mx.array(normal("addmm", name, shape)) for name, shape in (("t", (5,)), ("x", (3, 64)), ("y", (64, 5)))
    )
    for in_order in (True, False):
        monkeypatch.setattr(order, "_sums_in_order", lambda device, bits, in_order=in_order: in_order)
        assert mx.allclose(addmm(term, x, y), term + matmul(x, y), rtol=0, atol=1e-5).item()
        assert not mx.allclose(addmm(0 * term, x, y), term + matmul(x, y), rtol=0, atol=1e-5).item()


@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_layer_is_mlxs_with_other_sums(in_order, bias):
    layer = Linear(64, 32, bias=bias)
    layer.weight = mx.array(normal("linear", "weight", (32, 64)))
    x = mx.array(normal("linear", "x", (2, 3, 64)))
    theirs, ours = nn.Linear.__call__(layer, x), layer(x)
    assert mx.allclose(ours, theirs, rtol=0, atol=1e-5).item()
    assert not mx.array_equal(ours, theirs).item()
    assert isinstance(layer.to_quantized(32, 8), QuantizedLinear)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("rows", [1, FEW, FEW + 1, 40])
@pytest.mark.parametrize("bias", [True, False])
def test_a_quantised_layer_is_the_product_of_what_its_codes_stand_for(bits, rows, bias):
    layer = Linear(256, 33, bias=bias)
    layer.weight = mx.array(normal("quantized", "weight", (33, 256)))
    if bias:
        layer.bias = mx.array(normal("quantized", "bias", (33,)))
    quantized = layer.to_quantized(64, bits)
    x = normal("quantized", "x", (1, rows, 256))
    weight = np.array(mx.dequantize(quantized.weight, quantized.scales, quantized.biases, 64, bits))
    exact = x.astype(np.float64) @ weight.astype(np.float64).T + (np.array(layer.bias) if bias else 0)
    ours = np.array(quantized(mx.array(x)))
    assert ours.shape == exact.shape
    assert rmse(ours, exact) < 1e-6 * rms(exact)


def test_a_quantised_layer_in_half_precision_is_mlxs_own():
    layer = Linear(64, 32, bias=False)
    layer.set_dtype(mx.float16)
    quantized, x = layer.to_quantized(64, 4), mx.array(normal("quantized", "half", (3, 64))).astype(mx.float16)
    assert mx.array_equal(quantized(x), nn.QuantizedLinear.__call__(quantized, x))
    with pytest.raises(ValueError, match="only weights are quantised"):
        layer.to_quantized(64, 4, quantize_input=True)


def test_few_terms_and_half_precision_are_mlxs_own(in_order):
    for x in (mx.ones((2, SHORT)), mx.ones((2, 64), dtype=mx.float16)):
        assert linear.its_own(x)
    assert not linear.its_own(mx.ones((2, SHORT + 1)))


def test_the_device_is_asked_once():
    sums_in_order(700)
    asked = order._sums_in_order.cache_info().misses
    assert sums_in_order(1000) == sums_in_order(700)
    assert order._sums_in_order.cache_info().misses == asked
