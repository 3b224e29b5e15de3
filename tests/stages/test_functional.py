"""mlx_impl.ops.functional against float64, with PyTorch's own float32 error as the yardstick."""

import math
import os
import subprocess
import sys
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
import torch

from mlx_impl.ops import functional as F
from mlx_impl.ops import lstm
from mlx_impl.ops.cpu import activations, exponential
from tests.stages.accuracy import judge, worst_ulp

ROOT = Path(__file__).resolve().parents[2]
INF, NAN = math.inf, math.nan

TWICE = 2 * math.sqrt(2 / math.pi)


def gelu_new(x: torch.Tensor) -> torch.Tensor:
    """As transformers has it."""
    return 0.5 * x * (1.0 + torch.tanh(TWICE / 2 * (x + 0.044715 * x.pow(3.0))))


# name -> (float64 truth, PyTorch in float32, half-width of the useful range, maximum error in ulp of the result)
FUNCTIONS = {
    "exp": (torch.exp, torch.exp, 87.0, 0.75),
    "silu": (lambda x: x * torch.special.expit(x), torch.nn.functional.silu, 80.0, 4.0),
    # 1 + erf cancels on the left even in float64; erfc does not.
    "gelu": (lambda x: x * torch.special.erfc(-x * math.sqrt(0.5)) / 2, torch.nn.functional.gelu, 12.5, 6.0),
    # What becomes of the error of a sigmoid's argument is as many times larger as the argument is.
    "gelu_new": (lambda x: x * torch.special.expit(TWICE * (x + 0.044715 * x**3)), gelu_new, 5.0, 40.0),
    "mish": (lambda x: x * torch.tanh(torch.log1p(torch.exp(x))), torch.nn.functional.mish, 80.0, 5.0),
}

pytestmark = pytest.mark.usefixtures("on_cpu")


def grid(kind: str, span: float) -> np.ndarray:
    rng = np.random.default_rng(7)
    return {
        "N(0,1)": rng.normal(size=100_000),
        "N(0,5)": 5 * rng.normal(size=100_000),
        "range": np.linspace(-span, span, 200_001),
        "around 0": np.linspace(-1, 1, 100_001),
    }[kind].astype(np.float32)


