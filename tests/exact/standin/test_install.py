"""The stand-in takes MLX's place and gives it back: modules, names in packages, bits."""

from __future__ import annotations

import importlib
import subprocess
import sys
from types import ModuleType

import mlx.core as real
import mlx.nn as outside
import numpy as np
import pytest

from parity.base.errors import InputError
from parity.exact.standin import installed
from parity.exact.standin.array import halves_are_exact
from parity.exact.standin.install import reaching


def test_inside_the_stand_in_is_there_and_outside_mlx() -> None:
    import mlx as package

    ode, sampling = (importlib.import_module(f"mlx_impl.{name}") for name in ("ode", "t3.sampling"))
    before = dict(sys.modules)
    names = {name: dict(vars(module)) for name, module in before.items() if name.split(".")[0] in ("mlx", "mlx_impl")}
    with installed() as mx:
        import mlx.core
        import mlx.core.fast
        import mlx.nn as nn
        from mlx.core import array

        from mlx_impl import flow  # not imported before, or not on the stand-in

        assert mlx.core is mx is sys.modules["mlx.core"] is package.core
        assert mlx.core.fast is mx.fast
        assert array is mx.array is not real.array
        assert nn.Linear is not outside.Linear
        assert nn.Linear(2, 3).weight.dtype is mx.float32
        assert importlib.import_module("mlx_impl.ode") is not ode
        assert flow.mx is mx
    assert sys.modules["mlx.core"] is real is package.core
    for name, module in before.items():
        assert sys.modules[name] is module, name
    for name in set(sys.modules) - set(before):
        assert name not in reaching(dict(sys.modules)), name
    for name, contents in names.items():
        now = vars(before[name])
        assert {key: id(now.get(key)) for key in contents} == {key: id(value) for key, value in contents.items()}, name
        for key in set(now) - set(contents):  # imported inside for the first time, and of no use of MLX
            assert sys.modules[f"{name}.{key}"] is now[key]
    assert importlib.import_module("mlx_impl.t3.sampling") is sampling


def test_what_reaches_mlx_is_found_through_other_modules() -> None:
    made = {}
    for name, body in {
        "mlx.core": "class array: pass",
        "a": "",
        "a.direct": "import_ = None",
        "indirect": "",
        "instance": "",
        "package": "",
        "package.part": "",
        "apart": "x = 1",
    }.items():
        module = ModuleType(name)
        exec(body, vars(module))
        made[name] = module
    vars(made["a.direct"])["mx"] = made["mlx.core"]
    vars(made["a"])["direct"] = made["a.direct"]  # what the import system does: it is no use of it
    vars(made["indirect"])["other"] = made["a.direct"]
    vars(made["instance"])["value"] = vars(made["mlx.core"])["array"]()
    exec("def function(): pass", vars(made["a.direct"]))
    vars(made["package.part"])["function"] = vars(made["a.direct"])["function"]
    vars(made["package"])["part"] = made["package.part"]
    type(vars(made["instance"])["value"]).__module__ = "mlx.core"
    vars(made["a.direct"])["function"].__module__ = "a.direct"
    assert reaching(made) == {"mlx.core", "a.direct", "indirect", "instance", "package.part"}


def test_after_an_error_mlx_is_back() -> None:
    with pytest.raises(KeyError), installed():
        raise KeyError
    import mlx.core

    assert mlx.core is real


def test_no_installation_inside_another() -> None:
    with installed(), pytest.raises(InputError, match="installed already"), installed():
        pass
    import mlx.core

    assert mlx.core is real


def test_without_mlx_nothing_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlx", None)  # what Python takes for a module that is not there
    with pytest.raises(InputError, match="MLX is not installed"), installed():
        pass


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(InputError, match="'cpu' or 'gpu'"), installed(device="tpu"):
        pass


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_the_device_is_what_was_asked_for(device: str) -> None:
    with installed(device=device) as mx:
        assert mx.default_device() == getattr(mx, device)
        assert not mx.metal.is_available()
        assert not mx.cuda.is_available()


FLOW = """
import hashlib, sys
from pathlib import Path
from parity.base.runtime import prepare
prepare()
import numpy as np
from fixtures import cases
from parity import contract as contracts
from parity.capture.runner import Runner
from parity.exact.standin import installed
from parity.contract.implementation import make_case, make_side

contract = contracts.load(Path("fixtures/contract.toml"))
case = make_case(contract, "tiny-flow")
checkpoint = cases.synthetic_checkpoint(case)

def run():
    digest = hashlib.sha256()
    runner = Runner(contract, "candidate", make_side(contract, "candidate", checkpoint, case, "float32"))
    state = case.inputs
    for segment in contract.segments(case.dims, case.segments)[:2]:
        state = runner.run(segment, state, lambda tap, value: digest.update(np.ascontiguousarray(value).tobytes()))
    return digest.hexdigest()

for step in sys.argv[1:]:
    if step == "double":
        with installed():
            run()
    else:
        print(run())
"""


def test_two_runs_in_one_process_give_the_bits_of_mlx_alone() -> None:
    def bits(*steps: str) -> list[str]:
        run = subprocess.run([sys.executable, "-c", FLOW, *steps], capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        return run.stdout.split()

    alone = bits("single")
    assert len(alone) == 1
    assert bits("double", "single", "double", "single") == alone * 2


def test_values_are_double_whatever_dtype_is_reported() -> None:
    third = np.array([1 / 3])
    with installed() as mx:
        x = mx.array(third)
        assert x.dtype is mx.float32
        assert x.item() == 1 / 3
        assert x.astype(mx.float32).item() == x.astype(mx.float64).item() == 1 / 3
        assert x.astype(mx.float16).item() == float(np.float16(1 / 3))
        half = x.astype(mx.bfloat16)
        assert (half.dtype, half.item()) == (mx.bfloat16, 0.333984375)
        assert (half * half).item() == 0.333984375**2  # no rounding between operations
        assert (half * 0.1).item() == 0.333984375 * 0.10009765625  # the scalar takes the array's dtype
        assert mx.finfo(half.dtype).max == float(np.finfo(np.float32).max) * (1 - 2.0**-8) / (1 - 2.0**-24)


def test_half_precision_may_be_one_in_name_alone() -> None:
    third = np.array([1 / 3])
    with installed() as mx:
        halves_are_exact(True)
        try:
            half = mx.array(third).astype(mx.bfloat16)
            assert (half.dtype, half.item()) == (mx.bfloat16, 1 / 3)
            assert (half * 0.1).item() == 1 / 3 * 0.1
            assert half.astype(mx.float16).item() == 1 / 3
        finally:
            halves_are_exact(False)
        assert mx.array(third).astype(mx.bfloat16).item() == 0.333984375


def test_a_package_between_two_that_are_imported_anew_is_imported_anew() -> None:
    """Else the import of the innermost would find the one between, and never run the outermost."""
    made = {name: ModuleType(name) for name in ("mlx.core", "a", "a.b", "a.b.c", "d", "d.e")}
    for name in ("a", "a.b.c", "d.e"):
        vars(made[name])["mx"] = made["mlx.core"]
    assert reaching(made) == {"mlx.core", "a", "a.b", "a.b.c", "d.e"}
