"""Live functions and modules of MLX as programs: values, places, modules, taps, and what is left behind."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from mlx.utils import tree_flatten

from parity.base.draws import normal
from parity.base.errors import InputError
from parity.exact.constants import unresolved
from parity.exact.graph import independent
from parity.exact.mlx import trace
from parity.exact.program import NoProgram, evaluate


def x(*shape: int) -> np.ndarray:
    return normal("trace", f"x {shape}", shape)


def module(make: Callable[[], nn.Module]) -> nn.Module:
    """With weights drawn by their names. Codes of a few bits are MLX's own."""
    mx.random.seed(0)
    made = make()
    drawn = [
        (path, mx.array(normal("trace", path, array.shape)) if array.dtype == mx.float32 else array)
        for path, array in tree_flatten(made.parameters())
    ]
    made.load_weights(drawn, strict=True)
    return made.eval()


SHAPE = (2, 5, 8)
MODULES: dict[str, tuple[Callable[[], nn.Module], list[np.ndarray]]] = {
    "Linear": (lambda: nn.Linear(8, 4), [x(*SHAPE)]),
    "LayerNorm": (lambda: nn.LayerNorm(8), [x(*SHAPE)]),
    "RMSNorm": (lambda: nn.RMSNorm(8), [x(*SHAPE)]),
    "GroupNorm": (lambda: nn.GroupNorm(2, 8, pytorch_compatible=True), [x(*SHAPE)]),
    "BatchNorm": (lambda: nn.BatchNorm(8), [x(*SHAPE)]),
    "MultiHeadAttention": (lambda: nn.MultiHeadAttention(8, 2), [x(*SHAPE)] * 3),
    "Conv1d": (lambda: nn.Conv1d(8, 6, 3, stride=2, padding=1), [x(*SHAPE)]),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(8, 6, 4, stride=2, padding=1), [x(*SHAPE)]),
    "Conv2d": (lambda: nn.Conv2d(3, 4, 3, dilation=2), [x(1, 7, 6, 3)]),
    "LSTM": (lambda: nn.LSTM(8, 3), [x(*SHAPE)]),
    "GRU": (lambda: nn.GRU(8, 3), [x(*SHAPE)]),
    "Embedding": (lambda: nn.Embedding(9, 4), [np.array([[1, 8, 0]])]),
    "RoPE": (lambda: nn.RoPE(6, traditional=True, base=100.0), [x(2, 3, 5, 8)]),
    "QuantizedLinear": (lambda: nn.QuantizedLinear(64, 4), [x(2, 64)]),
    "PReLU": (nn.PReLU, [x(3, 4)]),
}
ACTIVATIONS = (
    *(nn.relu, nn.elu, nn.silu, nn.selu, nn.mish, nn.gelu, nn.gelu_approx, nn.gelu_fast_approx, nn.leaky_relu),
    *(nn.softplus, nn.softmax, nn.log_softmax, nn.hardswish, nn.tanh, nn.sigmoid, nn.softshrink, nn.glu),
)


def compare(function: Callable[..., Any], inputs: list[np.ndarray], root: nn.Module | None = None) -> None:
    bound = 3e-6
    result = function(*map(mx.array, inputs))
    program = trace(function, inputs, root)
    values = evaluate(program, inputs)
    for number, (_, array) in zip(program.outputs, tree_flatten(result), strict=True):
        finite = values[number][np.isfinite(values[number])]
        size = float(np.abs(finite).max(initial=1))  # a small sum of large terms has their rounding
        np.testing.assert_allclose(values[number], np.array(array), rtol=bound, atol=bound * size)
        assert program.dtypes[number] == str(array.dtype).rpartition(".")[2]
    assert unresolved(program) == {}
    assert independent(program) == []


@pytest.mark.parametrize("name", MODULES)
def test_a_module(name: str) -> None:
    make, inputs = MODULES[name]
    compare(module(make), inputs)


def test_an_encoder_layer() -> None:
    layer = module(lambda: nn.TransformerEncoderLayer(8, 2, 16))
    mask = np.where(np.tri(5), 0, -1e9).astype(np.float32)
    compare(lambda x, mask: layer(x, mask), [x(*SHAPE), mask], layer)


