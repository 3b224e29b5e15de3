"""Every primitive held against a GPU, in three steps, of which the second needs MLX and NumPy alone.

    python -m tests.exact.graph.gpu.primitives write FOLDER      here: functions on a GPU's stream, and inputs
    python -m tests.exact.graph.gpu.primitives run FOLDER        on the GPU's machine: adds what it computes
    python -m tests.exact.graph.gpu.primitives compare FOLDER    here: exit 1 where a result is beyond its bound

Set MLX_ENABLE_TF32=0 for the second. On CUDA (H200, MLX 0.32.4) all 732 results of 708 functions were within.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from parity.base.runtime import prepare

prepare()

import mlx.core as mx  # noqa: E402 - the process must be prepared first
import numpy as np  # noqa: E402

ON_A_CPU = ("Inverse", "Cholesky", "QRF", "SVD", "Eigh", "Eig")
"""MLX factors matrices on a CPU alone."""


def write(folder: Path) -> int:
    from hypothesis import given, settings
    from hypothesis import strategies as st

    from parity.exact.mlx.events import from_events
    from tests.exact.graph import cases_of_parts, cases_of_sums  # noqa: F401 - they enter their cases
    from tests.exact.graph.cases import CASES
    from tests.exact.graph.test_primitives import EXAMPLES
    from tests.exact.graph.writer import write as write_graph
    from tests.exact.operations.real import to_mlx

    bounds: dict[str, Any] = {}

    def written(name: str) -> Callable[[], None]:
        @settings(deadline=None, max_examples=EXAMPLES, derandomize=True, database=None)
        @given(data=st.data())
        def enter(data: Any) -> None:
            case = CASES[name](data)
            events: list[Any] = []
            mx.export_function(events.append, case.function, *to_mlx(list(case.inputs)), shapeless=case.shapeless)
            key = f"{name.replace(' ', '_')}-{len(bounds)}"
            write_graph(folder / f"{key}.mlxfn", from_events(events), gpu=name.split()[0] not in ON_A_CPU)
            np.savez(folder / f"{key}.npz", *case.inputs)
            bounds[key] = {"terms": case.terms, "ulps": case.ulps, "apart": case.apart}

        return enter

    for name in CASES:
        written(name)()
    (folder / "bounds.json").write_text(json.dumps(bounds))
    print(f"{len(bounds)} functions")
    return 0


def inputs_of(folder: Path, key: str) -> list[np.ndarray]:
    with np.load(folder / f"{key}.npz") as file:
        return [file[name] for name in file.files]


def run(folder: Path) -> int:
    mx.set_default_device(mx.gpu)
    results = {}
    for key in json.loads((folder / "bounds.json").read_text()):
        function = mx.import_function(str(folder / f"{key}.mlxfn"))
        for place, array in enumerate(function(*map(mx.array, inputs_of(folder, key)))):
            results[f"{key}|{place}"] = np.array(array.astype(mx.float32) if array.dtype == mx.bfloat16 else array)
    np.savez_compressed(folder / "results.npz", **results)
    print(f"{len(results)} results")
    return 0


def compare(folder: Path) -> int:
    from parity.exact.inputs import load
    from tests.exact.graph.test_primitives import check

    results = np.load(folder / "results.npz")
    beyond = []
    for key, bound in json.loads((folder / "bounds.json").read_text()).items():
        made, inputs = load(folder / f"{key}.mlxfn"), inputs_of(folder, key)
        actual = [results[f"{key}|{place}"] for place in range(len(made.outputs))]
        try:
            check(made, actual, inputs, **bound)
        except AssertionError as error:
            beyond.append(f"{key}: {error}")
    print("\n".join(beyond) or f"{len(results.files)} results within their bounds")
    return int(bool(beyond))


if __name__ == "__main__":
    step, folder = {"write": write, "run": run, "compare": compare}[sys.argv[1]], Path(sys.argv[2])
    folder.mkdir(exist_ok=True)
    sys.exit(step(folder))
