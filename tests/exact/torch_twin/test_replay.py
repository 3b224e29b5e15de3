"""A recorded run is repeated bit for bit, whatever is viewed and written in place on the way."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef

from parity.exact.program import NoProgram, evaluate
from parity.exact.torch import observe, record, recording, widened

RNG = np.random.default_rng(5)


def check(function, *inputs, root=None):
    """Record, and repeat on the inputs and on others: both are what PyTorch gives."""
    run = recording(function, inputs, root)
    values = evaluate(run.program, inputs)
    assert values.keys() == run.values.keys()
    for number, value in run.values.items():
        np.testing.assert_array_equal(values[number], value, str(number), strict=True)
    np.testing.assert_array_equal(values[run.program.outputs[0]], run.result.numpy(), strict=True)
    others = [RNG.standard_normal(array.shape) for array in inputs]
    with widened(), torch.inference_mode():
        eager = function(*(torch.tensor(array) for array in others))
    np.testing.assert_array_equal(evaluate(run.program, others)[run.program.outputs[0]], eager.numpy(), strict=True)
    return run


def slice_written(x: Tensor) -> Tensor:
    x[:, 1] = 2 * x[:, 0]
    x += 1
    return x


def view_seen_through(x: Tensor) -> Tensor:
    flat = x.view(-1)
    x.mul_(3)
    flat[::2].add_(x[0, 1])
    return x + flat.view_as(x)


def masks_and_indices(x: Tensor) -> Tensor:
    y = x.clone()
    y.masked_fill_(y > 0.5, -1.0)
    y.index_put_((torch.tensor([0, 2]), torch.tensor([1, 1])), x[0, :2], accumulate=True)
    y.scatter_(1, torch.tensor([[0], [1], [2]]), 7.0)
    return torch.cat([y[:2], y.t()[1:3, :2].repeat(1, 2)[:, : y.shape[1]]])


def cache_in_place(x: Tensor) -> Tensor:
    cache, outs = torch.empty(5, x.shape[1]), []
    for step in range(3):
        cache[step] = x[step]
        cache.narrow(0, step, 1).copy_(cache[step : step + 1] * 2)
        outs.append(cache[: step + 1].sum(0))
    return torch.stack(outs) + cache[2]


def parts_in_a_list(x: Tensor) -> Tensor:
    parts = list(x.unbind(0))
    torch._foreach_add_(parts, 1.0)
    return torch.cat(parts) + x.reshape(-1)


def turned_in_place(x: Tensor) -> Tensor:
    y = x * 2
    y.t_()
    y[0] = 1
    y.unsqueeze_(0)
    return y.squeeze(0) @ x


def complex_parts(x: Tensor) -> Tensor:
    z = torch.view_as_complex(torch.stack([x, x.flip(0)], -1))
    z.real.mul_(2)
    z.conj()[0] = 1 + 2j
    return torch.view_as_real(z * z.conj()).sum(-1) + z.abs()


def out_argument(x: Tensor) -> Tensor:
    held = torch.ones(x.shape)
    torch.add(x, 1, out=held)
    torch.mul(held, held, out=held)
    return held


def copied_and_overwritten(x: Tensor) -> Tensor:
    kept = torch.empty_like(x)
    kept.copy_(x)
    x.zero_()
    x.fill_(3)
    return kept + x


@pytest.mark.parametrize(
    "function",
    [
        slice_written,
        view_seen_through,
        masks_and_indices,
        cache_in_place,
        parts_in_a_list,
        turned_in_place,
        complex_parts,
        out_argument,
        copied_and_overwritten,
    ],
)
def test_writes_in_place_are_functions_of_values(function):
    check(function, RNG.standard_normal((3, 3)))


def test_an_input_is_not_written_to():
    given = np.ones((3, 3))
    recording(slice_written, [given])
    np.testing.assert_array_equal(given, np.ones((3, 3)))


VIEWS = (
    lambda t, i: t[i % len(t) : i % len(t) + 1] if len(t) else t,
    lambda t, i: t.select(t.ndim - 1, i % t.shape[-1]) if t.ndim > 1 else t[: 1 + i % len(t)],
    lambda t, i: t.t() if t.ndim == 2 else t.flip(0),
    lambda t, i: t.reshape(-1),
    lambda t, i: t.unsqueeze(0).expand(2, *t.shape)[i % 2],
    lambda t, i: t.diagonal() if t.ndim == 2 else t,
    lambda t, i: t.clone(),
    lambda t, i: t.detach() * 0.5,
)
WRITES = (
    lambda t, i: t.add_(i),
    lambda t, i: t.mul_(t.sum()),
    lambda t, i: t.copy_(t.clone().flip(0)),
    lambda t, i: t.fill_(i),
    lambda t, i: t.masked_fill_(t > 0, float(i)),
    lambda t, i: t.zero_(),
    lambda t, i: t.clamp_(-1, 1),
    lambda t, i: t.index_fill_(0, torch.tensor([0]), 2.5),
    lambda t, i: t.__setitem__(0, i / 2),
    lambda t, i: t.copy_(t.tanh()),
)
STEPS = st.lists(
    st.tuples(st.booleans(), st.integers(0, 9), st.integers(0, 7), st.integers(0, 5)), min_size=2, max_size=10
)


@settings(deadline=None, max_examples=40)
@given(STEPS)
def test_any_views_and_writes_in_any_order(steps):
    def function(x: Tensor) -> Tensor:
        made = [x]
        for write, which, kind, number in steps:
            tensor = made[which % len(made)]
            if write:
                WRITES[(kind + which) % len(WRITES)](tensor, number)
            else:
                made.append(VIEWS[kind](tensor, number))
        return torch.cat([tensor.reshape(-1) for tensor in made])

    check(function, RNG.standard_normal((3, 4)))


class Blocks(nn.Module):
    """Layers of every kind, one of them called twice, one through `forward`."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(4, 6, 3, padding=1)
        self.up = nn.ConvTranspose1d(6, 4, 4, stride=2)
        self.plane = nn.Conv2d(1, 2, 3)
        self.lstm = nn.LSTM(4, 5, batch_first=True, bidirectional=True)
        self.attention = nn.MultiheadAttention(10, 2, batch_first=True)
        self.group = nn.GroupNorm(2, 10)
        self.embedding = nn.Embedding(7, 10)
        self.norm = torch.nn.utils.parametrizations.weight_norm(nn.Linear(10, 10))
        self.register_buffer("count", torch.zeros(2))

    def forward(self, x: Tensor) -> Tensor:
        y = self.up(self.conv(x))[..., :12]
        y, _ = self.lstm(y.transpose(1, 2) + self.plane(y[:, None]).mean())
        y = y + self.embedding((y.abs() * 6).long().clamp(0, 6)[..., 0])
        y = self.attention(y, y, y)[0]
        y = self.group.forward(y.transpose(1, 2)).transpose(1, 2)
        y = self.norm(self.norm(y)).cumsum(1).softmax(-1)
        self.count[1] += 1
        heads = observe("heads", y.unflatten(-1, (2, 5)).transpose(1, 2))
        out = nn.functional.scaled_dot_product_attention(heads, heads, heads, is_causal=True)
        window = torch.hann_window(16)
        spectrum = torch.stft(out.reshape(1, -1), 16, 4, window=window, return_complex=True)
        return torch.istft(spectrum, 16, 4, window=window) + self.count[1]