@pytest.mark.parametrize("function", ACTIVATIONS)
def test_an_activation(function: Callable[..., Any]) -> None:
    compare(function, [x(3, 8) * 2])


def test_a_program_is_in_double() -> None:
    """Against NumPy: what float32 would leave is 1e-7."""
    layer = module(lambda: nn.LayerNorm(8))
    program = trace(layer, [x(*SHAPE)])
    v, weight, bias = (np.asarray(each, np.float64) for each in (x(*SHAPE), layer.weight, layer.bias))
    centred = v - v.mean(-1, keepdims=True)
    want = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * weight + bias
    np.testing.assert_allclose(evaluate(program, [x(*SHAPE)])[program.outputs[0]], want, rtol=1e-13, atol=1e-13)


class Inner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def __call__(self, x: Any) -> Any:
        return mx.tanh(self.linear(x)), x.shape[0]


class Outer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Inner()
        self._table = mx.array(normal("trace", "table", (8,)))

    def __call__(self, x: Any) -> Any:
        h, _ = self.inner(x)
        h, _ = self.inner(h * 0.1)
        h[0] = h[0] / 3
        return h.astype(mx.float32) + self._table


def test_operations_have_the_line_and_the_module_that_asked_for_them() -> None:
    program = trace(module(Outer), [x(*SHAPE)])
    lines, first = inspect.getsourcelines(Outer)
    tanh = [node for node in program.nodes if node.operation == "Tanh"]
    assert [node.module for node in tanh] == ["inner", "inner#1"]
    assert {node.place.text for node in tanh} == {"return mx.tanh(self.linear(x)), x.shape[0]"}
    (update,) = [node for node in program.nodes if node.operation == "SliceUpdate"]
    assert update.place.file == __file__
    assert lines[update.place.line - first].strip() == "h[0] = h[0] / 3"
    assert {node.place.text for node in program.nodes if node.operation == "AddMM"} == {tanh[0].place.text}
    assert [node.module for node in program.nodes if node.operation == "AddMM"] == [
        "inner.linear",
        "inner.linear#1",
    ]


def test_operations_inside_of_a_composite_have_its_line() -> None:
    def function(x: Any) -> Any:
        y = x + 1
        return mx.std(y, axis=0)

    program = trace(function, [x(3, 4)])
    places = {node.operation: node.place.text for node in program.nodes}
    assert places["Add"] == "y = x + 1"
    assert places["Sqrt"] == places["Reduce"] == places["Square"] == "return mx.std(y, axis=0)"


def test_outputs_of_modules_are_taps() -> None:
    program = trace(module(Outer), [x(*SHAPE)])
    assert list(program.taps) == ["inner.linear", "inner", "inner.linear#1", "inner#1"]
    values = evaluate(program, [x(*SHAPE)])
    np.testing.assert_array_equal(values[program.taps["inner"]], np.tanh(values[program.taps["inner.linear"]]))
    assert (values[program.taps["inner#1"]][0] != values[program.outputs[0]][0]).all()  # before it was written to


def test_parameters_are_exact_and_own_tables_are_not() -> None:
    program = trace(module(Outer), [x(*SHAPE)])
    names = {constant.name for constant in program.constants.values()}
    assert {"inner.linear.weight", "inner.linear.bias"} <= names
    (table,) = unresolved(program).values()
    assert table.rounded == "float32"
    assert table.array.shape == (8,)
    assert any(constant.array == 0.1 for constant in program.constants.values() if constant.array.ndim == 0)


