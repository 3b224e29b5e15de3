"""The writer of NumPy: the bytes of numpy.save for any array, read back as it was; all else is refused."""

from __future__ import annotations

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parity.base import npy
from tests.writers.test_golden import bytes_of_numpy
from writers.parity_dump import Dump, read

TAP = "decoder.mid.3.resnet[step=2]"


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    """Every dtype that an input or a tap has, in C, Fortran and permuted order."""
    dtype = np.dtype(draw(st.sampled_from(["?", "i4", "i8", "f2", "f4", "f8"])))
    array = draw(hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=12)))
    array = np.array(array, order=draw(st.sampled_from("CF")))
    return array.transpose(draw(st.permutations(range(array.ndim))))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("dumps")


@settings(deadline=None, max_examples=150)
@given(array=arrays())
def test_a_dump_is_what_numpy_saves_and_is_read_as_it_was(folder, array):
    Dump(folder).write(TAP, array)
    file = folder / f"{TAP}.npy"
    order = "A" if array.flags.f_contiguous else "C"
    assert file.read_bytes() == bytes_of_numpy(np.array(array, order=order))
    for back in (read(file, array.dtype), npy.read(file)):
        assert npy.canonical_sha256(back) == npy.canonical_sha256(array)


def test_other_byte_orders_are_stored_as_little_endian(tmp_path):
    Dump(tmp_path).write(TAP, np.array([1, 2], ">f4"))
    assert read(tmp_path / f"{TAP}.npy", "<f4").tolist() == [1, 2]


@pytest.mark.parametrize("tap", ["", ".x", "a/b", "a\\b", "../x", "a\0b"])
def test_what_is_no_name_of_a_file_is_refused(tmp_path, tap):
    with pytest.raises(ValueError, match="a name begins with no dot"):
        Dump(tmp_path).write(tap, np.zeros(1))
    assert list(tmp_path.iterdir()) == []


def test_a_tap_is_dumped_once(tmp_path):
    dump = Dump(tmp_path)
    dump.write("ode.state", np.zeros(1))
    with pytest.raises(ValueError, match=r"number it, as in ode\.state\[step=1\]"):
        dump.write("ode.state", np.zeros(1))


@pytest.mark.parametrize("values", [["a"], [None], np.zeros(1, np.longdouble), np.zeros(1, "V2")], ids=repr)
def test_what_are_no_numbers_is_refused(tmp_path, values):
    with pytest.raises(ValueError, match="expected bool, integers, float16"):
        Dump(tmp_path).write("x", values)
    assert list(tmp_path.iterdir()) == []


def test_a_dump_that_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "x.npy").mkdir()
    with pytest.raises(OSError, match=r"x\.npy"):
        Dump(tmp_path).write("x", np.zeros(1))
    assert [file.name for file in tmp_path.iterdir()] == ["x.npy"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: b"\x93NUMPX" + data[6:], "magic"),
        (lambda data: data[:6] + b"\2" + data[7:], "header"),
        (lambda data: data[:6] + b"\2\0\x74\0\0\0" + data[10:125] + b"\n" + data[128:], "got NPY 2.0 of float32"),
        (lambda data: data[:60], "EOF"),
        (lambda data: data[:-1], "could only read 5 elements"),
        (lambda data: data + b"\0", "and 1 bytes more; expected NPY 1.0 of float32"),
        (lambda data: data.replace(b"<f4", b"<i4"), "got NPY 1.0 of int32 and 0 bytes more; expected NPY 1.0"),
    ],
)
def test_another_file_is_refused(tmp_path, change, said):
    npy.write(tmp_path / "x.npy", np.arange(6, dtype=np.float32))
    (tmp_path / "x.npy").write_bytes(change((tmp_path / "x.npy").read_bytes()))
    with pytest.raises(ValueError, match=rf"x\.npy: .*{said}"):
        read(tmp_path / "x.npy", np.float32)