def three(name: str, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Our result, PyTorch's and the truth."""
    exact, op, *_ = FUNCTIONS[name]
    t = torch.from_numpy(x)
    return np.array(getattr(F, name)(mx.array(x))), op(t).numpy(), exact(t.double()).numpy()


@pytest.mark.parametrize("kind", ["N(0,1)", "N(0,5)", "range", "around 0"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_is_as_accurate_as_torch(name, kind):
    *_, span, ulp = FUNCTIONS[name]
    x = grid(kind, span)
    ours, torch32, truth = three(name, x)
    assert judge(ours, torch32, truth) == []
    if name == "exp":  # relative too: the absolute error is that of the few largest results
        assert judge(ours / truth, torch32 / truth, np.ones_like(truth)) == []
    inside = np.abs(x) <= span
    assert worst_ulp(ours[inside], truth[inside]) <= ulp


@pytest.mark.parametrize("kind", ["N(0,1)", "N(0,5)"])
def test_the_judge_rejects_a_tanh_gelu_and_an_exp_ten_ulp_off(kind):
    x = grid(kind, 0)
    _, torch32, truth = three("gelu", x)
    approximate = torch.nn.functional.gelu(torch.from_numpy(x), approximate="tanh").numpy()
    assert len(judge(approximate, torch32, truth)) == 2
    ours, torch32, truth = three("exp", x)
    assert len(judge(ours * np.float32(1 + 10 * 2**-24), torch32, truth)) == 2
    assert worst_ulp(ours * np.float32(1 + 10 * 2**-24), truth) > 4
    assert len(judge(np.where(x < 1, ours, NAN), torch32, truth)) == 2


def test_polynomials_have_the_stated_errors():
    """The float32 coefficients, in exact arithmetic: below 0.07, 0.05 and 0.21 of a rounding (2^-24)."""
    r = np.linspace(-math.log(2) / 2, math.log(2) / 2, 10_001)
    power = 1 + r + r * r * np.polyval(np.float32(exponential._EXP[::-1]).astype(np.float64), r)
    assert np.max(np.abs(power / np.exp(r) - 1)) < 4e-9
    f = np.linspace(-0.5, 0.5, 10_001)
    power = 1 + f * np.polyval(np.float32(exponential._EXP2[::-1]).astype(np.float64), f)
    assert np.max(np.abs(power / np.exp2(f) - 1)) < 2.5e-9
    u = torch.linspace(0, 14, 10_001, dtype=torch.float64)
    mills = (torch.special.erfcx(u / math.sqrt(2)) / 2).numpy()
    p, q = (
        np.polyval(np.float32(c[::-1]).astype(np.float64), u.numpy())
        for c in (activations._MILLS_P, activations._MILLS_Q)
    )
    assert np.max(np.abs(p / q / mills - 1)) < 1.25e-8


@pytest.mark.parametrize(
    ("name", "at_minus_inf", "subnormal_or_zero"),
    [
        ("exp", 0.0, -103.9),
        ("silu", NAN, -104.5),
        ("gelu", NAN, -13.5),
        ("gelu_new", NAN, -13.5),
        ("mish", NAN, -104.5),
    ],
)
def test_special_values(name, at_minus_inf, subnormal_or_zero):
    f = getattr(F, name)
    x = [NAN, INF, -INF, 0.0, -1e30, -3e38, subnormal_or_zero]
    zero, tail = (1.0, 2**-149) if name == "exp" else (0.0, 0.0)
    np.testing.assert_array_equal(np.array(f(mx.array(x))), [NAN, INF, at_minus_inf, zero, 0.0, 0.0, tail])
    large = np.float32([89.0, 1e30, 3e38])
    np.testing.assert_array_equal(np.array(f(mx.array(large))), np.full(3, INF) if name == "exp" else large)


def test_exp_keeps_subnormal_results():
    x = np.linspace(-103.5, -87, 5001, dtype=np.float32)
    error = np.abs(np.array(F.exp(mx.array(x))) - np.exp(x.astype(np.float64)))
    assert error.max() <= 0.51 * 2**-149 + 2**-24 * np.exp(-87.0)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_any_shape_and_layout(name):
    f = getattr(F, name)
    x = mx.array(np.random.default_rng(1).normal(size=(6, 7, 10)).astype(np.float32))
    want = np.array(f(x))
    for permuted in [(1, 0, 2), (2, 1, 0)]:
        np.testing.assert_array_equal(np.array(f(x.transpose(permuted))), want.transpose(permuted))
    np.testing.assert_array_equal(np.array(f(x[1::2, :, ::-3])), want[1::2, :, ::-3])
    np.testing.assert_array_equal(np.array(f(mx.broadcast_to(x[:1], (3, 7, 10)))), np.repeat(want[:1], 3, axis=0))
    assert f(x[0, 0, 0]).shape == () and f(x[0, 0, 0]).item() == want[0, 0, 0]
    assert f(mx.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize("dtype", [mx.float16, mx.bfloat16])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_half_precision_is_the_rounded_float32_result(name, dtype):
    f = getattr(F, name)
    x = mx.linspace(-30, 30, 501).astype(dtype)
    got, want = f(x), f(x.astype(mx.float32)).astype(dtype)
    assert got.dtype == dtype
    assert mx.array_equal(got, want).item()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_other_dtypes_are_refused(name):
    for x in (mx.array([1, 2]), mx.array([1.0], dtype=mx.float64), mx.array([True])):
        with pytest.raises(TypeError, match="expected float32, float16 or bfloat16"):
            getattr(F, name)(x)


def test_results_do_not_depend_on_the_stream():
    x = mx.array(grid("N(0,5)", 0)[:5000])
    here = [np.array(getattr(F, name)(x)) for name in FUNCTIONS]
    with mx.stream(mx.new_stream(mx.cpu)):
        there = [np.array(getattr(F, name)(x)) for name in FUNCTIONS]
    np.testing.assert_array_equal(here, there)


def test_native_branch(monkeypatch):
    """What a GPU runs, here with MLX's own CPU operations, whose exp is good to 1e-6."""
    x = grid("N(0,1)", 0)[:5000]
    ours = [getattr(F, name)(mx.array(x)) for name in FUNCTIONS]
    monkeypatch.setattr(F, "on_gpu", lambda: True)
    native = [getattr(F, name)(mx.array(x)) for name in FUNCTIONS]
    for a, b in zip(ours, native, strict=True):
        np.testing.assert_allclose(np.array(b), np.array(a), rtol=3e-6, atol=1e-6)
    assert not all(mx.array_equal(a, b).item() for a, b in zip(ours, native, strict=True))


WITHOUT_COMPILER = """
import math, shutil, sys
import numpy as np
import mlx.core as mx
from mlx_impl.ops import functional as F
from mlx_impl.ops import lstm
from mlx_impl.ops.attention import attention, softmax_matmul
assert shutil.which("g++") is None
mx.set_default_device(mx.cpu)
x = np.load("x.npy")
results = {name: np.array(getattr(F, name)(mx.array(x))) for name in sys.argv[1:]}
step = lstm.step(mx.array(x[:80000].reshape(4, 100, 200)), mx.ones((1, 100, 200)))
results["hidden"], results["cell"] = map(np.array, step)
scores = mx.array(x[:20000].reshape(2, 2, 50, 100))
each = mx.broadcast_to(mx.eye(100), (2, 2, 100, 100))
results["softmax"] = np.array(softmax_matmul(scores, each))
unit = mx.broadcast_to(mx.eye(50), (2, 2, 50, 50))
results["columns"] = np.array(attention(unit, scores.swapaxes(2, 3), each, scale=math.log(2)))
np.savez("results.npz", **results)
"""


def torch_softmax(scores: np.ndarray) -> list[np.ndarray]:
    """In float32 and in double."""
    return [torch.from_numpy(scores).to(dtype).softmax(-1).numpy() for dtype in (torch.float32, torch.double)]


def torch_softmax_of_two(scores: np.ndarray) -> list[np.ndarray]:
    """As `torch_softmax`, of 2^x."""
    both = (torch.from_numpy(scores).to(dtype) for dtype in (torch.float32, torch.double))
    weights = [torch.exp2(x - x.amax(-1, keepdim=True)) for x in both]
    return [(x / x.sum(-1, keepdim=True)).numpy() for x in weights]


def test_without_a_compiler_the_results_are_as_accurate(tmp_path):
    x = grid("N(0,5)", 0)
    np.save(tmp_path / "x.npy", x)
    keep = {k: v for k, v in os.environ.items() if k in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "HOME")}
    env = keep | {"PATH": "", "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT), "MLX_ENABLE_TF32": "0"}
    command = [sys.executable, "-c", WITHOUT_COMPILER, *FUNCTIONS]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["results.npz", "x.npy"]  # no kernel was compiled
    results = np.load(tmp_path / "results.npz")
    for name in FUNCTIONS:
        ours, torch32, truth = three(name, x)
        assert judge(results[name], torch32, truth) == []
        # A compiler may contract a·b + c, so equal only to a few roundings.
        np.testing.assert_allclose(results[name], ours, rtol=1e-6, atol=1e-7)
    given = mx.array(x[:80000].reshape(4, 100, 200)), mx.ones((1, 100, 200))
    for name, ours in zip(("hidden", "cell"), lstm.step(*given), strict=True):
        np.testing.assert_allclose(results[name], np.array(ours), rtol=1e-6, atol=1e-7)
    scores = x[:20000].reshape(2, 2, 50, 100)  # times 1: no sum, which would be the BLAS's
    assert judge(results["softmax"], *torch_softmax(scores)) == []
    assert judge(results["columns"], *torch_softmax_of_two(scores)) == []
    # MLX's own is not. Halved, it is off both ways also where PyTorch has no AVX-512 and rounds more.
    halved = scores / 2
    assert len(judge(np.array(mx.softmax(mx.array(halved), axis=-1)), *torch_softmax(halved))) == 2