def test_layers_of_every_kind_and_their_taps():
    torch.manual_seed(1)
    model = Blocks().double().eval()
    x = RNG.standard_normal((2, 4, 6))
    run = recording(model, [x])
    values = evaluate(run.program, [x])
    for number, value in run.values.items():
        np.testing.assert_array_equal(values[number], value, strict=True)
    taps = run.program.taps
    assert {"conv", "up", "lstm", "lstm.1", "lstm.2", "group", "norm", "norm#1", "heads", "attention.1"} <= taps.keys()
    with widened(), torch.inference_mode():
        np.testing.assert_array_equal(run.values[taps["conv"]], model.conv(torch.tensor(x)).numpy())
        model.count.zero_()
        torch.testing.assert_close(run.result, model(torch.tensor(x)), rtol=1e-12, atol=1e-14)
    names = {constant.name for constant in run.program.constants.values()}
    assert {"conv.weight", "norm.parametrizations.weight.original1", "lstm.weight_hh_l0_reverse", "count"} <= names
    assert {"conv", "norm#1", ""} <= {node.module for node in run.program.nodes}
    assert {node.place.file for node in run.program.nodes} == {__file__}
    assert not any("flash" in node.operation for node in run.program.nodes)


def test_a_constant_is_the_value_before_it_was_overwritten():
    model = nn.Module()
    model.register_buffer("state", torch.ones(3, dtype=torch.float64))

    def step(x: Tensor) -> Tensor:
        model.state.mul_(2)
        return model.state + x

    run = recording(step, [np.zeros(3)], model)
    (constant,) = run.program.constants.values()
    assert constant.name == "state"
    np.testing.assert_array_equal(constant.array, np.ones(3))
    np.testing.assert_array_equal(evaluate(run.program, [np.zeros(3)])[run.program.outputs[0]], np.full(3, 2.0))


