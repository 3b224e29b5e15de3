"""Files of each version of MLX that can be read give what that version gave, on a CPU."""

from __future__ import annotations

from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest

from parity.base.errors import InputError
from parity.exact import mlxfn
from parity.exact.graph import Call
from parity.exact.inputs import load
from parity.exact.mlx.run import imported
from parity.exact.program import evaluate
from tests.exact.graph.versions.make import PART, X
from tests.exact.graph.writer import graph_of, write

HERE = Path(__file__).parent
OTHERS = [version for version in mlxfn.VERSIONS if version != mx.__version__]


@pytest.mark.parametrize("version", mlxfn.VERSIONS)
def test_a_file_gives_what_its_own_version_gave(version: str) -> None:
    program = load(HERE / f"{version}.mlxfn", [X, PART])
    found, given = evaluate(program, [X, PART]), np.load(HERE / f"{version}.npz")
    assert len(program.outputs) == len(given.files)
    for place, output in enumerate(program.outputs):
        np.testing.assert_allclose(found[output], given[f"output {place}"], rtol=0, atol=1e-6)


def test_versions_differ_where_integers_are_divided() -> None:
    oldest, newest = (np.load(HERE / f"{version}.npz")["output 3"] for version in (mlxfn.VERSIONS[0], mlxfn.VERSION))
    assert (oldest != newest).any()


@pytest.mark.parametrize("version", mlxfn.VERSIONS)
def test_a_field_that_came_later_is_as_it_was_without(tmp_path: Path, version: str) -> None:
    shape = (1, 2, 5, 8)
    calls = [Call("ScaledDotProductAttention", (0.5, True, False, False, False), ("q", "q", "q"), ("y",))]
    graph = graph_of({"q": np.zeros(shape, np.float32)}, calls, ["y"], {}, {"y": shape})
    read = mlxfn.read(write(tmp_path / "old.mlxfn", graph, version=version))
    assert (read.version, read.graph.calls[0].arguments) == (version, calls[0].arguments)


@pytest.mark.parametrize("version", OTHERS)
def test_the_device_does_not_run_a_file_of_another_version(version: str) -> None:
    with pytest.raises(InputError, match=rf"exported by MLX {version}, .* does not run it; --exact leaves the device"):
        imported(str(HERE / f"{version}.mlxfn"))
