"""parity.capture.torch and parity.capture.mlx: every value is seen and copied as it appears; nothing stays behind."""

from types import ModuleType
from typing import Any

import mlx.core as mx
import mlx.nn
import numpy as np
import pytest
import torch

from parity.base.errors import InputError
from parity.capture.runner import adapter


class TorchDouble(torch.nn.Module):
    def forward(self, x):
        return 2 * x


class TorchNet(torch.nn.Module):
    """x -> 4 x, one value overwritten after it was used, one layer called without its hooks."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList([TorchDouble(), TorchDouble()])

    def forward(self, x, fail=False):
        y = self.layers[0](x)
        z = self.layers[1].forward(y)
        y.fill_(-1)
        if fail:
            raise RuntimeError("the model fails")
        return z


class MlxDouble(mlx.nn.Module):
    def __call__(self, x):
        return 2 * x


class MlxNet(mlx.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = [MlxDouble(), MlxDouble()]

    def __call__(self, x, fail=False):
        y = self.layers[0](x)
        z = self.layers[1](y)
        y[...] = -1
        if fail:
            raise RuntimeError("the model fails")
        return z


PATHS = ["layers.0", "layers.1", "", "no_such_module"]


@pytest.fixture(params=["torch", "mlx"])
def framework(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def module(framework: str) -> ModuleType:
    return adapter(framework)


@pytest.fixture
def net(framework: str) -> Any:
    return {"torch": TorchNet, "mlx": MlxNet}[framework]()


def tensor(framework: str, array: np.ndarray) -> Any:
    return torch.tensor(array) if framework == "torch" else mx.array(array)


@pytest.fixture
def ones(framework: str) -> Any:
    return tensor(framework, np.ones(3, dtype=np.float32))


def seen(module: ModuleType, net: Any, *args: Any, **kwargs: Any) -> list[tuple[str, float]]:
    """Path and first element of every value of an instrumented call."""
    found: list[tuple[str, np.ndarray]] = []

    def on_value(path, value):
        found.append((path, module.to_numpy(value)))
        return value

    with module.instrument(net, PATHS, on_value):
        net(*args, **kwargs)
    return [(path, float(array[0])) for path, array in found]


def test_every_value_is_seen_in_order_and_as_it_was(module, net, ones):
    # Without a copy the first would read -1; with hooks PyTorch's second, called by its forward, would be missing.
    assert seen(module, net, ones) == [("layers.0", 2.0), ("layers.1", 4.0), ("", 4.0)]


def test_what_is_handed_back_is_what_the_run_goes_on_with(module, net, framework, ones):
    def on_value(path, value):
        return module.from_numpy(np.full(3, 10, dtype=np.float32), value) if path == "layers.0" else value

    with module.instrument(net, PATHS, on_value):
        assert module.to_numpy(net(ones)).tolist() == [20, 20, 20]
    assert module.to_numpy(net(ones)).tolist() == [4, 4, 4]


def test_nothing_stays_behind(module, net, ones):
    before = [(type(part), dict(vars(part))) for part in net.layers]
    found = []
    with module.instrument(net, PATHS, lambda path, value: found.append(path) or value):
        net(ones)
    net(ones)
    assert found == ["layers.0", "layers.1", ""]
    assert [(type(part), dict(vars(part))) for part in net.layers] == before


def test_nothing_stays_behind_after_an_exception(module, net, ones):
    before = [(type(part), dict(vars(part))) for part in net.layers]
    found = []
    with (
        pytest.raises(RuntimeError, match="the model fails"),
        module.instrument(net, PATHS, lambda path, value: found.append(path) or value),
    ):
        net(ones, fail=True)
    net(ones)
    assert found == ["layers.0", "layers.1"]
    assert [(type(part), dict(vars(part))) for part in net.layers] == before


def test_captures_can_be_nested(module, net, ones):
    outer = []
    with module.instrument(net, PATHS, lambda path, value: outer.append(path) or value):
        assert len(seen(module, net, ones)) == 3
        net(ones)
    assert outer == ["layers.0", "layers.1", ""] * 2


def test_a_forward_of_the_instance_itself_is_kept():
    net = TorchNet()
    net.layers[0].forward = lambda x: 3 * x
    assert seen(adapter("torch"), net, torch.ones(3))[0] == ("layers.0", 3.0)
    assert net(torch.ones(3)).tolist() == [6, 6, 6]


@pytest.mark.parametrize("dtype", ["float32", "int64", "int32", "bool"])
def test_there_and_back(module, framework, dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    value = tensor(framework, array)
    back = module.to_numpy(module.from_numpy(array, value))
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_widened_exactly(module, framework, dtype):
    library = torch if framework == "torch" else mx
    value = module.from_numpy(
        np.array([1.5, -(2.0**-8)], dtype=np.float32), library.ones(1, dtype=getattr(library, dtype))
    )
    assert str(value.dtype).endswith(f".{dtype}")
    array = module.to_numpy(value)
    assert (array.dtype, array.tolist()) == (np.float32, [1.5, -(2.0**-8)])


def test_a_copy_shares_nothing_with_the_run(module, framework):
    array = np.ones(3, dtype=np.float32)
    value = module.from_numpy(array, tensor(framework, array))
    copy = module.to_numpy(value)
    value[...] = 7
    assert (array.tolist(), copy.tolist()) == ([1, 1, 1], [1, 1, 1])
    copy[:] = 8
    assert module.to_numpy(value).tolist() == [7, 7, 7]


@pytest.mark.parametrize(("shape", "fortran"), [((1, 37, 80), True), ((2, 37, 80), False)])
def test_pytorchs_memory_order_is_kept(shape, fortran):
    value = torch.arange(np.prod(shape), dtype=torch.float32).reshape(shape).transpose(1, 2)
    array = adapter("torch").to_numpy(value)
    assert array.flags.f_contiguous == fortran
    assert tuple(stride // 4 for stride in array.strides[1:]) == value.stride()[1:]


def test_a_transposed_value_can_be_handed_back(module, framework):
    array = np.arange(6, dtype=np.float32).reshape(2, 3).T
    value = module.from_numpy(array, tensor(framework, np.ones(1, dtype=np.float32)))
    np.testing.assert_array_equal(module.to_numpy(value), array)


def test_an_unknown_framework_is_refused():
    with pytest.raises(InputError, match="unknown framework 'jax'; expected 'torch', 'mlx' or the dotted"):
        adapter("jax")


def test_an_adapter_is_found_by_its_dotted_name():
    assert adapter("parity.capture.torch") is adapter("torch")


def test_what_is_no_adapter_is_refused():
    with pytest.raises(InputError, match=r"json\.decoder is no adapter: it lacks LAZY, .*see parity/capture"):
        adapter("json.decoder")


def test_a_module_that_an_adapter_lacks_is_named_by_python(tmp_path, monkeypatch):
    (tmp_path / "adapters").mkdir()
    (tmp_path / "adapters" / "broken.py").write_text("import nothing_of_this_name\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="nothing_of_this_name"):
        adapter("adapters.broken")
