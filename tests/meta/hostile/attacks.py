"""Files that were made to harm whoever reads them, each beside a sound one of its kind.

A maker takes the path that it writes. Sizes that a file only claims are 2^60 bytes; what it has is a hole of the disk.
"""

from __future__ import annotations

import io
import json
import pickle
import sqlite3
import struct
import wave
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from parity.base import npy, reduced
from parity.capture import golden
from spec.files.torch_writer import write_torch_file

Maker = Callable[[Path], object]
GIB = 1 << 30
HUGE = 1 << 60
CLAIM = 1 << 28
"""Bytes that do not fit into what a reader may take (`readers.SPARE`)."""
CONTRACT = Path(__file__).parents[1] / "toy" / "contract.toml"


def hole(path: Path, size: int, start: bytes = b"") -> None:
    """A file of `size` bytes that takes no place on the disk: zeros, but for its start."""
    with path.open("wb") as file:
        file.write(start)
        file.truncate(size)


class Runs:
    """What a pickle may do to whoever loads it: it makes a file."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


# torch.save's files: a zip of a pickle and of storages.


def torch_zip(path: Path, program: bytes, *storages: bytes, name: str = "file/data.pkl", compressed: int = 0) -> None:
    with zipfile.ZipFile(path, "w", compressed) as archive:
        archive.writestr(name, program)
        for number, storage in enumerate(storages):
            archive.writestr(f"file/data/{number}", storage)


def pickle_that_runs(path: Path) -> None:
    torch_zip(path, pickle.dumps(Runs(path.with_suffix(".ran")), protocol=2))


def pickle_of_a_huge_memo(path: Path) -> None:
    """A pickle that remembers an empty list as its 2^30th value: a table of 16 GiB in Python's own reader."""
    torch_zip(path, b"\x80\x02]r" + struct.pack("<I", 1 << 30) + b".")


def many_tensors_of_one_storage(path: Path) -> None:
    """A megabyte that 2000 tensors view: 2 GiB, if each has a copy of its own."""
    values = GIB >> 12
    storage = (
        b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuJ" + struct.pack("<i", values) + b"tQ"
    )
    one = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\0J" + struct.pack("<i", values) + b"\x85K\x01\x85\x89"
    one += b"ccollections\nOrderedDict\n)RtR"
    torch_zip(path, b"\x80\x02](" + 2000 * one + b"e.", bytes(4 * values))


def compressed_storage(path: Path) -> None:
    torch_zip(path, b"\x80\x02].", bytes(GIB >> 4), compressed=zipfile.ZIP_DEFLATED)


def compressed_pickle(path: Path) -> None:
    torch_zip(path, b"\x80\x02" + b"]0" * (GIB >> 3) + b"].", compressed=zipfile.ZIP_DEFLATED)


# safetensors: the length of a header, the header, the arrays.


def safetensors(path: Path, header: Any, content: bytes = b"", length: int | None = None) -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + content)


def tensor(shape: list[int], end: int, dtype: str = "F32") -> dict[str, Any]:
    return {"x": {"dtype": dtype, "shape": shape, "data_offsets": [0, end]}}


SAFETENSORS: dict[str, Maker] = {
    "a header of 2^60 bytes": lambda path: safetensors(path, b"{}", length=HUGE),
    "a header of 2^60 bytes in a file that is long": lambda path: hole(path, GIB * 4, struct.pack("<Q", HUGE)),
    "a tensor of 2^60 bytes": lambda path: safetensors(path, tensor([1 << 58], HUGE)),
    "a shape whose product is 0 times 2^90": lambda path: safetensors(path, tensor([0, 1 << 90], 0)),
    "lists in lists": lambda path: safetensors(path, b'{"x":' + b"[" * 100_000),
}


# NPY and .npz.


def npy_of(path: Path, header: str, content: bytes = b"") -> None:
    text = header.encode() + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text + content)


def npz_of(path: Path, make: Maker) -> None:
    """A zip of one array, that of another file."""
    make(path)
    content = path.read_bytes()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", content)


