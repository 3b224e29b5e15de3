"""Files of exported functions, read without MLX: as MLX reads them, and refused in a sentence where they are broken."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest

from parity.base.draws import normal
from parity.base.errors import InputError
from parity.exact import mlxfn
from parity.exact.constants import half_ulp, resolved, unresolved
from parity.exact.graph import Call, independent
from parity.exact.inputs import fitting, load
from parity.exact.mlx.events import exported
from parity.exact.primitives import Output
from parity.exact.program import Constant, NoProgram, Program, evaluate
from tests.exact.graph.writer import graph_of, write

X = normal("files", "x", (2, 5, 8))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layer with halves, integers, several outputs of one operation and a boolean constant."""
    layer = nn.TransformerEncoderLayer(8, 2, 16)
    half = mx.array([1.5, 0.1], mx.bfloat16)

    def function(x: Any) -> list[Any]:
        y = layer(x, mx.array(np.tri(5, dtype=bool)))
        first, second = mx.split(y, 2, -1)
        return [first * half[1], mx.argmax(second, -1).astype(mx.int8), mx.fft.rfft(x[..., ::-1])]

    path = tmp_path_factory.mktemp("files") / "layer.mlxfn"
    mx.eval(layer.parameters())
    mx.export_function(str(path), function, mx.array(X))
    return path


def test_a_file_is_read_as_mlx_reads_it(file: Path) -> None:
    imported = mx.import_function(str(file))
    result = imported(mx.array(X))
    mx.eval(result)  # MLX has the constants only once they were needed
    theirs, ours = exported(lambda x: imported(x), [mx.array(X)]), mlxfn.read(file).graph
    assert [(call.name, call.arguments) for call in ours.calls] == [(c.name, c.arguments) for c in theirs.calls]
    assert [a.tobytes() for a in ours.constants.values()] == [a.tobytes() for a in theirs.constants.values()]
    program = load(file, [X])
    values = evaluate(program, [X])
    for number, array in zip(program.outputs, result, strict=True):
        assert program.dtypes[number] == str(array.dtype).rpartition(".")[2]
        np.testing.assert_allclose(values[number], np.array(array), rtol=3e-6, atol=3e-6)


def test_what_the_tests_write_mlx_reads(file: Path, tmp_path: Path) -> None:
    again = write(tmp_path / "again.mlxfn", mlxfn.read(file).graph)
    ours, theirs = (mx.import_function(str(path))(mx.array(X)) for path in (again, file))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(np.array(one), np.array(other))


def test_a_file_of_a_gpu_is_read_here_though_mlx_cannot(file: Path, tmp_path: Path) -> None:
    graph = mlxfn.read(file).graph
    path = write(tmp_path / "gpu.mlxfn", graph, gpu=True)
    if not mx.metal.is_available() and not mx.cuda.is_available():
        with pytest.raises(ValueError, match="gpu"):
            mx.import_function(str(path))
    assert [call.name for call in mlxfn.read(path).graph.calls] == [call.name for call in graph.calls]


def test_keywords_are_found_by_name(tmp_path: Path) -> None:
    path = str(tmp_path / "keywords.mlxfn")
    a, b, c = (normal("files", name, (3,)) for name in "abc")
    mx.export_function(path, lambda a, *, c, b: a + b * c, mx.array(a), c=mx.array(c), b=mx.array(b))
    program = load(path, {"first": a, "c": c, "b": b})
    want = a.astype(np.float64) + b.astype(np.float64) * c
    np.testing.assert_array_equal(evaluate(program, [a, b, c])[program.outputs[0]], want)
    with pytest.raises(InputError, match=r"takes 3 inputs, of which by name b, c; got 2 \(a, b\)"):
        load(path, {"a": a, "b": b})
    with pytest.raises(InputError, match="takes 3 inputs, of which by name b, c; got 3"):
        load(path, {"a": a, "b": b, "d": c})


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.3, 0.9, 0.9999])
def test_a_truncated_file_is_refused(file: Path, tmp_path: Path, share: float) -> None:
    data = file.read_bytes()
    path = tmp_path / "cut.mlxfn"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match=r"the file is (empty|truncated)"):
        load(path)


@pytest.mark.parametrize("data", [b"\x89PNG\r\n\x1a\n" + bytes(99), bytes(99), b"\x06" + bytes(7) + b"\xff" * 90])
def test_another_kind_of_file_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "other.mlxfn").write_bytes(data)
    with pytest.raises(InputError, match=r"truncated or no \.mlxfn file"):
        load(tmp_path / "other.mlxfn")