def test_part_of_a_tensor_that_was_there_before():
    table = torch.arange(12, dtype=torch.float64).reshape(3, 4)
    row, column = table[1], table[:, 1]

    def function(x: Tensor) -> Tensor:
        row.add_(x)
        return column * 1

    before = table.clone()
    run = recording(function, [np.ones(4)])
    np.testing.assert_array_equal(run.result.numpy(), [1, 6, 9])
    table.copy_(before)
    np.testing.assert_array_equal(evaluate(run.program, [np.full(4, 2.0)])[run.program.outputs[0]], [1, 7, 9])


def test_draws_are_constants():
    run = recording(lambda x: x + torch.randn(4) * torch.empty(4).uniform_(), [np.ones(4)])
    values = evaluate(run.program, [np.ones(4)])
    np.testing.assert_array_equal(values[run.program.outputs[0]], run.result.numpy())
    assert [node.operation for node in run.program.nodes][-2:] == ["aten.mul", "aten.add"]


def test_dropout_is_refused_unless_it_is_off():
    layer = nn.Dropout(0.5)
    with pytest.raises(NoProgram, match=r"dropout.*eval\(\)"):
        record(layer, [np.ones(4)])
    assert record(layer.eval(), [np.ones(4)]).nodes == ()


def test_results_within_each_other_and_arguments_by_name():
    run = recording(
        lambda x, scale, mode: {"a": [x * scale], "b": (x, None)}, {"x": np.ones(2), "scale": 3, "mode": "m"}
    )
    assert len(run.program.inputs) == 1 and len(run.program.outputs) == 2
    np.testing.assert_array_equal(run.values[run.program.outputs[0]], [3, 3])


def test_inputs_within_each_other():
    run = recording(lambda x, pair, held: x * pair[0] + held["y"], [np.ones(2), (3.0, None), {"y": np.full(2, 4.0)}])
    np.testing.assert_array_equal(run.result, [7, 7])
    np.testing.assert_array_equal(evaluate(run.program, [np.zeros(2), np.ones(2)])[run.program.outputs[0]], [1, 1])


def test_values_are_kept_only_where_they_are_asked_for():
    assert recording(slice_written, [np.ones((3, 3))], values=False).values == {}
    assert len(record(slice_written, [np.ones((3, 3))]).nodes) > 2


def test_other_memory_is_refused():
    with pytest.raises(NoProgram, match=r"aten.resize_ at .*test_replay.py"):
        record(lambda x: x.clone().resize_(2), [np.ones(4)])


def test_a_program_alone_keeps_no_values_alive():
    def alive(values: bool) -> int:
        made = []

        def function(x: Tensor) -> Tensor:
            for _ in range(20):
                x = x * 1.01
                made.append(StorageWeakRef(x.untyped_storage()))
            return x

        run = recording(function, [np.ones(4)], values=values)
        assert len(run.program.nodes) == 20
        return sum(not storage.expired() for storage in made)

    assert alive(values=True) == 20
    assert alive(values=False) == 1


def test_what_was_never_written_reads_as_zero():
    def function(x: Tensor) -> Tensor:
        held = torch.empty_like(x)
        held[1:] = x[1:]
        return held

    run = recording(function, [np.ones(3)])
    np.testing.assert_array_equal(run.result.numpy(), [0, 1, 1])
    np.testing.assert_array_equal(evaluate(run.program, [np.full(3, 2.0)])[run.program.outputs[0]], [0, 2, 2])


def test_a_recurrent_layer_is_recorded_step_by_step():
    torch.manual_seed(2)
    x = RNG.standard_normal((2, 7, 4))
    for layer, gates in ((nn.LSTM(4, 5, batch_first=True), 3), (nn.GRU(4, 5, batch_first=True), 2)):
        run = recording(layer.double().eval(), [x])
        names = [node.operation for node in run.program.nodes]
        assert sum(name.startswith("aten.sigmoid") for name in names) == 7 * gates
        with torch.inference_mode():
            torch.testing.assert_close(run.result[0], layer(torch.tensor(x))[0], rtol=1e-12, atol=1e-14)
    assert torch.backends.mkldnn.enabled