def objects(path: Path) -> None:
    """An array whose values are a pickle that runs."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.array([Runs(path.with_suffix(".ran"))], object), allow_pickle=True)
    path.write_bytes(buffer.getvalue())


def described(descr: str, shape: str) -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"


NPY: dict[str, Maker] = {
    "objects": objects,
    "2^60 values": lambda path: npy_of(path, described("'<f4'", f"({HUGE},)")),
    "a header that is a program": lambda path: npy_of(path, "__import__('os').mkdir('ran')"),
    "brackets in brackets": lambda path: npy_of(path, "(" * 3000),
}


def bomb(path: Path) -> None:
    """A megabyte that unpacks to a gigabyte of zeros behind the head of an array: its zip is written by hand."""
    npy_of(path, described("'|u1'", f"({GIB},)"))
    head, name = path.read_bytes(), b"x.npy"
    press = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = press.compress(head) + press.flush(zlib.Z_FULL_FLUSH)
    million = press.compress(bytes(1 << 20)) + press.flush(zlib.Z_FULL_FLUSH)  # the same bytes each time
    content = start + (GIB >> 20) * million + press.flush()
    about = struct.pack("<HHHHHIII", 20, 0, 8, 0, 33, 0, len(content), GIB + len(head))
    local = b"PK\x03\x04" + about + struct.pack("<HH", len(name), 0) + name + content
    central = b"PK\x01\x02\x14\0" + about + struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, 0) + name
    path.write_bytes(local + central + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0))


def outside(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("../../escaped.npy", "/tmp/escaped.npy"):
            archive.writestr(name, b"no array")


NPZ: dict[str, Maker] = {
    "objects": lambda path: npz_of(path, objects),
    "a bomb": bomb,
    "2^60 values": lambda path: npz_of(path, NPY["2^60 values"]),
    "members outside of the folder": outside,
}


# Exported functions. The format has no marks: a wrong count is the start of something else.


def words(*texts: str) -> bytes:
    return b"".join(struct.pack("<Q", len(text)) + text.encode() for text in texts)


def mlxfn(path: Path, *after: bytes) -> None:
    path.write_bytes(words("0.32.4") + struct.pack("<i?", 1, False) + words("") + b"".join(after))


def constant(shape: tuple[int, ...]) -> bytes:
    """A function of no inputs and one constant of bytes."""
    count = struct.pack("<Q", 0)
    one = struct.pack("<QQ??Q", 1, 7, False, True, len(shape)) + struct.pack(f"<{len(shape)}i", *shape)
    return count * 4 + one + struct.pack("<iB", 1, 1)


MLXFN: dict[str, Maker] = {
    f"2^60 {what}": lambda path, before=before: mlxfn(path, bytes(8 * before), struct.pack("<Q", HUGE))
    for before, what in enumerate(("keywords", "inputs", "shapes", "outputs", "operations"))
} | {
    "a text of 2^60 bytes": lambda path: path.write_bytes(struct.pack("<Q", HUGE) + b"0.32.4"),
    "a constant of 2^60 values": lambda path: mlxfn(path, constant((1 << 30, 1 << 30))),
    "a constant of a negative length": lambda path: mlxfn(path, constant((-25,)) + bytes(64)),
    "a hole": lambda path: hole(path, 4 * GIB, b"\x06\0\0\0\0\0\0\x000.32.4"),
}


# Manifests, and other JSON and TOML.

LARGE: dict[str, Maker] = {
    "a hole of 1 GiB": lambda path: hole(path, GIB),
    "1 GiB of blanks": lambda path: hole(path, GIB, b'{"schema": 1}'),
    "lists in lists": lambda path: path.write_bytes(b'{"x":' + b"[" * 100_000),
    "no text": lambda path: path.write_bytes(b"\xff\xfe\0"),
}


def bundle(path: Path, change: Callable[[dict[str, Any]], object] = lambda manifest: None) -> None:
    """A golden folder of one tap, beside a file that is none of it."""
    path.mkdir()
    npy.write(path.parent / "secret.npy", np.arange(3.0))
    with golden.writing(path, {"case": "x", "inputs": {}}, replace=True) as trace:
        trace.add("x", np.arange(3.0), axes="t", floors={"": 1.0}, margins=[])
    manifest = json.loads((path / golden.MANIFEST).read_text())
    change(manifest)
    (path / golden.MANIFEST).write_text(json.dumps(manifest))


def renamed(name: str) -> Maker:
    return lambda path: bundle(path, lambda manifest: manifest["taps"][0].update(file=name))


BUNDLES: dict[str, Maker] = {
    "a file above the folder": renamed("../secret.npy"),
    "a file above the folder, by a way round": renamed("x/../../secret.npy"),
    "a file by its whole path": renamed("/etc/hostname"),
    "a file that has no name": renamed(""),
    "a file whose name is a number": lambda path: bundle(path, lambda manifest: manifest["taps"][0].update(file=3)),
    "an input above the folder": lambda path: bundle(
        path, lambda manifest: manifest.update(inputs={"../../secret": "0" * 64})
    ),
    "a state above the folder": lambda path: bundle(
        path, lambda manifest: manifest.update(starts=[{"state": {"x": {"file": "../secret.npy", "sha256": "0"}}}])
    ),
    "a file in double above the folder": lambda path: bundle(
        path, lambda manifest: manifest.update(float64={"local": [{**manifest["taps"][0], "file": "../secret.npy"}]})
    ),
    "a manifest of 1 GiB": lambda path: (path.mkdir(), hole(path / golden.MANIFEST, GIB)),
    "a manifest of lists in lists": lambda path: (path.mkdir(), LARGE["lists in lists"](path / golden.MANIFEST)),
}


def contract(path: Path, text: str = "") -> None:
    path.write_text(text + CONTRACT.read_text())


def recorded(path: Path) -> None:
    """A second of silence."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000))


