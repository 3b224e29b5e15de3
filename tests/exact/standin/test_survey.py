"""The survey finds the names that a package calls, and says of each whether it is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from parity.base.errors import InputError
from parity.exact.standin.survey import COVERED, MISSING, REFUSED, main, state, survey

SOURCE = """
import mlx.core as mx
import mlx.core
import numpy as np
from mlx import core as other
from mlx.core import array, fast as quick
from mlx.core.fast import rope

def f(x):
    y = mx.exp(x).astype(mx.float32) + np.exp(1) + x.moveaxis(0, 1) + mlx.core.sin(x)
    z = mx.fast.rms_norm(y, None, 1e-5) + quick.layer_norm(y, None, None, 1e-5) + other.cos(x)
    return mx.grad(f)(z), mx.linalg.norm(z).logsumexp(), mx.dropout(z), "a".split(), mx.random.normal, x.shape
"""


def test_names_are_found_by_what_they_are_bound_to(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "model.py").write_text(SOURCE)
    (tmp_path / "other.py").write_text("import mlx.core as mx\nmx.exp(1)\n")
    found = survey(str(tmp_path))
    assert found.counts["exp"] == 2
    assert set(found.counts) == {
        "exp", "float32", "array", "fast.rope", "array.moveaxis", "sin", "fast.rms_norm", "fast.layer_norm", "cos",
        "grad", "linalg.norm", "array.logsumexp", "dropout", "random.normal",
    }  # fmt: skip
    assert found.of(REFUSED) == ["grad"]
    assert found.of(MISSING) == ["dropout"]
    assert len(found.of(COVERED)) == 12


def test_what_mlx_nn_calls_is_there() -> None:
    found = survey("mlx.nn")
    covered, refused = found.of(COVERED), found.of(REFUSED)
    assert found.of(MISSING) == []
    assert refused == ["value_and_grad"]
    assert len(covered) >= 0.95 * len(found.counts)


def test_the_port_calls_what_is_there() -> None:
    found = survey("mlx_impl")
    assert found.of(MISSING) == []
    assert found.of(REFUSED) == ["fast.cuda_kernel"]


def test_states() -> None:
    assert [state(name) for name in ("exp", "newaxis", "fast.rope", "fast.metal_kernel", "no", "fast.no")] == [
        COVERED, COVERED, COVERED, REFUSED, MISSING, MISSING,
    ]  # fmt: skip


def test_the_command_says_the_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model.py").write_text(SOURCE)
    assert main([str(tmp_path), str(tmp_path / "model.py"), "--names"]) == 0
    said = capsys.readouterr().out
    assert "13 names of MLX, 12 covered (92.3 %), 1 refused by name; 1 not in MLX" in said
    assert "refused by name: grad (1)" in said
    assert "together: 13 names of MLX" in said


def test_bad_input_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither a folder nor a package"):
        survey("no_such_package_anywhere")
    (tmp_path / "broken.py").write_text("def")
    with pytest.raises(InputError, match="not a Python file"):
        survey(str(tmp_path))
