"""What MLX has around its arrays is taken and means nothing; what has no definition in double says so."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import mlx.core as real
import numpy as np
import pytest

from parity.exact.program import NoProgram
from parity.exact.standin import installed
from tests.exact.standin.both import STANDIN

EXPRESSIONS: dict[str, Callable[[Any], Any]] = {
    "devices": lambda mx: [
        mx.Device(mx.cpu) == mx.cpu, mx.Device(mx.cpu) == mx.gpu, mx.cpu == mx.Device(mx.cpu), mx.Device(mx.gpu).type,
        mx.Device(mx.cpu, 0) == mx.Device(mx.cpu), mx.DeviceType.gpu == mx.gpu, mx.device_count(mx.cpu),
        mx.is_available(mx.cpu), mx.default_device().type,
    ],
    "streams": lambda mx: [
        mx.default_stream(mx.cpu).device == mx.cpu, mx.default_stream(mx.cpu) == mx.default_stream(mx.cpu),
        mx.new_stream(mx.cpu) == mx.default_stream(mx.cpu), isinstance(mx.new_stream(mx.cpu), mx.Stream),
        isinstance(mx.new_thread_local_stream(mx.cpu), mx.ThreadLocalStream), repr(mx.default_stream(mx.cpu)),
        mx.new_thread_unsafe_stream(mx.cpu).device == mx.cpu,
    ],
    "a stream of a call": lambda mx: mx.add(mx.array(1), 2, stream=mx.cpu).item(),
    "evaluation": lambda mx: [
        mx.eval(mx.array(1), [mx.array(2)], {"a": mx.array(3)}), mx.async_eval(mx.array(1)), mx.synchronize(),
        mx.clear_cache(), mx.reset_peak_memory(), mx.disable_compile(), mx.enable_compile(),
        mx.set_printoptions(precision=-1), mx.get_printoptions().precision,
    ],
    "compiled": lambda mx: [
        mx.compile(lambda x: x + 1)(mx.array(1)).item(),
        mx.compile(lambda x: x * 2, shapeless=True)(mx.array(2)).item(),
        mx.checkpoint(lambda x: x + 1)(mx.array(1)).item(),
    ],
    "a function with its own derivative": lambda mx: mx.custom_function(lambda x: x * 2)(mx.array(2)).item(),
    "one process": lambda mx: [
        mx.distributed.init().size(), mx.distributed.init().rank(),
        isinstance(mx.distributed.init(), mx.distributed.Group),
        mx.distributed.all_sum(mx.array(2)).item(), mx.distributed.all_gather(mx.array([1, 2])).tolist(),
        mx.distributed.all_max(mx.array(2)).item(), mx.distributed.all_min(mx.array(2)).item(),
    ],
    "a random key": lambda mx: [mx.random.key(3).tolist(), mx.random.key(3).dtype.size, mx.random.seed(1)],
    "split keys": lambda mx: [mx.random.split(mx.random.key(0)).shape, mx.random.split(mx.random.key(0), 3).shape],
    "kinds": lambda mx: [
        mx.isdtype(mx.float32, "real floating"), mx.isdtype(mx.int8, ("bool", mx.int8)),
        mx.isdtype(mx.uint8, "integral"), mx.isdtype(mx.bool_, "numeric"), mx.isdtype(mx.complex64, "complex floating"),
        mx.newaxis, mx.pi, mx.e, mx.inf,
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_as_mlx(name: str) -> None:
    with real.stream(real.cpu):
        theirs = EXPRESSIONS[name](real)
    assert str(EXPRESSIONS[name](STANDIN)) == str(theirs)


def test_a_stream_sets_the_default_device_while_it_lasts() -> None:
    for mx in (real, STANDIN):
        before = mx.default_device()
        with mx.stream(mx.cpu):
            assert mx.default_device() == mx.cpu
        with mx.stream(mx.new_stream(mx.cpu)):
            assert mx.default_device() == mx.cpu
        assert mx.default_device() == before
        with mx.printoptions(precision=3), mx.StreamContext(mx.cpu):
            pass
    STANDIN.set_default_device(STANDIN.gpu)
    assert STANDIN.default_device() == STANDIN.gpu
    STANDIN.set_default_device(STANDIN.cpu)
    STANDIN.clear_streams()  # MLX's own could not be used again in this process
    STANDIN.set_default_stream(STANDIN.default_stream(STANDIN.cpu))


def test_memory_is_said_to_be_there() -> None:
    for name in (
        "get_active_memory",
        "get_cache_memory",
        "get_memory_limit",
        "get_peak_memory",
        "get_array_buffer_size",
    ):
        assert isinstance(getattr(STANDIN, name)(), int)
    for name in ("set_cache_limit", "set_memory_limit", "set_wired_limit"):
        assert isinstance(getattr(STANDIN, name)(1), int)
    for info in (STANDIN.device_info(), STANDIN.metal.device_info()):
        assert info["max_recommended_working_set_size"] > 0
    assert set(vars(STANDIN.metal)) >= {name for name in dir(real.metal) if not name.startswith("_")}


def test_derivatives_belong_to_a_decorated_function_and_are_left_alone() -> None:
    @STANDIN.custom_function
    def double(x: Any) -> Any:
        return x * 2

    @double.vjp
    def derivative(primals: Any, cotangents: Any, outputs: Any) -> Any:
        raise AssertionError("called")

    assert double(STANDIN.array(2)).item() == 4
    assert derivative is double


REFUSED: dict[str, Callable[[Any], Any]] = {
    "mx.grad": lambda mx: mx.grad(lambda x: x)(mx.array(1.0)),
    "mx.value_and_grad": lambda mx: mx.value_and_grad(lambda x: x)(mx.array(1.0)),
    "mx.vjp": lambda mx: mx.vjp(lambda x: x, [mx.array(1.0)], [mx.array(1.0)]),
    "mx.jvp": lambda mx: mx.jvp(lambda x: x, [mx.array(1.0)], [mx.array(1.0)]),
    "mx.export_function": lambda mx: mx.export_function("f.mlxfn", lambda x: x, mx.array(1.0)),
    "mx.import_function": lambda mx: mx.import_function("f.mlxfn"),
    "mx.export_to_dot": lambda mx: mx.export_to_dot("f.dot", mx.array(1.0)),
    "mx.exporter": lambda mx: mx.exporter("f", lambda x: x),
    "mx.save_gguf": lambda mx: mx.save_gguf("f.gguf", {}),
    "mx.gather_qqmm": lambda mx: mx.gather_qqmm(mx.array(1.0), mx.array(1.0)),
    "mx.distributed.s": lambda mx: mx.distributed.send(mx.array(1.0), 1),
    "mx.distributed.send and recv": lambda mx: mx.distributed.recv((1,), mx.float32, 1),
    "view from float32 to int32": lambda mx: mx.array(1.0).view(mx.int32),
    "view from int32 to float32": lambda mx: mx.view(mx.array(1), mx.float32),
    "the kernel 'twice'": lambda mx: mx.fast.metal_kernel(
        name="twice", input_names=["x"], output_names=["y"], source=""
    )(inputs=[mx.array(1.0)]),
    "the kernel 'thrice'": lambda mx: mx.fast.cuda_kernel("thrice", ["x"], ["y"], "")(inputs=[mx.array(1.0)]),
    "the kernel 'built'": lambda mx: mx.fast.precompiled_cuda_kernel(name="built", compiled_source=b""),
}


@pytest.mark.parametrize("message", REFUSED)
def test_refused_by_name(message: str) -> None:
    with pytest.raises(NoProgram, match=message):
        REFUSED[message](STANDIN)


def test_a_name_that_is_not_there_is_named() -> None:
    with pytest.raises(AttributeError, match=r"mlx\.core\.undefined has no definition in double"):
        STANDIN.undefined  # noqa: B018
    with pytest.raises(AttributeError, match=r"mlx\.core\.fast\.undefined"):
        STANDIN.fast.undefined  # noqa: B018
    assert not hasattr(STANDIN, "__wrapped__")


def test_a_kernel_runs_its_registered_twin() -> None:
    def twice(inputs: list[Any], **rest: Any) -> list[Any]:
        return [inputs[0] * 2]

    with installed(kernels={"twice": twice}) as mx:
        kernel = mx.fast.metal_kernel(name="twice", input_names=["x"], output_names=["y"], source="...")
        assert kernel(inputs=[mx.array(1.5)], grid=(1, 1, 1))[0].item() == 3.0
        assert mx.fast.precompiled_cuda_kernel(name="twice", inputs=[mx.array(2.0)])[0].item() == 4.0
        with pytest.raises(NoProgram, match="'other'"):
            mx.fast.cuda_kernel("other", ["x"], ["y"], "")(inputs=[])


def test_dtypes_and_devices_are_copied_and_kept_as_themselves() -> None:
    for dtype in (STANDIN.float32, STANDIN.bool_):
        assert pickle.loads(pickle.dumps(dtype)) is copy.deepcopy(dtype) is copy.copy(dtype) is dtype
    assert {STANDIN.Device(STANDIN.cpu): 1}[STANDIN.Device(STANDIN.cpu)] == 1
    assert {STANDIN.cpu: 1}[STANDIN.DeviceType.cpu] == 1
    assert len({STANDIN.new_stream(STANDIN.cpu), STANDIN.new_stream(STANDIN.cpu)}) == 1


def test_updates_where_nothing_else_looks_are_made_in_place() -> None:
    """A cache is not copied at every step; what somebody sees is never written to."""
    a = STANDIN.zeros((1000, 1000))
    numbers = a.value.ctypes.data
    a[3] = 1.0
    assert a.value.ctypes.data == numbers
    part = a[:5]
    a[3] = 2.0
    assert a.value.ctypes.data != numbers
    assert part[3, 0].item() == 1.0
    seen = np.asarray(a)
    a[3] = 3.0
    assert seen[3, 0] == 2.0