def test_what_stands_behind_the_function_is_refused(file: Path, tmp_path: Path) -> None:
    (tmp_path / "long.mlxfn").write_bytes(file.read_bytes() + b"more")
    with pytest.raises(InputError, match="4 bytes behind the function"):
        load(tmp_path / "long.mlxfn")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be read \(No such file"):
        load(tmp_path / "absent.mlxfn")


def test_another_version_is_refused(file: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "old.mlxfn", mlxfn.read(file).graph, version="0.29.1")
    with pytest.raises(InputError, match=rf"exported by MLX 0\.29\.1, expected one of {mlxfn.VERSIONS[0]}"):
        load(path)


def test_several_functions_are_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "two.mlxfn")
    with mx.exporter(path, lambda x: x + 1) as export:
        export(mx.zeros((2,)))
        export(mx.zeros((3,)))
    with pytest.raises(InputError, match="holds 2 functions, expected one"):
        load(path)


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ([X[:, :4]], r"input 0 has shape \(2, 4, 8\), expected \(2, 5, 8\)"),
        ([X.astype(np.int32)], "input 0 holds int32, expected float32"),
        ([X * np.nan], "input 0 holds NaN or ∞"),
        ([np.full_like(X, np.inf)], "input 0 holds NaN or ∞"),
        ([], "takes 1 inputs; got 0"),
        ([X, X], "takes 1 inputs; got 2"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(file: Path, inputs: list[np.ndarray], says: str) -> None:
    with pytest.raises(InputError, match=says):
        load(file, inputs)


def test_inputs_that_fit_are_taken(file: Path) -> None:
    program = load(file)
    assert fitting(program, [X.astype(np.float64)])[0].dtype == np.float64
    assert fitting(program, [X])[0] is X


def test_constants_that_are_no_numbers_are_refused_and_infinite_ones_taken(tmp_path: Path) -> None:
    add = Call("Add", (), ("x", "c"), ("y",))
    for value in (np.nan, -np.inf):
        graph = graph_of({"x": X}, [add], ["y"], {"c": np.full(8, value, np.float32)}, {"y": X.shape})
        path = write(tmp_path / "constant.mlxfn", graph)
        if np.isnan(value):
            with pytest.raises(InputError, match=r"the constant \d+ of shape \(8,\) holds NaN"):
                load(path)
        else:
            assert unresolved(load(path)) == {}


@pytest.mark.parametrize(
    ("call", "output", "says"),
    [
        (Call("View", ("int32",), ("x",), ("y",)), Output(X.shape, "int32"), "bits are no numbers"),
        (Call("RandomBits", ([2, 5, 8], 4), ("x",), ("y",)), Output(X.shape, "uint32"), "give `draws=`"),
        (Call("Wavelet", (), ("x",), ("y",)), Output(X.shape, "float32"), "the stand-in"),
        (Call("CustomKernel", (), ("x",), ("y",)), Output(X.shape, "float32"), "trace the plain path"),
    ],
)
def test_operations_without_a_definition_are_refused_by_name(
    tmp_path: Path, call: Call, output: Output, says: str
) -> None:
    path = write(tmp_path / "refused.mlxfn", graph_of({"x": X}, [call], ["y"], {}, {"y": output}))
    with pytest.raises(NoProgram, match=rf"the primitive {call.name} has no definition in double: .*{says}"):
        load(path)


def test_an_output_that_depends_on_nothing_given_is_found(tmp_path: Path) -> None:
    path = str(tmp_path / "constant.mlxfn")
    mx.export_function(path, lambda a, b: [a + 1, a * b], mx.zeros((2,)), mx.zeros((2,)))
    assert independent(load(path)) == [(0, 1)]


# Constants in single precision


def scaled(constant: Constant) -> Program:
    return Program((0,), {1: constant}, (), (1,), source="a program")


def test_a_rounded_constant_is_replaced_by_what_was_meant() -> None:
    program = scaled(Constant(np.array(np.float64(np.float32(0.1))), rounded="float32"))
    assert list(unresolved(program)) == [1]
    better = resolved(program, {1: np.array(0.1)})
    assert unresolved(better) == {}
    assert better.constants[1].array == 0.1
    assert list(unresolved(program)) == [1]


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_what_is_meant_lies_within_half_an_ulp(dtype: str) -> None:
    stored = np.array(mx.array([0.1, -3.0, 1e-3, 700.0]).astype(getattr(mx, dtype)).astype(mx.float32), np.float64)
    program = scaled(Constant(stored, rounded=dtype))
    half = half_ulp(program.constants[1].array, program.constants[1].rounded)
    resolved(program, {1: stored + half})
    resolved(program, {1: stored - half})
    with pytest.raises(InputError, match=rf"stored in {dtype}: .* is more than half an ulp away"):
        resolved(program, {1: stored + 1.01 * half})


def test_values_that_do_not_fit_are_refused() -> None:
    program = scaled(Constant(np.array([0.1, 0.2])))
    with pytest.raises(InputError, match="value 7 is no constant of a program"):
        resolved(program, {7: np.array(1.0)})
    with pytest.raises(InputError, match=r"has shape \(2,\), the value for it \(\)"):
        resolved(program, {1: np.array(1.0)})
    with pytest.raises(InputError, match="stored in double"):
        resolved(program, {1: np.array([0.1, 0.2000001])})


@pytest.mark.parametrize(("value", "rounds"), [(0.1, True), (0.5, False), (-np.inf, False), (3.0, False), (1e-5, True)])
def test_a_number_of_few_bits_was_meant_as_it_is(tmp_path: Path, value: float, rounds: bool) -> None:
    path = str(tmp_path / "scalar.mlxfn")
    mx.export_function(path, lambda x: x * value, mx.zeros((2,)))
    assert bool(unresolved(load(path))) is rounds


def test_the_version_is_that_of_the_installed_mlx(file: Path) -> None:
    size = struct.unpack("<Q", file.read_bytes()[:8])[0]
    assert file.read_bytes()[8 : 8 + size].decode() == mlxfn.VERSION