def test_scalars_are_double_wherever_they_stand() -> None:
    def function(x: Any) -> Any:
        y = mx.array(0.1) + mx.maximum(x.astype(mx.float32), 0.3) * mx.full((4,), 0.7)
        y = y + mx.arange(4) * 0.1 + mx.where(mx.arange(4) > 1, 0.2, 0.6) + mx.linspace(0.1, 0.7, 4)
        return y + mx.fft.ifft(mx.fft.fft(y)).real * 0.9

    program = trace(function, [x(3, 4)])
    assert unresolved(program) == {}
    y = 0.1 + np.maximum(x(3, 4).astype(np.float64), 0.3) * 0.7
    y += np.arange(4) * 0.1 + np.where(np.arange(4) > 1, 0.2, 0.6) + np.linspace(0.1, 0.7, 4)
    np.testing.assert_allclose(evaluate(program, [x(3, 4)])[program.outputs[0]], y * 1.9, rtol=1e-14)


def test_a_narrowing_cast_rounds() -> None:
    program = trace(lambda x: x.astype(mx.bfloat16).astype(mx.float32), [x(3, 4)])
    want = np.array(mx.array(x(3, 4)).astype(mx.bfloat16).astype(mx.float32))
    np.testing.assert_array_equal(evaluate(program, [x(3, 4)])[program.outputs[0]], want)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x if x.sum() > 0 else -x,
        lambda x: x * x.max().item(),
        lambda x: x[: int(mx.argmax(x[0]))],
    ],
)
def test_control_flow_that_depends_on_values_is_refused_with_its_line(function: Callable[..., Any]) -> None:
    with pytest.raises(NoProgram, match=rf"asks for a value at {__file__}:\d+.*the stand-in"):
        trace(function, [x(3, 4)])


def test_bits_of_floats_are_refused_with_their_line() -> None:
    with pytest.raises(NoProgram, match=rf"View.*bits are no numbers.*{__file__}"):
        trace(lambda x: x.view(mx.int32) + 1, [x(3, 4)])


def test_a_function_with_a_gradient_of_its_own_is_refused_with_its_line() -> None:
    function = mx.custom_function(lambda x: x * 2)
    with pytest.raises(NoProgram, match=rf"mx\.custom_function is called at {__file__}:\d+: .*without the decorator"):
        trace(lambda x: function(x), [x(3)])


def test_a_port_that_refuses_float64_has_no_graph() -> None:
    names = {mx.float32: "single"}
    with pytest.raises(NoProgram, match=rf"refuses float64.*{__file__}:\d+ \(KeyError: .*float64\).*the stand-in"):
        trace(lambda x: x * len(names[x.dtype]), [x(3)])


def test_a_port_that_does_not_run_as_it_is_has_its_own_error() -> None:
    def wrong(x: Any) -> Any:
        return x @ mx.zeros((7, 2))

    with pytest.raises(ValueError, match="matmul"):
        trace(wrong, [x(3, 4)])


def test_transforms_are_traced() -> None:
    def function(x: Any) -> Any:
        return mx.checkpoint(mx.exp)(x) + mx.vmap(lambda row: row * 0.1)(x) + mx.grad(lambda y: (y * y).sum())(x)

    program = trace(function, [x(3, 4)])
    v = x(3, 4).astype(np.float64)
    want = np.exp(v) + v * 0.1 + 2 * v
    np.testing.assert_allclose(evaluate(program, [v])[program.outputs[0]], want, rtol=1e-14, atol=1e-14)


def test_random_numbers_are_refused_unless_given() -> None:
    def function(x: Any) -> Any:
        return x + mx.random.normal(x.shape) * mx.random.uniform(shape=(4,))

    with pytest.raises(NoProgram, match=r"RandomBits.*give `draws=`"):
        trace(function, [x(3, 4)])
    draws = [x(3, 4) * 2, x(4)]
    program = trace(function, [x(3, 4)], draws=draws)
    want = x(3, 4).astype(np.float64) + draws[0].astype(np.float64) * draws[1]
    np.testing.assert_array_equal(evaluate(program, [x(3, 4)])[program.outputs[0]], want)
    assert unresolved(program) == {}
    by_shape = trace(function, [x(3, 4)], draws=lambda shape: np.ones(shape))
    np.testing.assert_array_equal(evaluate(by_shape, [x(3, 4)])[by_shape.outputs[0]], x(3, 4).astype(np.float64) + 1)
    with pytest.raises(NoProgram, match="no given draw is left"):
        trace(function, [x(3, 4)], draws=draws[:1])
    with pytest.raises(NoProgram, match=r"the given draw has \(4,\)"):
        trace(function, [x(3, 4)], draws=draws[::-1])


