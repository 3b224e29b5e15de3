"""A double default: every way to ask for single precision gives double, and all is put back."""

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from parity.exact.torch import widened
from parity.exact.torch.widening import grouped_mm

CAPTURED, COMPLEX = torch.float32, torch.complex64
NAMES = ("float32", "float", "complex64", "cfloat", "FloatTensor", "finfo", "from_numpy")
ASKED = {
    "name": lambda: torch.zeros(2, dtype=torch.float32),
    "other name": lambda: torch.ones(2, dtype=torch.float),
    "taken before": lambda: torch.zeros(2, dtype=CAPTURED),
    "positional": lambda: torch.zeros(2, dtype=torch.float16).to(CAPTURED),
    "method": lambda: torch.arange(3).float(),
    "type by name": lambda: torch.arange(3).type("torch.FloatTensor"),
    "type by class": lambda: torch.arange(3).type(torch.FloatTensor),
    "type by dtype": lambda: torch.arange(3).type(CAPTURED),
    "class": lambda: torch.FloatTensor([1.0, 2.0]),
    "legacy class": lambda: torch.Tensor([1.0]),
    "list": lambda: torch.tensor([1.0]),
    "list as single": lambda: torch.tensor([1.0], dtype=CAPTURED),
    "range": lambda: torch.arange(0, 1, 0.1),
    "linspace": lambda: torch.linspace(0, 1, 5),
    "window": lambda: torch.hann_window(8),
    "draw": lambda: torch.randn(2, dtype=torch.float32),
    "new": lambda: torch.zeros(1, dtype=torch.int64).new_zeros(2, dtype=CAPTURED),
    "sum": lambda: torch.ones(3, dtype=torch.int64).sum(dtype=torch.float32),
    "parameter": lambda: nn.Parameter(torch.empty(2)),
    "layer": lambda: nn.Conv1d(2, 2, 1, dtype=torch.float32).weight,
    "quotient": lambda: torch.arange(3) / 2,
    "numpy": lambda: torch.from_numpy(np.zeros(2, np.float32)),
    "numpy copied": lambda: torch.tensor(np.zeros(2, np.float32)),
    "numpy shared": lambda: torch.as_tensor(np.zeros(2, np.float32)),
}


def everything() -> list:
    held = [getattr(torch, name) for name in NAMES]
    functions = [torch.Tensor.float, torch.set_default_dtype, torch._grouped_mm, nn.functional.grouped_mm]
    return [*held, *functions, torch.get_default_dtype(), torch.zeros(1).dtype, torch.zeros(1).float().dtype]


@pytest.mark.parametrize("asked", ASKED)
def test_single_precision_becomes_double(asked):
    assert ASKED[asked]().dtype == torch.float32
    with widened():
        assert ASKED[asked]().dtype == torch.float64


@pytest.mark.filterwarnings("ignore:.torch.jit.script")
def test_a_script_that_was_compiled_before():
    def scripted(x: Tensor) -> Tensor:
        return torch.zeros([2], dtype=torch.float32) + x.to(torch.float32)

    compiled = torch.jit.script(scripted)
    x = torch.full((2,), 0.1, dtype=torch.float64)
    assert compiled(x).dtype == torch.float32
    with widened():
        assert torch.equal(compiled(x), x)


