"""Files of `torch.save` read without PyTorch: as PyTorch reads them, or refused where they hold more than tensors."""

import collections
import io
import pickle
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch

from spec.files.torch_file import read_torch_file

DTYPES = [torch.float64, torch.float32, torch.float16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8]


@pytest.fixture
def read(tmp_path):
    """Save a value with PyTorch, read it with PyTorch's restricted reader, and here."""

    def both(value, **options):
        torch.save(value, tmp_path / "file.pt", **options)
        return torch.load(tmp_path / "file.pt", weights_only=True), read_torch_file(tmp_path / "file.pt")

    return both


def require_equal(got, expected) -> None:
    assert got.shape == tuple(expected.shape)
    assert got.dtype == expected.numpy().dtype
    assert np.array_equal(got, expected.numpy())
    assert got.flags.writeable
    assert got.dtype.isnative


@pytest.mark.parametrize("dtype", [*DTYPES, torch.bool], ids=str)
def test_tensors_of_every_dtype(read, dtype):
    expected, got = read({"x": torch.arange(-3, 9).reshape(3, 4).to(dtype), "y": torch.zeros(0, 2, dtype=dtype)})
    for name in "xy":
        require_equal(got[name], expected[name])


def test_bfloat16_becomes_float32_exactly(read):
    expected, got = read(torch.randn(50, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16))
    require_equal(got, expected.float())


def test_views_are_read_with_their_offset_and_strides(read):
    whole = torch.arange(60.0).reshape(3, 4, 5)
    views = [whole.permute(2, 0, 1), whole[1:, ::2, 1:4], whole.transpose(0, 2)[2], whole[2, 3, 4], whole[:0], whole]
    expected, got = read(views)
    for ours, theirs in zip(got, expected, strict=True):
        require_equal(ours, theirs)
    assert not expected[0].is_contiguous()


def test_plain_containers_and_values(read):
    value = {"a": [1, -2, 3.5, "b", None, True, False, (), (1,), (1, 2), (1, 2, 3, 4)], 5: {"c": 2**40, "d": "é" * 300}}
    expected, got = read([value, OrderedDict(x=1), value["a"]])
    assert got == expected
    assert isinstance(got[1], OrderedDict)
    assert got[0]["a"] is got[2]


def test_what_a_module_saves_is_read_without_its_versions(read):
    expected, got = read({"model": torch.nn.BatchNorm1d(3).state_dict(), "step": 7})
    assert vars(expected["model"]) and vars(got["model"]) == {}
    assert list(got["model"]) == list(expected["model"])
    for name, tensor in got["model"].items():
        require_equal(tensor, expected["model"][name])


def test_gradients_and_shared_storages(read):
    weight = torch.randn(4, requires_grad=True)
    expected, got = read({"weight": weight, "doubled": weight * 2, "part": weight.detach()[1:3]})
    for name, tensor in expected.items():
        require_equal(got[name], tensor.detach())