def flac(path: Path) -> None:
    hole(path, 4 * GIB, b"fLaC\0\0\0\x22" + bytes(34))


def wav(path: Path) -> None:
    """2^31 bytes promised, of 65535 channels."""
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 1 << 31, b"WAVE", b"fmt ", 16, 1, 65535, 8000, 8000, 65535, 16)
    hole(path, 2 * GIB, head + struct.pack("<4sI", b"data", 1 << 31))


ATTACKS: dict[str, dict[str, Maker]] = {
    "pt": {
        "a pickle that runs": pickle_that_runs,
        "a pickle that remembers 2^30 values": pickle_of_a_huge_memo,
        "a compressed storage": compressed_storage,
        "a compressed pickle": compressed_pickle,
        "a pickle above the folder": lambda path: torch_zip(path, b"\x80\x02].", name="../data.pickle"),
    },
    "checkpoint": SAFETENSORS,
    "safetensors": SAFETENSORS,
    "npy": NPY,
    "npz": NPZ,
    "mlxfn": MLXFN,
    "bundle": BUNDLES,
    "record": LARGE,
    "result": LARGE,
    "contract": {
        "a hole of 1 GiB": LARGE["a hole of 1 GiB"],
        "1 GiB behind a contract": lambda path: hole(path, GIB, CONTRACT.read_bytes()),
        "lists in lists": lambda path: contract(path, "x = " + "[" * 100_000),
        "a part above the folder": lambda path: contract(path, 'parts = ["../other.toml"]\n'),
        "a part by its whole path": lambda path: contract(path, 'parts = ["/etc/other.toml"]\n'),
    },
    "map": LARGE,
    "history": {"a hole of 1 GiB": LARGE["a hole of 1 GiB"], "no store": lambda path: path.write_bytes(b"SQLite" * 99)},
    "recording": {"4 GiB of no frames": flac, "65535 channels": wav},
}
"""By the kind of file, each attack and what makes its file."""


def store(path: Path) -> None:
    sqlite3.connect(path).close()


SOUND: dict[str, Maker] = {
    "pt": lambda path: write_torch_file(path, {"x": np.zeros(3, np.float32)}),
    "checkpoint": lambda path: safetensors(path, tensor([2], 8), bytes(8)),
    "safetensors": lambda path: safetensors(path, tensor([2], 8), bytes(8)),
    "npy": lambda path: npy.write(path, np.arange(3.0)),
    "npz": lambda path: np.savez_compressed(path, x=np.zeros(1 << 20)),
    "mlxfn": lambda path: mlxfn(path, constant((3,)) + bytes(3)),
    "bundle": bundle,
    "record": lambda path: reduced.reduced(np.arange(8.0)).save(path),
    "result": lambda path: path.write_text('{"schema": 1}'),
    "contract": contract,
    "map": lambda path: path.write_text('{"a": "b"}'),
    "history": store,
    "recording": recorded,
}
"""A file of each kind that is as it should be."""

SUFFIXES = {
    "bundle": "", "checkpoint": ".safetensors", "record": ".json", "result": ".json", "contract": ".toml",
    "map": ".json", "history": ".sqlite", "recording": ".wav",
}  # fmt: skip