def test_autocast_leaves_double():
    x = torch.randn(2, 2, dtype=torch.float64)
    with widened(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(x @ x.exp(), x.matmul(x.exp())) and (x @ x).dtype == torch.float64


def test_complex_and_half_precision():
    with widened():
        assert torch.zeros(2, dtype=torch.complex64).dtype == torch.complex128
        assert torch.complex(torch.ones(1), torch.ones(1)).dtype == torch.complex128
        assert torch.ones(1).half().dtype == torch.zeros(1, dtype=torch.float16).dtype == torch.float16
        assert torch.ones(1).bfloat16().float().dtype == torch.float64


def test_a_comparison_of_dtypes_goes_the_same_way():
    with widened():
        x = torch.ones(1)
        assert x.dtype == torch.float32 and torch.get_default_dtype() == torch.float32
        assert x.dtype != torch.float16


def test_limits_are_those_of_the_dtype_that_was_asked_for():
    single = np.finfo(np.float32)
    with widened():
        for limits in (torch.finfo(torch.float32), torch.finfo(torch.ones(1).dtype), torch.finfo()):
            assert (limits.min, limits.eps, limits.tiny) == (single.min, single.eps, single.tiny)
        assert torch.finfo(torch.float16).max == 65504


def test_infinite_values_become_the_limits_of_float32():
    x = torch.tensor([torch.inf, -torch.inf, torch.nan], dtype=torch.float64)
    with widened():
        for value in (x.nan_to_num(), torch.nan_to_num(x, 0.0), x.clone().nan_to_num_()):
            assert torch.equal(value.float(), x.float().nan_to_num())
        assert x.nan_to_num(posinf=1.0)[0] == 1
        assert x.half().nan_to_num()[0] == 65504


def test_bits_seen_as_complex_numbers():
    x = torch.arange(4, dtype=torch.float64)
    with widened():
        for dtype in (torch.complex64, COMPLEX):
            assert torch.equal(x.view(dtype), torch.complex(x[::2], x[1::2]))
        assert x.view(torch.int64).dtype == torch.int64 and x.view(2, 2).shape == (2, 2)


def test_an_epsilon_that_depends_on_the_dtype_is_float32_s():
    x = torch.full((1, 4), 1e-4)
    with widened():
        wide = nn.RMSNorm(4)(x.double())
        assert torch.equal(nn.RMSNorm(4, eps=1e-3)(x.double()), nn.functional.rms_norm(x.double(), (4,), None, 1e-3))
    torch.testing.assert_close(nn.RMSNorm(4)(x).double(), wide, rtol=1e-6, atol=0)


def test_the_default_cannot_be_set_back_within():
    with widened():
        torch.set_default_dtype(CAPTURED)
        assert torch.zeros(1).dtype == torch.float64


def test_all_is_put_back():
    before = everything()
    with widened():
        assert everything() != before
        with widened():
            assert torch.zeros(1).dtype == torch.float64
        assert torch.zeros(1, dtype=torch.float32).dtype == torch.float64
    assert everything() == before
    with pytest.raises(ZeroDivisionError), widened():
        raise ZeroDivisionError
    assert everything() == before
    torch.set_default_dtype(torch.float16)
    try:
        with widened():
            assert torch.zeros(1).dtype == torch.float64
        assert torch.get_default_dtype() == torch.float16
    finally:
        torch.set_default_dtype(torch.float32)


def test_what_enters_in_single_precision_is_named_with_its_place():
    with widened() as entered:
        values = torch.from_numpy(np.array([0.1], np.float32))
        torch.from_numpy(np.array([0.1]))
    assert values.item() == np.float32(0.1)
    (line,) = entered
    assert __file__ in line


def test_files_are_read_as_they_are(tmp_path):
    stored = {"single": torch.rand(3, 5), "double": torch.rand(4, 2, dtype=torch.float64), "bytes": torch.arange(8)}
    stored["scalar"], stored["empty"] = torch.tensor(0.1), torch.zeros(0, 3)
    save_file(stored, tmp_path / "x.safetensors")
    torch.save(stored, tmp_path / "x.pt")
    with widened():
        with safe_open(tmp_path / "x.safetensors", framework="pt") as file:
            by_key = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        for read in (by_key, load_file(tmp_path / "x.safetensors"), torch.load(tmp_path / "x.pt")):
            for key, value in read.items():
                assert torch.equal(value.double(), stored[key].double()), key


def loop(a: Tensor, b: Tensor, ends: list[int]) -> Tensor:
    starts = [0, *ends]
    return torch.cat([a[start:end] @ b[k] for k, (start, end) in enumerate(zip(starts, ends, strict=False))])


def test_products_by_groups():
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    ends, a, b = [3, 3, 8], draw(8, 4), draw(3, 4, 5)
    offsets = torch.tensor(ends, dtype=torch.int32)
    torch.testing.assert_close(grouped_mm(a, b, offsets), loop(a, b, ends))
    columns = draw(4, 8)
    expected = torch.cat([b[0].T @ columns[:, :3], b[2].T @ columns[:, 3:]], 1)
    torch.testing.assert_close(grouped_mm(b.transpose(1, 2), columns, offsets), expected)
    sums = grouped_mm(a.T, draw(8, 6), offsets)
    assert sums.shape == (3, 4, 6) and not sums[1].any() and sums[2].all()
    torch.testing.assert_close(grouped_mm(b, b.transpose(1, 2)), b @ b.transpose(1, 2))
    with widened():
        torch.testing.assert_close(torch._grouped_mm(a, b, offs=offsets), loop(a, b, ends))
