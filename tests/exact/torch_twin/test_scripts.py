"""TorchScript modules in double: read from a file, held by another module, or themselves the reference."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from parity.exact.program import evaluate
from parity.exact.torch import record, single, twin

# PyTorch advises against scripts; wheels ship models as such.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")

WIDTH = 5
X = np.random.default_rng(0).standard_normal((2, 4, WIDTH))


class Recurrent(nn.Module):
    """A state that is handed on in a loop, and a table."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(WIDTH, WIDTH)
        self.cell = nn.LSTMCell(WIDTH, WIDTH)
        self.register_buffer("table", torch.arange(WIDTH) / 7)

    def forward(self, x: Tensor) -> Tensor:
        h = c = torch.zeros_like(x[:, 0], dtype=torch.float32)
        for frame in range(x.shape[1]):
            h, c = self.cell(self.linear(x[:, frame]) + self.table, (h, c))
        return h


class Holder(nn.Module):
    def __init__(self, path: Path):
        super().__init__()
        self.script = torch.jit.load(path)

    def forward(self, x: Tensor) -> Tensor:
        return 2 * self.script(x)


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(0)
    return Recurrent().eval()


@pytest.fixture(scope="module")
def path(model, tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("script") / "model.pt"
    torch.jit.script(model).save(file)
    return file


@pytest.fixture(scope="module")
def exact(model) -> np.ndarray:
    """What the same numbers give in double: a script's table is the one that its file holds."""
    wide = Recurrent().double()
    wide.load_state_dict(model.state_dict(), strict=True)
    x = torch.tensor(X)
    h = c = torch.zeros_like(x[:, 0])
    for frame in range(x.shape[1]):
        h, c = wide.cell(wide.linear(x[:, frame]) + wide.table, (h, c))
    return h.detach().numpy()


def run(module: nn.Module) -> np.ndarray:
    """The module's program, recorded for other inputs and run on these."""
    program = record(module, [X + 1])
    assert single(program) == []
    return evaluate(program, [X])[program.outputs[0]]


def test_a_script_is_widened(path, exact):
    wide = twin(torch.jit.load(path))
    assert single(wide) == ["table: values of float32, for a script holds it"]
    np.testing.assert_allclose(run(wide), exact, rtol=0, atol=1e-15)


def test_a_script_that_a_module_holds_is_widened(path, exact):
    wide = twin(Holder(path))
    assert single(wide) == ["script.table: values of float32, for a script holds it"]
    np.testing.assert_allclose(run(wide), 2 * exact, rtol=0, atol=1e-15)


def test_a_script_is_read_as_it_is_where_a_module_is_made_anew(path, exact):
    wide = twin(lambda: Holder(path))
    assert {tensor.dtype for tensor in wide.state_dict().values()} == {torch.float64}
    np.testing.assert_allclose(run(wide), 2 * exact, rtol=0, atol=1e-15)


def test_the_script_itself_stays_as_it_was(path):
    script = torch.jit.load(path)
    before = {name: tensor.clone() for name, tensor in script.state_dict().items()}
    twin(script)
    after = script.state_dict()
    assert all(after[name].dtype == torch.float32 and torch.equal(after[name], before[name]) for name in before)
