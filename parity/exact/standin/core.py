"""The module `mlx.core`, and those below it, put together from the functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np

from parity.exact.standin import (
    creation,
    dtypes,
    elementwise,
    fast,
    fft,
    indexing,
    io,
    linalg,
    linear,
    mapping,
    methods,
    quantized,
    random,
    reductions,
    runtime,
    shapes,
    sorting,
)
from parity.exact.standin.array import array, asarray
from parity.exact.standin.indexing import ArrayAt
from parity.exact.standin.random import Draws

VERSION = "0.32.4"
"""The version of MLX whose functions these are."""

_ARRAYS = (
    elementwise.NAMES
    | reductions.NAMES
    | shapes.NAMES
    | creation.NAMES
    | linear.NAMES
    | quantized.NAMES
    | indexing.FUNCTIONS
    | sorting.NAMES
    | io.NAMES
)
_DTYPES = {dtype.name: dtype for dtype in dtypes.ALL if dtype is not dtypes.bool_} | {"bool_": dtypes.bool_}
_CATEGORIES = {name: category for name, category in vars(dtypes).items() if isinstance(category, dtypes.DtypeCategory)}


def _asarray(a: Any, dtype: dtypes.Dtype | None = None, *, copy: bool | None = None) -> array:
    return array(a, dtype)


def _from_dlpack(x: Any, /, *, copy: bool | None = None) -> array:
    return array(np.from_dlpack(x))


def _result_type(*given: Any) -> dtypes.Dtype:
    return dtypes.result_type(*(one if isinstance(one, dtypes.Dtype) else asarray(one).dtype for one in given))


_OTHERS = {
    "ArrayAt": ArrayAt,
    "Dtype": dtypes.Dtype,
    "DtypeCategory": dtypes.DtypeCategory,
    "__version__": VERSION,
    "array": array,
    "asarray": _asarray,
    "can_cast": dtypes.can_cast,
    "e": math.e,
    "euler_gamma": 0.5772156649015329,
    "finfo": dtypes.finfo,
    "iinfo": dtypes.iinfo,
    "inf": math.inf,
    "isdtype": dtypes.isdtype,
    "issubdtype": dtypes.issubdtype,
    "matrix_norm": linalg.NAMES["norm"],
    "nan": math.nan,
    "newaxis": None,
    "pi": math.pi,
    "from_dlpack": _from_dlpack,
    "result_type": _result_type,
    "vmap": mapping.vmap,
}

for _cls in (array, ArrayAt, dtypes.Dtype, dtypes.DtypeCategory, dtypes.finfo, dtypes.iinfo):
    _cls.__module__ = "mlx.core"  # as MLX says it; and so modules that hold them are found


def _module(name: str, contents: Mapping[str, Any]) -> ModuleType:
    made = ModuleType(name, "The stand-in in double.")
    for key, value in contents.items():
        setattr(made, key, value)
    made.__dict__["__getattr__"] = _missing(name)
    return made


def _missing(module: str) -> Callable[[str], Any]:
    def lookup(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(f"{module}.{name} has no definition in double here: the stand-in lacks it")

    return lookup


def modules(
    device: runtime.DeviceType, draws: Draws | None, kernels: Mapping[str, Callable[..., Any]]
) -> dict[str, ModuleType]:
    """`mlx.core` and the modules below it, by their names."""
    around = runtime.functions(device)
    below = {
        "cuda": {"is_available": lambda: False},
        "distributed": runtime.distributed(),
        "fast": fast.NAMES | fast.kernel_makers(kernels),
        "fft": fft.NAMES,
        "linalg": linalg.NAMES,
        "metal": runtime.metal(around),
        "random": random.functions(draws),
    }
    made = {f"mlx.core.{name}": _module(f"mlx.core.{name}", contents) for name, contents in below.items()}
    core = _module("mlx.core", _ARRAYS | _DTYPES | _CATEGORIES | _OTHERS | around)
    for name, module in made.items():
        setattr(core, name.rpartition(".")[2], module)
    return {"mlx.core": core} | made


__all__ = ["methods", "modules"]
