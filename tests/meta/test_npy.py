"""parity.base.npy: a file is read as what it says or refused; NumPy is the oracle, mlx.core.load a warning."""

import hashlib
import io
import re
import struct
from pathlib import Path

import hypothesis.extra.numpy as hnp
import mlx.core as mx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from parity.base import npy
from parity.base.errors import InputError

DTYPES = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]
VERSIONS = [(1, 0), (2, 0), (3, 0)]
GOOD = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"
ARRAY = np.arange(6, dtype="<f4").reshape(2, 3)
FORTRAN = np.asfortranarray(ARRAY)
BY_COLUMNS = ARRAY.T.tobytes()


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("npy") / "decoder.mid_blocks.3[step=4].npy"


@st.composite
def arrays(draw) -> np.ndarray:
    """Every dtype, both byte orders, 0-d to 4-d, empty axes, and C, Fortran, permuted and reversed memory."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES))).newbyteorder(draw(st.sampled_from("<>")))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3))
    array = np.array(draw(hnp.arrays(dtype, shape)), order=draw(st.sampled_from("CF")))
    array = array.transpose(draw(st.permutations(range(array.ndim))))
    return array[::-1] if array.ndim and draw(st.booleans()) else array


def numpy_file(array: np.ndarray, version: tuple[int, int] = (1, 0)) -> bytes:
    """The file NumPy itself writes."""
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version, allow_pickle=False)
    return file.getvalue()


def hand_made(header: str | bytes, data: bytes, version: tuple[int, int] = (1, 0)) -> bytes:
    header = header.encode() if isinstance(header, str) else header
    length = struct.pack("<H" if version == (1, 0) else "<I", len(header))
    return b"\x93NUMPY" + bytes(version) + length + header + data


def put(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)  # rewriting a file in place may wait for the disk
    path.write_bytes(content)


def bits(array: np.ndarray) -> tuple[np.dtype, tuple[int, ...], bytes]:
    """Equality in the strictest sense: NaN payloads and signed zeros count, memory and byte order do not."""
    array = array.astype(array.dtype.newbyteorder("="))
    return array.dtype, array.shape, array.tobytes()


def assert_refused(path: Path, match: str | None = None) -> None:
    """All three ways in refuse, with a message that names the file, what was got and what was expected."""
    for enter in (npy.read_header, npy.read, lambda path: npy.read(path, mmap=True)):
        with pytest.raises(InputError, match=match) as caught:
            enter(path)
        assert re.search(r": got (.|\n)+; expected .+\. .+\.$", str(caught.value)), caught.value
        assert str(path) in str(caught.value)


@settings(deadline=None, max_examples=150)
@given(array=arrays(), version=st.sampled_from(VERSIONS))
def test_what_numpy_writes_is_read_equal(path, array, version):
    put(path, numpy_file(array, version))
    stored = np.load(path)
    header, ours, mapped = npy.read_header(path), npy.read(path), npy.read(path, mmap=True)

    assert bits(ours) == bits(mapped) == bits(array)
    assert ours.dtype.isnative and mapped.dtype.isnative
    assert ours.flags.f_contiguous == stored.flags.f_contiguous
    assert ours.flags.c_contiguous == stored.flags.c_contiguous
    assert ours.flags.writeable and not mapped.flags.writeable
    assert (header.shape, header.dtype, header.version) == (array.shape, array.dtype, version)
    assert header.data_offset + header.nbytes == path.stat().st_size


@pytest.mark.parametrize("dtype", ["<f4", ">f4"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("size", [npy.SMALL // 8 - 16, npy.SMALL // 8, npy.SMALL // 8 + 1000])
def test_files_are_mapped_that_are_not_small(path, dtype, order, size):
    array = np.arange(2 * size, dtype=dtype).reshape(2, size, order=order)
    put(path, numpy_file(array))
    ours, mapped = npy.read(path), npy.read(path, mmap=True)
    assert bits(ours) == bits(mapped) == bits(array)
    assert ours.flags.f_contiguous == mapped.flags.f_contiguous == (order == "F")
    assert ours.flags.writeable and not mapped.flags.writeable
    assert isinstance(mapped, np.memmap) == (path.stat().st_size > npy.SMALL and mapped.dtype == dtype)
    put(path, numpy_file(array)[:-1])
    assert_refused(path, "truncated")


@settings(deadline=None, max_examples=150)
@given(array=arrays())
def test_what_we_write_is_read_equal_by_us_and_by_numpy(path, array):
    npy.write(path, array)
    first = path.read_bytes()
    npy.write(path, array)

    assert path.read_bytes() == first
    assert first == numpy_file(array.astype(array.dtype.newbyteorder("<"), order="A"))
    assert bits(npy.read(path)) == bits(np.load(path)) == bits(array)
    header = npy.read_header(path)
    assert header.fortran_order == (array.flags.f_contiguous and not array.flags.c_contiguous)
    assert header.dtype.str[0] in "<|"
    assert list(path.parent.iterdir()) == [path]


def test_the_bytes_of_a_file_are_fixed(path):
    # The manifest holds hashes of files: a NumPy release with another header layout must not go unseen.
    npy.write(path, FORTRAN)
    header = "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }".ljust(117) + "\n"
    assert path.read_bytes() == hand_made(header, BY_COLUMNS)


def test_a_transposed_torch_view_is_stored_in_fortran_order_at_batch_1_only(path):
    for batch, fortran_order in ((1, True), (2, False)):
        theirs = torch.arange(batch * 80 * 37, dtype=torch.float32).reshape(batch, 80, 37)
        npy.write(path, theirs.transpose(1, 2).numpy())
        assert npy.read_header(path).fortran_order is fortran_order
        ours = npy.read(path)
        assert ours.shape == (batch, 37, 80)
        assert torch.equal(torch.from_numpy(ours), theirs.transpose(1, 2))


@pytest.mark.parametrize("dtype", [name for name in DTYPES if name != "c16"])
@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (2, 3, 4)])
def test_mlx_reads_our_files_equal(path, dtype, shape):
    values = np.random.default_rng(0).integers(0, 100, shape) * (1 + 1j if dtype == "c8" else 1)
    for order in "CF":
        array = np.array(values.astype(dtype), order=order)
        npy.write(path, array)
        theirs = np.array(mx.load(str(path), stream=mx.cpu))
        assert bits(theirs) == bits(array)


def test_mlx_files_are_read_equal(path):
    for array in (mx.array(3.5), mx.zeros((0, 3)), mx.arange(6).reshape(2, 3), mx.arange(6).reshape(2, 3).T):
        mx.save(str(path), array)
        assert bits(npy.read(path)) == bits(np.array(array))
    mx.save(str(path), mx.zeros(3, dtype=mx.bfloat16))
    assert_refused(path, "descr")


@pytest.mark.parametrize(
    ("flaw", "content"),
    [
        ("big-endian complex64", numpy_file(np.array([1 + 2j, 3 - 4j], dtype=">c8"))),
        ("spacing", hand_made("{'descr': '<f4',  'fortran_order': True, 'shape': (2, 3)}\n", BY_COLUMNS)),
        ("key order", hand_made("{'descr': '<f4', 'shape': (2, 3), 'fortran_order': True}\n", BY_COLUMNS)),
        ("version 3.0", numpy_file(ARRAY, (3, 0))),
    ],
)
def test_why_mlx_load_is_not_the_way_in(path, flaw, content):
    """Valid files that mlx.core.load refuses or, worse, reads wrongly: MLX gets its arrays from here."""
    put(path, content)
    assert bits(npy.read(path)) == bits(np.load(path))
    try:
        wrong = bits(np.array(mx.load(str(path), stream=mx.cpu))) != bits(np.load(path))
    except (RuntimeError, ValueError):
        wrong = True
    assert wrong, f"mlx.core.load now copes with {flaw}: correct the docstring of parity/base/npy.py"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("array", [FORTRAN, np.array(2.0), np.zeros((0, 3), ">i2")], ids=["2d", "0d", "0x3"])
def test_truncated_at_any_byte_or_over_long_is_refused(path, array, version):
    content = numpy_file(array, version)
    put(path, content)
    assert bits(npy.read(path)) == bits(array)
    for length in range(len(content)):
        put(path, content[:length])
        assert_refused(path)
    for excess in (b"\0", b"\0" * array.itemsize, content):
        put(path, content + excess)
        assert_refused(path, "over-long")


def read_or_refuse(path: Path, content: bytes, original: np.ndarray) -> bool:
    """Read a damaged file. No reader can see that '<f4' became '<i4', but what it returns must be what the
    file now says (NumPy agrees), and the hash in the manifest must tell it from the original."""
    put(path, content)
    try:
        ours = npy.read(path)
    except InputError:
        return False
    assert bits(ours) == bits(np.load(path))
    same = bits(ours) == bits(original)
    assert same == (npy.canonical_sha256(ours) == npy.canonical_sha256(original))
    return True


@pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning")  # from Python's parser
def test_any_single_damaged_header_byte(path):
    content = numpy_file(ARRAY)
    tried = accepted = 0
    for place in [*range(70), 127]:  # some of the padding, and the final newline
        for byte in range(256) if place in (6, 8) else b"\0\n '(),-012368<>|=bfiu\xff":
            damaged = content[:place] + bytes([byte]) + content[place + 1 :]
            tried += 1
            accepted += read_or_refuse(path, damaged, ARRAY)
    assert 40 < accepted < tried / 4  # bytes replaced by themselves, other valid dtypes, other blanks


@pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning")
@settings(deadline=None, max_examples=150)
@given(arrays(), st.sampled_from(VERSIONS), st.data())
def test_damaged_headers(path, array, version, data):
    content = bytearray(numpy_file(array, version))
    offset = len(content) - array.nbytes
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, offset - 1))
        new = data.draw(st.binary(max_size=3) | st.text("0123468<>|=,() TFbcfiu'").map(str.encode))
        content[place : place + data.draw(st.sampled_from([0, len(new)]))] = new
    read_or_refuse(path, bytes(content), array)


@pytest.mark.parametrize(
    "header",
    [
        GOOD + "\n",
        GOOD + "      \n",
        '{"shape":(2,3),"fortran_order":False,"descr":"<f4"}\n',
        "{'shape': (2, 3, ), 'descr': '<f4',\n 'fortran_order': False}\n",
    ],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_any_valid_spelling_is_read(path, header, version):
    put(path, hand_made(header, ARRAY.tobytes(), version))
    assert bits(npy.read(path)) == bits(npy.read(path, mmap=True)) == bits(ARRAY)


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("}", "}\n'", "literal"),
        ("False", "false", "literal"),
        ("(2, 3)", "(2L, 3L)", "literal"),
        ("(2, 3)", "(2, 6 // 2)", "literal"),
        ("(2, 3)", "(2, __import__('os').getpid())", "literal"),
        ("'<f4'", "{[]: 1}", "literal"),
        (GOOD, "-" * 4000 + "1", "literal"),
        (GOOD, "[" * 2000 + "]" * 2000, "literal"),
        ("2", "2" * 4000 + "\0", "literal"),
        (GOOD, "", "literal"),
        (GOOD, "[('descr', '<f4'), ('fortran_order', False), ('shape', (2, 3))]", "keys"),
        ("'fortran_order': False, ", "", "keys"),
        ("}", "'extra': 0}", "keys"),
        ("}", "'shape': (2, 3)}", "keys"),
        ("}", "**{}}", "literal"),
        ("'descr'", "b'descr'", "keys"),
        ("False", "0", "fortran_order True or False"),
        ("False", "None", "fortran_order True or False"),
        ("(2, 3)", "[2, 3]", "as shape"),
        ("(2, 3)", "6", "as shape"),
        ("(2, 3)", "(-2, -3)", "as shape"),
        ("(2, 3)", "(2.0, 3)", "as shape"),
        ("(2, 3)", "(True, 6)", "as shape"),
        ("(2, 3)", "('2', 3)", "as shape"),
        ("(2, 3)", f"({'1, ' * 31}2, 3)", "as shape"),
        ("(2, 3)", "(0, 9223372036854775808)", "memory"),
        ("(2, 3)", "(4294967296, 4294967296)", "memory"),
        ("(2, 3)", "(0x" + "f" * 4000 + ", 0)", "memory"),
        ("<f4", "f4", "descr"),
        ("<f4", "|f4", "descr"),
        ("<f4", "=f4", "descr"),
        ("<f4", "float32", "descr"),
        ("<f4", "<f16", "descr"),
        ("<f4", "<V4", "descr"),
        ("<f4", "|O", "descr"),
        ("<f4", "|S4", "descr"),
        ("<f4", "<U1", "descr"),
        ("<f4", "<m8[s]", "descr"),
        ("'<f4'", "[('x', '<f4')]", "descr"),
        ("'<f4'", "('<f4', (1,))", "descr"),
        ("'<f4'", "None", "descr"),
        ("(2, 3)", "(2, 2)", "over-long"),
        ("(2, 3)", "(2, 4)", "truncated"),
        ("(2, 3)", "(0, 3)", "over-long"),
        ("(2, 3)", "()", "over-long"),
        ("<f4", "<f8", "truncated"),
        ("<f4", "<f2", "over-long"),
    ],
)
def test_malformed_headers_are_refused(path, old, new, match):
    assert old in GOOD
    put(path, hand_made(GOOD.replace(old, new, 1) + "\n", ARRAY.tobytes()))
    assert_refused(path, match)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "NPY file"),
        (b"PK\x03\x04" + b"\0" * 200, "NPY file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "got a Git LFS pointer; .* Run `git lfs pull`"),
        (numpy_file(ARRAY).replace(b"NUMPY", b"numpy"), "NPY file"),
        (hand_made(GOOD + "\n", ARRAY.tobytes(), (4, 0)), "version 4.0"),
        (hand_made(GOOD + "\n", ARRAY.tobytes(), (1, 1)), "version 1.1"),
        (hand_made(GOOD, ARRAY.tobytes()), "newline"),
        (hand_made(GOOD.replace("<f4", "=u1") + "\n", bytes(6)), "descr"),
        (hand_made(GOOD.replace("{", "{ #ä\n") + "\n", ARRAY.tobytes(), (3, 0)), "ASCII"),
        (hand_made(GOOD + " " * 4096 + "\n", ARRAY.tobytes()), "at most 4096"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + GOOD.encode(), "at most 4096"),
        (numpy_file(np.zeros(0)).replace(b"\x76\0", b"\x77\0", 1), "118 bytes of header; expected the 119"),
    ],
)
def test_other_containers_are_refused(path, content, match):
    put(path, content)
    assert_refused(path, match)


def test_a_path_that_is_no_file_is_refused(path):
    assert_refused(path.parent, "no regular file")
    assert_refused(path.parent / "absent.npy", "no regular file")


@pytest.mark.parametrize("order", "CF")
def test_bools_must_be_0_or_1(path, order):
    raw = np.array([[0, 1, 1], [1, 0, 0]], dtype="u1", order=order)
    npy.write(path, raw.view(bool))
    content = path.read_bytes()
    assert bits(npy.read(path, mmap=True)) == bits(raw.view(bool))

    put(path, content[:-1] + b"\x02")
    for mmap in (False, True):
        with pytest.raises(InputError, match="bools"):
            npy.read(path, mmap=mmap)
    with pytest.raises(InputError, match="bools"):
        npy.write(path, (raw * 2).view(bool))


@pytest.mark.parametrize(
    ("array", "match"),
    [
        ([1.0, 2.0], "a list"),
        (torch.zeros(3), "a Tensor"),
        (np.ma.masked_array([1.0, 2.0], [True, False]), "a MaskedArray"),
        (np.array([None]), "dtype object"),
        (np.array(["a"]), "dtype <U1"),
        (np.array([b"a"]), r"dtype \|S1"),
        (np.zeros(2, [("x", "f4")]), "dtype"),
        (np.zeros(2, "V2"), "dtype"),
        (np.zeros(2, "M8[s]"), "dtype datetime64"),
        (np.zeros((1,) * 33), "33 axes"),
    ],
)
def test_what_cannot_be_read_is_neither_written_nor_hashed(tmp_path, array, match):
    with pytest.raises(InputError, match=match):
        npy.write(tmp_path / "a.npy", array)
    with pytest.raises(InputError, match=match):
        npy.canonical_sha256(array)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(path, monkeypatch):
    npy.write(path, ARRAY)
    mapped = npy.read(path, mmap=True)
    npy.write(path, ARRAY + 1)
    assert bits(mapped) == bits(ARRAY)  # the old file was replaced, not overwritten
    npy.write(path, ARRAY)
    for bad in (path.parent, path.parent / "absent" / "a.npy"):
        with pytest.raises(InputError, match="no place"):
            npy.write(bad, ARRAY)

    def disk_full(file, array, **options):
        file.write(b"\x93NUMPY")
        raise OSError("No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", disk_full)
    with pytest.raises(InputError, match=r"cannot be written \(No space"):
        npy.write(path, ARRAY + 1)
    assert bits(npy.read(path)) == bits(ARRAY)
    assert list(path.parent.iterdir()) == [path]


def test_the_canonical_hash_is_the_documented_one():
    empty = np.zeros((0, 3), bool)
    for array, line in ((ARRAY, b"<f4 2,3\n"), (np.float32(1), b"<f4 \n"), (empty, b"|b1 0,3\n")):
        assert npy.canonical_sha256(array) == hashlib.sha256(line + array.tobytes()).hexdigest()


@settings(deadline=None, max_examples=100)
@given(arrays(), arrays())
def test_the_canonical_hash_is_equal_exactly_for_equal_arrays(array, other):
    digest = npy.canonical_sha256(array)
    for order in "CF":
        for byte_order in "<>":
            assert npy.canonical_sha256(array.astype(array.dtype.newbyteorder(byte_order), order)) == digest
    assert (npy.canonical_sha256(other) == digest) == (bits(other) == bits(array))
    assert npy.canonical_sha256(array[None]) != digest
    for index in range(array.nbytes):
        changed = bytearray(array.tobytes())
        changed[index] ^= 1
        assert npy.canonical_sha256(np.frombuffer(changed, array.dtype).reshape(array.shape)) != digest
