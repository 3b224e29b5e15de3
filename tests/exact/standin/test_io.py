"""Files are read with the dtypes that they have and the values that are in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlx.core as real
import numpy as np
import pytest

from parity.base.errors import InputError
from parity.exact.program import NoProgram
from tests.exact.standin.both import STANDIN, reported, to_numpy

DTYPES = (
    "bool_", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "bfloat16",
    "float32", "complex64",
)  # fmt: skip


def arrays(mx: Any) -> dict[str, Any]:
    return {dtype: mx.array([[0.0, 1.5, 3.0], [7.0, 0.1, 2.0]]).astype(getattr(mx, dtype)) for dtype in DTYPES}


def same(ours: Any, theirs: Any) -> None:
    assert reported(ours) == reported(theirs)
    np.testing.assert_array_equal(np.array(ours), to_numpy(theirs))


def test_safetensors_of_mlx(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    real.save_safetensors(str(path), arrays(real), {"made": "here"})
    found, metadata = STANDIN.load(path, return_metadata=True)
    theirs, said = real.load(str(path), return_metadata=True)
    assert metadata == said
    assert set(found) == set(theirs)
    for name, value in theirs.items():
        same(found[name], value)
    assert set(STANDIN.load(str(path))) == set(DTYPES)


def test_safetensors_for_mlx(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    STANDIN.save_safetensors(str(path), arrays(STANDIN), {"made": "here"})
    found, metadata = real.load(f"{path}.safetensors", return_metadata=True)
    assert metadata["made"] == "here"
    for name, value in arrays(STANDIN).items():
        assert reported(value) == reported(found[name])
        np.testing.assert_array_equal(np.array(value).astype(to_numpy(found[name]).dtype), to_numpy(found[name]))
    STANDIN.save_safetensors(str(tmp_path / "empty.safetensors"), {})
    assert STANDIN.load(tmp_path / "empty.safetensors") == {}
    STANDIN.save_safetensors(str(tmp_path / "none.safetensors"), {"x": STANDIN.zeros((0, 3))})
    assert STANDIN.load(tmp_path / "none.safetensors")["x"].shape == (0, 3)


def test_numpy_files(tmp_path: Path) -> None:
    x = np.array([[0.1, 2.5]], np.float32)
    real.savez(str(tmp_path / "theirs.npz"), real.array(x), named=real.array([1, 2]))
    found = STANDIN.load(str(tmp_path / "theirs.npz"))
    theirs = real.load(str(tmp_path / "theirs.npz"))
    assert set(found) == set(theirs) == {"arr_0", "named"}
    for name in found:
        same(found[name], theirs[name])
    STANDIN.savez(str(tmp_path / "ours.npz"), STANDIN.array(x), named=STANDIN.array([1, 2]))
    STANDIN.savez_compressed(str(tmp_path / "small.npz"), STANDIN.array(x), named=STANDIN.array([1, 2]))
    for file in ("ours.npz", "small.npz"):
        assert {name: value.tolist() for name, value in real.load(str(tmp_path / file)).items()} == {
            name: value.tolist() for name, value in theirs.items()
        }
    STANDIN.save(str(tmp_path / "one.npy"), STANDIN.array(x))
    same(STANDIN.load(str(tmp_path / "one.npy")), real.load(str(tmp_path / "one.npy")))
    np.save(tmp_path / "double.npy", np.array([1 / 3]))
    assert STANDIN.load(tmp_path / "double.npy").item() == 1 / 3


def test_double_in_a_file_stays_double(tmp_path: Path) -> None:
    header = json.dumps({"x": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}}).encode()
    path = tmp_path / "double.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + np.array([1 / 3]).tobytes())
    found = STANDIN.load(path)["x"]
    assert (found.dtype, found.item()) == (STANDIN.float32, 1 / 3)


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="Failed to open"):
        STANDIN.load(str(tmp_path / "none.safetensors"))
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    with pytest.raises(NoProgram, match="gguf"):
        STANDIN.load(str(tmp_path / "model.gguf"))
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"\xff" * 16)
    with pytest.raises(InputError, match=r"not a \.safetensors file"):
        STANDIN.load(broken)
    header = json.dumps({"x": {"dtype": "F4", "shape": [1], "data_offsets": [0, 8]}}).encode()
    broken.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    with pytest.raises(InputError, match="dtype F4"):
        STANDIN.load(broken)
    header = json.dumps({"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    broken.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(InputError, match="takes 8 bytes"):
        STANDIN.load(broken)
    with broken.open("rb") as file, pytest.raises(NoProgram, match="give its path"):
        STANDIN.load(file, "safetensors")
