"""Files that `torch.save` wrote, read without PyTorch: tensors as NumPy arrays in plain containers, and nothing else.

Such a file is a zip of a pickle, which says what there is, and the values of each storage. A pickle is a program that
may call anything; this reader runs only those whose every operation is on a list, and which name only what makes a
tensor. Format: `torch/serialization.py` and `torch/_utils.py` (`_rebuild_tensor_v2`).
"""

from __future__ import annotations

import io
import pickle
import pickletools
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from spec.files.pointer import check_no_pointer

# What a pickle may do: make plain values and containers of them, remember them, name, refer to a storage, and call.
OPERATIONS = (
    {"NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE"}
    | {"EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST", "APPEND", "APPENDS"}
    | {"EMPTY_DICT", "SETITEM", "SETITEMS", "MARK", "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET"}
    | {"PROTO", "GLOBAL", "BINPERSID", "REDUCE", "BUILD", "STOP"}
)
STORAGES = {
    "DoubleStorage": "f8",
    "FloatStorage": "f4",
    "HalfStorage": "f2",
    "BFloat16Storage": "u2",  # widened to float32, which holds each of its values: NumPy has no bfloat16
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}


def read_torch_file(file: Path) -> Any:
    """What was saved. Raises `ValueError` for a file that is damaged, or holds anything but tensors and containers."""
    if not file.is_file():
        raise ValueError(f"{file}: no such file; expected one that torch.save wrote")
    check_no_pointer(file)
    try:
        with zipfile.ZipFile(file) as archive:
            return _Reader(archive).load()
    except Exception as error:  # damaged bytes make the zip's and the pickle's readers raise nearly anything
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise ValueError(f"{file}: not a whole torch.save file of plain tensors ({reason}); fetch it again") from error


class StateDict(OrderedDict[Any, Any]):
    """What PyTorch saves of a module: the tensors by name. The versions of its parts are attributes, and left out."""

    def __setstate__(self, state: Any) -> None:
        """Of BUILD, which an ordered dictionary alone may be given."""


class _Rebuild:
    """Makes a tensor. An object without attributes, so that a pickle can set none."""

    __slots__ = ()

    def __call__(self, *given: Any) -> np.ndarray:
        return tensor(*given)


class _Reader(pickle.Unpickler):
    """Makes what the pickle of an archive says, where each global and each storage is one of those known here."""

    def __init__(self, archive: zipfile.ZipFile):
        programs = [name for name in archive.namelist() if name.rpartition("/")[2] == "data.pkl"]
        if len(programs) != 1:
            raise ValueError(f"it holds {len(programs)} files data.pkl, expected one")
        self.archive, self.folder = archive, programs[0].removesuffix("data.pkl")
        self.storages: dict[str, tuple[str, np.ndarray]] = {}
        self.order = ">" if self.part("byteorder", b"little") == b"big" else "<"
        program = self.part("data.pkl")
        for operation, argument, _ in pickletools.genops(program):
            if operation.name not in OPERATIONS:
                raise ValueError(f"its pickle does {operation.name}, which no tensor needs")
            if "BINPUT" in operation.name and argument > len(program):  # Python makes a table of so many places
                raise ValueError(f"its pickle of {len(program)} bytes remembers a value as number {argument}")
        super().__init__(io.BytesIO(program))

    def part(self, name: str, default: bytes | None = None) -> bytes:
        """The bytes of a member, which zipfile checks against their sum. Stored as they are: nothing is blown up."""
        name = self.folder + name
        if default is not None and name not in self.archive.namelist():
            return default
        if self.archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"{name} is compressed, which torch.save never does")
        return self.archive.read(name)

    def find_class(self, module: str, name: str) -> Any:
        match module, name:
            case "torch._utils", "_rebuild_tensor_v2":
                return _Rebuild()
            case "collections", "OrderedDict":
                return StateDict
            case "torch", name if name in STORAGES:
                return name
        raise ValueError(f"it needs {module}.{name}, which is no part of a tensor")

    def persistent_load(self, identity: Any) -> np.ndarray:
        """A storage `(count,)`, from (what, type, key, device, count). The device that it was saved on is no matter.

        It is read once, so that many tensors of one storage take no more memory than it does.
        """
        what, kind, key, _, count = identity
        if what != "storage" or not str(key).isalnum():
            raise ValueError(f"{what} {key}, expected a numbered storage")
        if key in self.storages:
            known, values = self.storages[key]
            if (known, len(values)) != (kind, count):
                raise ValueError(f"storage {key} is of {count} {kind}, and of {len(values)} {known}")
            return values
        content = bytearray(self.part(f"data/{key}"))
        values = np.frombuffer(content, np.dtype(STORAGES[kind]).newbyteorder(self.order))
        if len(values) != count:
            raise ValueError(f"storage {key} has {len(values)} values, expected {count}")
        if kind == "BFloat16Storage":
            values = (values.astype(np.uint32) << 16).view(np.float32)
        values = values.astype(values.dtype.newbyteorder("="), copy=False)
        self.storages[key] = kind, values
        return values


def tensor(
    storage: Any, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *of_training: Any
) -> np.ndarray:
    """The tensor that views a storage so, as PyTorch's does; strides count values. A gradient is no matter."""
    numbers = (offset, *shape, *strides)
    if not isinstance(storage, np.ndarray) or storage.ndim != 1 or len(shape) != len(strides):
        raise ValueError(f"a tensor of shape {shape} and strides {strides} on {type(storage).__name__}")
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise ValueError(f"a tensor of offset {offset}, shape {shape} and strides {strides}")
    size = int(np.prod(shape, dtype=object))
    last = offset + sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))
    if size and (last >= len(storage) or size > len(storage)):
        raise ValueError(f"a tensor of shape {shape} at {offset} with strides {strides} of {len(storage)} values")
    if not size:
        return np.zeros(shape, storage.dtype)
    steps = [stride * storage.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, steps)
