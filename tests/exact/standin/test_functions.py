"""Every function that the stand-in covers gives what MLX gives: dtypes, shapes, and values within the bound."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from parity.exact.standin import survey
from parity.exact.standin.array import array
from tests.exact.standin import elementwise_calls, structure_calls  # noqa: F401 - they fill CASES
from tests.exact.standin.both import STANDIN, compare
from tests.exact.standin.calls import CASES

ELSEWHERE = {
    "test_dtypes": "finfo iinfo issubdtype isdtype can_cast result_type Dtype DtypeCategory",
    "test_runtime": (
        "Device DeviceType Stream StreamContext ThreadLocalStream async_eval checkpoint clear_cache clear_streams "
        "compile custom_function default_device default_stream device_count device_info disable_compile enable_compile "
        "eval get_active_memory get_array_buffer_size get_cache_memory get_memory_limit get_peak_memory is_available "
        "get_printoptions new_stream new_thread_local_stream new_thread_unsafe_stream reset_peak_memory "
        "set_cache_limit set_default_device set_default_stream set_memory_limit set_printoptions set_wired_limit "
        "stream synchronize printoptions PrintOptions"
    ),
    "test_indexing": "ArrayAt",
    "test_io": "load save savez savez_compressed save_safetensors",
    "whole modules: test_runtime, test_random": "cuda distributed metal random",
}
"""Names that no call here compares, by the test that does."""


def covered() -> set[str]:
    """The names of functions and classes that are there and do not refuse."""
    names = {f"array.{name}" for name in vars(array) if not name.startswith("_")} - {
        "array.mark",
        "array.rebind",
        "array.value",
    }
    for name, value in vars(STANDIN).items():
        below = name in ("fast", "fft", "linalg")
        contents: dict[str, Any] = vars(value) if below and isinstance(value, ModuleType) else {"": value}
        for inner, function in contents.items():
            full = f"{name}.{inner}" if below else name
            if (
                not inner.startswith("_")
                and not name.startswith("_")
                and callable(function) | isinstance(function, ModuleType)
            ):
                names.add(full)
    return {name for name in names if survey.state(name) == survey.COVERED}


def test_every_covered_name_is_compared_somewhere() -> None:
    elsewhere = {name for names in ELSEWHERE.values() for name in names.split()}
    assert covered() - set(CASES) - elsewhere == set()
    assert set(CASES) - covered() == set()


def test_every_name_of_mlx_is_covered_or_refused() -> None:
    for module in ("", "fast.", "fft.", "linalg.", "random.", "metal.", "cuda.", "distributed."):
        found: Any = getattr(mx, module[:-1]) if module else mx
        names = [f"{module}{name}" for name in dir(found) if not name.startswith("_")]
        assert [name for name in names if survey.state(name) == survey.MISSING] == []


@pytest.mark.parametrize("name", CASES)
def test_as_mlx(name: str) -> None:
    for one in CASES[name]:
        compare(one.call, one.inputs, **one.bound)


DIFFERENT = {
    "a value": lambda m, x: m.exp(x) * (1 if m is mx else 1 + 1e-5),
    "a dtype": lambda m, x: x if m is mx else x.astype(m.float16),
    "a shape": lambda m, x: x if m is mx else x[None],
    "an integer": lambda m, x: m.argmax(x) + (0 if m is mx else 1),
    "how many there are": lambda m, x: [x] if m is mx else [x, x],
    "no array": lambda m, x: x.ndim if m is mx else x.ndim + 1,
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_the_comparison_finds_what_differs(what: str) -> None:
    with pytest.raises(AssertionError):
        compare(DIFFERENT[what], [np.array([0.5, 1.5], np.float32)])