def big_endian(content: bytes) -> bytes:
    """A file as a machine of the other byte order writes it: float32 storages only."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(changed, "w") as target:
        for name in source.namelist():
            member = source.read(name)
            if name.endswith("byteorder"):
                member = b"big"
            elif "/data/" in name:
                member = np.frombuffer(member, "<f4").astype(">f4").tobytes()
            target.writestr(name, member)
    return changed.getvalue()


def test_the_other_byte_order(tmp_path):
    file = tmp_path / "file.pt"
    torch.save(torch.arange(5.0), file)
    file.write_bytes(big_endian(file.read_bytes()))
    require_equal(read_torch_file(file), torch.arange(5.0))


class Opener:
    """An object whose unpickling opens a file: what a pickle may do to whoever loads it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_that_runs_code_is_refused_and_runs_none(tmp_path, protocol):
    trace = tmp_path / "trace"
    torch.save({"x": Opener(trace)}, tmp_path / "file.pt", pickle_protocol=protocol)
    with pytest.raises(ValueError, match=r"file\.pt: not a whole torch\.save file of plain tensors"):
        read_torch_file(tmp_path / "file.pt")
    assert not trace.exists()
    pickle.loads(pickle.dumps(Opener(trace))).close()
    assert trace.exists()  # it would have


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (torch.nn.Linear(2, 2), "NEWOBJ"),
        ({1, 2}, "needs __builtin__.set"),
        (collections.Counter("a"), "needs collections.Counter"),
        (torch.float32, "needs torch.float32"),
        (torch.zeros(2, dtype=torch.complex64), "needs torch.ComplexFloatStorage"),
        (torch.zeros(2, 2).to_sparse(), "needs torch._utils._rebuild_sparse_tensor"),
        (torch.nn.Parameter(torch.zeros(2)), "needs torch._utils._rebuild_parameter"),
        (b"bytes", "needs _codecs.encode"),
        (2**3000, "does LONG4"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_objects_are_refused(tmp_path, value, reason):
    torch.save(value, tmp_path / "file.pt")
    with pytest.raises(ValueError, match=reason):
        read_torch_file(tmp_path / "file.pt")


def damaged(tmp_path, **parts):
    """A saved tensor of three values with members of its zip replaced (None: left out)."""
    torch.save(torch.arange(3.0), tmp_path / "whole.pt")
    file = tmp_path / "file.pt"
    with zipfile.ZipFile(tmp_path / "whole.pt") as source, zipfile.ZipFile(file, "w") as target:
        for name in source.namelist():
            member = parts.get(name.rpartition("/")[2].replace(".", "_"), source.read(name))
            if name.endswith("data/0"):
                member = parts.get("storage", source.read(name))
            if member is not None:
                target.writestr(name, member)
    return file


def view(offset: int, shape: tuple, strides: tuple, kind: bytes = b"FloatStorage", count: int = 3) -> bytes:
    """The program that makes one tensor on a storage of three values."""

    def integers(*numbers: int) -> bytes:
        return b"(" + b"".join(b"J" + number.to_bytes(4, "little", signed=True) for number in numbers) + b"t"

    storage = b"(X\7\0\0\0storagectorch\n" + kind + b"\nX\1\0\0\0000X\3\0\0\0cpu" + integers(count)[1:-1] + b"tQ"
    hooks = b"ccollections\nOrderedDict\n)R"
    given = storage + integers(offset)[1:-1] + integers(*shape) + integers(*strides) + b"\x89" + hooks
    return b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + given + b"tR."


def test_a_tensor_written_by_hand_is_read(tmp_path):
    require_equal(read_torch_file(damaged(tmp_path, data_pkl=view(1, (2,), (1,)))), torch.tensor([1.0, 2.0]))
    require_equal(read_torch_file(damaged(tmp_path, data_pkl=view(0, (0, 9), (0, 1)))), torch.zeros(0, 9))


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"data_pkl": view(0, (4,), (1,))}, "a tensor of shape"),
        ({"data_pkl": view(2, (2,), (1,))}, "at 2 with strides"),
        ({"data_pkl": view(0, (2,), (3,))}, "a tensor of shape"),
        ({"data_pkl": view(2, (2,), (-1,))}, "a tensor of offset"),
        ({"data_pkl": view(-1, (2,), (1,))}, "a tensor of offset -1"),
        ({"data_pkl": view(0, (2,), (1, 1))}, "a tensor of shape"),
        ({"data_pkl": view(0, (10**9, 10**9), (0, 0))}, "a tensor of shape"),  # no memory has room for it
        ({"data_pkl": view(0, (3,), (1,), count=4)}, "storage 0 has 3 values, expected 4"),
        ({"data_pkl": view(0, (3,), (1,), kind=b"LongStorage")}, "ValueError"),
        ({"data_pkl": view(0, (3,), (1,), kind=b"load")}, "needs torch.load"),
        ({"data_pkl": b"\x80\x02cos\nsystem\nX\4\0\0\0true\x85R."}, "needs os.system"),
        ({"data_pkl": b"\x80\x02}}X\1\0\0\0a)sb."}, "AttributeError"),
        ({"data_pkl": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\1\0\0\0a)sb."}, "AttributeError"),
        ({"data_pkl": b"\x80\x02ccollections\nOrderedDict\n}X\1\0\0\0a)sb."}, "TypeError"),
        ({"data_pkl": b"\x80\x02ctorch\nFloatStorage\n}X\1\0\0\0a)sb."}, "AttributeError"),
        ({"data_pkl": b"\x80\x04\x8c\2os\x8c\6system\x93."}, "does SHORT_BINUNICODE"),
        ({"data_pkl": b"\x80\x02)ccollections\nOrderedDict\nR."}, "TypeError"),
        ({"data_pkl": b"\x80\x02K\1"}, "Error"),
        ({"data_pkl": b"other"}, "Error"),
        ({"data_pkl": b""}, "Error"),
        ({"data_pkl": None}, "0 files data.pkl"),
        ({"storage": None}, "no item named"),
        ({"storage": b"\0" * 11}, "ValueError"),
        ({"storage": b"\0" * 16}, "storage 0 has 4 values, expected 3"),
    ],
)
def test_damaged_or_hostile_contents_are_refused(tmp_path, parts, reason):
    with pytest.raises(ValueError, match=f"not a whole torch.save file of plain tensors .*{reason}"):
        read_torch_file(damaged(tmp_path, **parts))


def test_compressed_members_are_refused(tmp_path):
    torch.save(torch.zeros(10**4), tmp_path / "whole.pt")
    with (
        zipfile.ZipFile(tmp_path / "whole.pt") as source,
        zipfile.ZipFile(tmp_path / "file.pt", "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            target.writestr(name, source.read(name))
    with pytest.raises(ValueError, match=r"is compressed, which torch\.save never does"):
        read_torch_file(tmp_path / "file.pt")


def test_unreadable_files_are_refused(tmp_path):
    file = tmp_path / "file.pt"
    with pytest.raises(ValueError, match="no such file"):
        read_torch_file(file)
    torch.save({"x": torch.arange(1000.0)}, file)
    content = file.read_bytes()
    at = content.index(np.float32(500).tobytes())
    flipped = content[:at] + b"\xff" + content[at + 1 :]
    for wrong in (b"", b"no zip", content[: len(content) // 2], content[:-1], flipped):
        file.write_bytes(wrong)
        with pytest.raises(ValueError, match=r"file\.pt: not a whole torch\.save file"):
            read_torch_file(file)
    file.write_bytes(content)
    require_equal(read_torch_file(file)["x"], torch.arange(1000.0))


def test_files_of_before_the_zip_are_refused(tmp_path):
    torch.save(torch.zeros(2), tmp_path / "file.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(ValueError, match="File is not a zip file"):
        read_torch_file(tmp_path / "file.pt")
