"""A twin computes in double whatever its module asks for; what stays single is named."""

import math
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from parity.base.errors import InputError
from parity.exact.torch import narrowing, recording, single, twin

WIDTH = 8
CAPTURED = torch.float32


class Rotary(nn.Module):
    """Angles of positions, hard-coded to single precision in every way."""

    def __init__(self):
        super().__init__()
        exponent = torch.arange(0, WIDTH, 2, dtype=torch.int64).to(dtype=torch.float) / WIDTH
        self.register_buffer("frequencies", 1.0 / (10000.0**exponent), persistent=False)
        self.table = torch.outer(torch.arange(3000).float(), self.frequencies).cos()

    def forward(self, x: Tensor) -> Tensor:
        angles = torch.outer(torch.arange(x.shape[1], dtype=CAPTURED), self.frequencies.float())
        return torch.cat([angles.cos(), self.table[: x.shape[1]].type_as(x)], -1).to(x.dtype)


class Model(nn.Module):
    """Tied weights, both weight norms, tables computed, loaded and drawn."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(11, WIDTH)
        self.head = nn.Linear(WIDTH, 11, bias=False)
        self.head.weight = self.embedding.weight
        self.rotary = Rotary()
        self.normed = nn.utils.parametrizations.weight_norm(nn.Linear(WIDTH, WIDTH))
        with pytest.warns(FutureWarning):
            self.older = nn.utils.weight_norm(nn.Linear(WIDTH, WIDTH))
        self.lstm = nn.LSTM(WIDTH, WIDTH, batch_first=True)
        self.dropout = nn.Dropout(0.5)
        self.register_buffer("scale", torch.ones(WIDTH))
        self.register_buffer("drawn", torch.randn(WIDTH))
        self.register_buffer("mean", torch.zeros(WIDTH))
        self.windows = {"hann": torch.hann_window(WIDTH)}
        self.register_buffer("turns", torch.polar(torch.ones(5), torch.arange(5).float() / 3), persistent=False)
        self.lowest = torch.full((1,), torch.finfo(torch.float32).min)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens) * self.scale + self.rotary(self.embedding(tokens))
        x = self.dropout(self.older.forward(self.normed(x)))
        wide = x.to(torch.float32).pow(2).mean(-1, keepdim=True)
        x = x * torch.rsqrt(wide + torch.finfo(x.dtype).eps).type("torch.FloatTensor")
        x, _ = self.lstm(x)
        x = x * self.windows["hann"] + self.drawn - self.mean + torch.FloatTensor([0.1])
        mask = torch.zeros(x.shape[:2], dtype=CAPTURED).masked_fill(tokens > 5, torch.finfo(torch.float32).min)
        return self.head(x) * mask.softmax(-1)[..., None]


@pytest.fixture
def model() -> Model:
    torch.manual_seed(3)
    model = Model(SimpleNamespace(width=WIDTH))
    model.scale.fill_(1.37)
    model.mean.copy_(torch.linspace(0, 0.001, WIDTH))
    return model.eval()


TOKENS = np.arange(9)[None]


@pytest.mark.parametrize("way", ["instance", "function"])
def test_a_right_twin_has_nothing_in_single_precision(model, way):
    exact = twin(model) if way == "instance" else twin(lambda: Model(model.config), model)
    run = recording(exact, [TOKENS])
    assert single(exact) == single(run) == narrowing(run) == []
    assert run.result.dtype == torch.float64 and not exact.training
    assert 1e-9 < (run.result - model(torch.tensor(TOKENS))).abs().max() < 1e-5


def test_parameters_and_loaded_tables_are_the_model_s(model):
    exact = twin(model)
    for name, parameter in model.named_parameters():
        assert torch.equal(exact.get_parameter(name), parameter.double()), name
    assert exact.head.weight is exact.embedding.weight
    for name in ("scale", "drawn", "mean"):
        assert torch.equal(getattr(exact, name), getattr(model, name).double())


def test_computed_tables_are_those_of_double(model):
    exact = twin(model)
    exponent = np.arange(0, WIDTH, 2) / WIDTH
    np.testing.assert_allclose(exact.rotary.frequencies, 10000.0**-exponent, rtol=1e-15)
    np.testing.assert_allclose(exact.rotary.table, np.cos(np.outer(np.arange(3000), 10000.0**-exponent)), atol=1e-12)
    np.testing.assert_allclose(
        exact.windows["hann"], [math.sin(math.pi * k / WIDTH) ** 2 for k in range(WIDTH)], atol=1e-15
    )
    weight = exact.older.weight_v * exact.older.weight_g / exact.older.weight_v.norm(dim=1, keepdim=True)
    torch.testing.assert_close(exact.older.weight, weight, rtol=1e-15, atol=1e-16)
    np.testing.assert_allclose(exact.turns, np.exp(1j * np.arange(5) / 3), rtol=1e-15)
    assert exact.lowest.item() == np.finfo(np.float32).min


def test_the_model_and_the_random_state_are_left_as_they_are(model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    twin(model)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_weights_that_the_loader_folds_are_folded_in_double():
    stored = torch.randn(4, 4, generator=torch.Generator().manual_seed(1))

    def build() -> nn.Module:
        layer = nn.Linear(4, 4)
        layer.weight.data = (stored.to(CAPTURED) / 3).sin()
        return layer

    expected = (stored.double() / 3).sin()
    assert torch.equal(twin(build).weight, expected)
    fine_tuned = build()
    fine_tuned.weight.data *= 1 + 1e-4
    assert torch.equal(twin(build, fine_tuned).weight, fine_tuned.weight.double())


def test_ties_made_after_the_constructor_are_kept():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    exact = twin(lambda: nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)), model)
    assert exact[1].weight is exact[0].weight
    assert torch.equal(exact[0].weight, model[0].weight.double())


class Copied(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.register_buffer("table", torch.arange(width) / 3)


def test_a_module_that_cannot_be_made_anew_is_copied_and_its_tables_named():
    model = Copied(4)
    exact = twin(model)
    assert exact.table.dtype == torch.float64
    assert single(exact) == ["table: values of float32, for the module was copied"]
    assert single(twin(lambda: Copied(4), model)) == []


class Set(nn.Module):
    """Made without arguments it is another function with the same parameters."""

    def __init__(self, eps: float = 1e-5, padding: int = 0, activation: Callable[[Tensor], Tensor] = torch.relu):
        super().__init__()
        self.conv = nn.Conv1d(4, 4, 3, padding=padding)
        self.norm = nn.GroupNorm(1, 4, eps)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.norm(self.conv(x)))


@pytest.mark.parametrize("given", [{}, {"eps": 0.5}, {"padding": 1}, {"activation": torch.tanh}, {"activation": None}])
def test_a_twin_has_the_settings_of_its_model(given):
    model = Set(**{name: value or (lambda x: x * 2) for name, value in given.items()})
    x = torch.randn(2, 4, 9, generator=torch.Generator().manual_seed(2))
    exact, ours = twin(model)(x.double()), model(x)
    assert exact.shape == ours.shape
    assert torch.allclose(exact.float(), ours, atol=1e-5)


def test_a_setting_that_was_changed_later_is_the_twin_s():
    changed = Set()
    changed.norm.eps = 0.5
    assert twin(changed).norm.eps == 0.5


def test_what_a_module_came_to_hold_later_is_taken_and_named(model):
    model.rotary.cached = torch.ones(3) / 3
    model.windows["later"] = torch.ones(3)
    exact = twin(model)
    assert torch.equal(exact.rotary.cached, model.rotary.cached.double()) and "later" not in exact.windows
    assert single(exact) == ["rotary.cached: values of float32, made after the constructor"]


class Entering(nn.Module):
    """Its table comes from NumPy in single precision."""

    def __init__(self):
        super().__init__()
        self.register_buffer("filters", torch.from_numpy(np.linspace(0, 1, 4, dtype=np.float32)))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.filters + torch.tensor(np.float32(0.1))


def test_what_enters_from_numpy_in_single_precision_is_named():
    exact = twin(Entering)
    (entered,) = single(exact)
    assert "test_twin.py" in entered and "(4,)" in entered
    assert any("constant" in line for line in single(recording(exact, [np.ones(4)])))


def test_a_module_that_is_widened_by_halves_is_rejected(model):
    found = single(model)
    assert "embedding.weight: float32" in found and "rotary.frequencies: float32" in found
    model.normed.float()
    half = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)).eval()
    half[0].double()

    def function(x: Tensor) -> Tensor:
        return half[1](half[0](x).type_as(half[1].weight))

    found = single(recording(function, [np.ones((1, 4))], half))
    assert "constant 1.weight: float32" in found
    assert any("aten.linear" in line and "test_twin.py" in line and "in 1:" in line for line in found)


def test_casts_to_half_precision_are_listed_apart():
    run = recording(lambda x: (x.half() * 2).float() + 1, [np.full(3, 0.1)])
    assert single(run) == []
    assert [line.partition(" ")[0] for line in narrowing(run)] == ["aten.to", "aten.mul", "aten.to"]
    np.testing.assert_array_equal(run.result, 2 * np.float64(np.float16(0.1)) + 1)


def test_builds_that_differ_are_refused():
    with pytest.raises(InputError, match=r"bias.*build both alike"):
        twin(lambda: nn.Linear(3, 3, bias=False), nn.Linear(3, 3))
    with pytest.raises(InputError, match=r"weight.*\(4, 3\).*\(3, 3\)"):
        twin(lambda: nn.Linear(3, 4, bias=False), nn.Linear(3, 3, bias=False))