def test_what_nothing_needs_does_not_disturb() -> None:
    def function(x: Any) -> Any:
        mx.random.normal((3,)).view(mx.int32)
        mx.eval(x)
        return x * 2

    program = trace(function, [x(3, 4)])
    np.testing.assert_array_equal(evaluate(program, [x(3, 4)])[program.outputs[0]], x(3, 4).astype(np.float64) * 2)


def test_an_output_that_depends_on_nothing_given_is_found() -> None:
    program = trace(lambda a, b: [a * 2, a + b, mx.ones((2,))], [x(3), x(3)])
    assert independent(program) == [(0, 1), (2, 0), (2, 1)]


def test_inputs_of_other_shapes_are_refused() -> None:
    program = trace(lambda a: a * 2, [x(3)])
    with pytest.raises(InputError, match="trace it for others"):
        evaluate(program, [x(4)])


# What is left behind


def everything() -> dict[tuple[str, str], Any]:
    owners = {"mx": mx, "fast": mx.fast, "fft": mx.fft, "linalg": mx.linalg, "random": mx.random}
    owners |= {"array": mx.array, "at": mx.ArrayAt}
    return {(name, key): value for name, owner in owners.items() for key, value in vars(owner).items()}


def fails(x: Any) -> Any:
    raise RuntimeError("on purpose")


@pytest.mark.parametrize("ending", ["well", "error"])
def test_everything_is_as_it_was(ending: str) -> None:
    model = module(Outer)
    model.inner.linear.weight = model.inner.linear.weight.astype(mx.bfloat16)
    arrays = dict(tree_flatten(model.parameters()))
    names, before, classes = everything(), np.array(model(mx.array(x(*SHAPE)))), [type(m) for m in model.modules()]
    if ending == "error":
        with pytest.raises(RuntimeError, match="on purpose"):
            trace(fails, [x(*SHAPE)], root=model)
    else:
        trace(model, [x(*SHAPE)])
    assert everything() == names
    assert [type(m) for m in model.modules()] == classes
    assert all(array is arrays[path] for path, array in tree_flatten(model.parameters()))
    assert mx.default_device() == mx.cpu
    np.testing.assert_array_equal(np.array(model(mx.array(x(*SHAPE)))), before)


def test_the_generator_is_as_it_was() -> None:
    def function(x: Any) -> Any:
        mx.random.normal(x.shape, loc=0.3)
        return x + 1

    mx.random.seed(3)
    want = np.array(mx.random.normal((4,)))
    mx.random.seed(3)
    trace(function, [x(3)])
    np.testing.assert_array_equal(np.array(mx.random.normal((4,))), want)


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 8)
        self.second = self.first

    def __call__(self, x: Any) -> Any:
        return self.second(self.first(x))


def test_a_module_at_two_paths_has_one_name_and_its_class_back() -> None:
    model = module(Shared)
    (name,) = {path.partition("#")[0] for path in trace(model, [x(*SHAPE)]).taps}
    assert name in ("first", "second")
    assert type(model.first) is nn.Linear
    compare(model, [x(*SHAPE)])


@pytest.mark.parametrize("enabled", [True, False])
def test_compilation_is_as_it_was(enabled: bool) -> None:
    def runs() -> int:
        """How often a compiled function's own lines run in two calls."""
        seen: list[int] = []

        def function(x: Any) -> Any:
            seen.append(1)
            return x + 1

        compiled = mx.compile(function)
        compiled(mx.array(0.0))
        compiled(mx.array(0.0))
        return len(seen)

    (mx.enable_compile if enabled else mx.disable_compile)()
    try:
        assert runs() == (1 if enabled else 2)
        program = trace(mx.compile(lambda x: mx.exp(x) * 2), [x(3)])
        assert [node.operation for node in program.nodes] == ["Exp", "Broadcast", "Multiply"]
        assert runs() == (1 if enabled else 2)
    finally:
        mx.enable_compile()
