"""Files as `torch.save` writes them, written without PyTorch: a pickle and the storages, in a zip.

`torch_file.py` reads them, and so does `torch.load`.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from parity.base.files import replacing

FOLDER = "conds"  # of the zip; readers take any
STORAGES = {"float32": "FloatStorage", "int64": "LongStorage"}


def write_torch_file(file: Path, value: object) -> None:
    """Write dictionaries of arrays, numbers, texts and None: the same bytes everywhere, whole or not at all.

    Raises `TypeError` for anything else.
    """
    arrays: list[np.ndarray] = []
    program = b"\x80\x02" + pickled(value, arrays) + b"."
    with replacing(file) as partial, zipfile.ZipFile(partial, "w") as archive:
        parts = {"data.pkl": program, "byteorder": b"little", "version": b"3\n"}
        parts |= {f"data/{key}": array.tobytes() for key, array in enumerate(arrays)}
        for name, content in parts.items():
            entry = zipfile.ZipInfo(f"{FOLDER}/{name}")  # of 1980, as all of torch.save's are
            entry.create_system = 3  # whichever system this is
            archive.writestr(entry, content)


def pickled(value: object, arrays: list[np.ndarray]) -> bytes:
    """The pickle program, protocol 2, that makes a value; the arrays in it are appended to `arrays`."""

    def tuple_of(*parts: bytes) -> bytes:
        return b"(" + b"".join(parts) + b"t"

    match value:
        case None:
            return b"N"
        case int():
            return b"J" + value.to_bytes(4, "little")
        case str():
            return b"X" + len(value.encode()).to_bytes(4, "little") + value.encode()
        case dict():
            return b"}(" + b"".join(pickled(part, arrays) for pair in value.items() for part in pair) + b"u"
        case np.ndarray():
            arrays.append(value.astype(value.dtype.newbyteorder("<")))
            kind = f"ctorch\n{STORAGES[value.dtype.name]}\n".encode()
            named = [pickled(part, arrays) for part in ("storage", str(len(arrays) - 1), "cpu", value.size)]
            storage = tuple_of(named[0], kind, *named[1:]) + b"Q"
            shape = [pickled(length, arrays) for length in value.shape]
            strides = [pickled(step // value.itemsize, arrays) for step in value.strides]
            hooks = b"ccollections\nOrderedDict\n)R"
            view = tuple_of(storage, pickled(0, arrays), tuple_of(*shape), tuple_of(*strides), b"\x89", hooks)
            return b"ctorch._utils\n_rebuild_tensor_v2\n" + view + b"R"
    raise TypeError(f"{type(value).__name__} has no place in such a file")
